"""What each command does, through a real association with a real server."""

from __future__ import annotations

import json
import re
import threading
import time

import pytest

from tests.dgate.archive.support import UID
from tests.dgate.commands.conftest import Site
from tests.dgate.net.conftest import wait_for
from tests.ports import free_port

OWNERS = {
    "DICOMPatients": "PatientID",
    "DICOMStudies": "PatientID",
    "DICOMSeries": "SeriesPat",
    "DICOMImages": "ImagePat",
}


class TestStatus:
    def test_text_begins_as_the_originals(self, site: Site) -> None:
        text = site.command("display_status:")
        started = time.ctime(site.context.started)
        assert text.startswith(f"DICOM server 'ORACLE' (version 1.5.0e, port 5678, bits 64) was started on {started}\n")
        assert "Database is usable\n" in text
        assert re.search(r"^Space on MAG0  : \d+ MByte$", text, re.MULTILINE)

    def test_json_counts_what_happened(self, site: Site) -> None:
        site.command("genuid:")
        wait_for(lambda: site.node.door.counts() == (0, 0))
        state = json.loads(site.command("status_json:"))
        assert state["schema"] == 1
        assert state["associations"] == {"now": 1, "total": 2}
        assert state["requests"] == {"echo": 2, "find": 0, "move": 0, "get": 0}
        assert state["images"] == {"stored": 0, "failed": 0, "sent": 0}
        assert state["queues"] == {"index": 0}
        assert state["database"] == {"ok": True, "why": ""}
        assert state["devices"][0]["name"] == "MAG0"
        assert state["devices"][0]["free_mb"] > 0

    def test_a_database_that_is_gone_is_told(self, site: Site) -> None:
        for path in site.root.glob("conquest.db3*"):
            path.unlink()
        state = json.loads(site.command("status_json:"))
        assert not state["database"]["ok"]
        assert "Database is not usable: " in site.command("display_status:")

    def test_free_store(self, site: Site) -> None:
        assert int(site.command("get_freestore:MAG0")) > 0
        assert site.command("get_freestore:MAG7") == "***get_freestore: there is no device 'MAG7'\n"


class TestParameters:
    def test_value_and_format(self, site: Site) -> None:
        assert site.command("get_param:myacrnema") == "ORACLE"
        assert site.command("get_param:TCPPort,port %6s!") == "port   5678!"

    def test_default_of_an_absent_key(self, site: Site) -> None:
        assert site.command("get_param:FileNameSyntax") == "4"
        assert site.command("get_ini_param:FileNameSyntax") == ""

    def test_whole_file(self, site: Site) -> None:
        assert site.command("get_ini:") == site.ini.read_text()

    def test_put_adds_at_the_end(self, site: Site) -> None:
        before = site.ini.read_text()
        assert site.command("put_param:FileNameSyntax,8") == ""
        added = site.ini.read_text().removeprefix(before)
        assert re.fullmatch(r"# Parameter added by put_param on .*\nFileNameSyntax           = 8\n", added)
        assert site.command("get_param:FileNameSyntax") == "8"
        assert site.context.settings.file_name_syntax == "8"

    def test_put_changes_in_place(self, site: Site) -> None:
        lines = len(site.ini.read_text().splitlines())
        site.command("put_param:myacrnema,ORACLE2")
        assert site.command("get_param:MyACRNema") == "ORACLE2"
        assert len(site.ini.read_text().splitlines()) == lines

    def test_put_goes_into_the_servers_section(self, site: Site) -> None:
        site.ini.write_text(site.ini.read_text() + "[lua]\nstartup = x\n")
        site.command("put_param:UIDPrefix,1.2.3")
        assert site.command("get_param:UIDPrefix") == "1.2.3"
        assert "[lua]\nstartup = x\n" in site.ini.read_text()

    @pytest.mark.parametrize("text", ["", ",x", "a\nb,c", "x,1\n[lua]", "[sscscp],1", ";x,1", 'q,"quoted"', "a=b,c"])
    def test_put_refuses_what_a_line_cannot_hold(self, site: Site, text: str) -> None:
        before = site.ini.read_bytes()
        assert site.command(f"put_param:{text}").startswith("***put_param: ")
        assert site.ini.read_bytes() == before

    def test_delete(self, site: Site) -> None:
        site.ini.write_text(site.ini.read_text() + "LossyQuality = 7\nlossyquality = 8\n")
        assert site.command("delete_param:LossyQuality") == ""
        assert site.command("get_ini_param:LossyQuality") == ""
        assert site.command("delete_param:LossyQuality") == "***delete_param: no 'LossyQuality' in dicom.ini\n"

    def test_read_ini_takes_new_values_at_once(self, site: Site) -> None:
        site.ini.write_text(site.ini.read_text().replace("ORACLE", "DELPHI"))
        assert site.command("read_ini:") == ""
        assert site.command("get_param:MyACRNema") == "DELPHI"

    def test_two_at_once_lose_nothing(self, site: Site) -> None:
        threads = [
            threading.Thread(target=site.command, args=(f"put_param:Key{number},{number}",)) for number in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [site.command(f"get_param:Key{number}") for number in range(8)] == [str(number) for number in range(8)]


class TestNodes:
    def test_one_entry(self, site: Site) -> None:
        assert site.command("get_amap:1,%s|%s|%s|%s") == "OTHER|127.0.0.1|15653|un"
        assert site.command("get_amap:1") == "OTHER|127.0.0.1|15653|un"
        assert site.command("get_amap:3") == ""

    def test_all_entries_but_patterns(self, site: Site) -> None:
        assert site.command("get_amaps:<option value='%s'>%0.0s%0.0s%0.0s%s</option>") == (
            "<option value='ORACLE'>ORACLE</option>\n<option value='OTHER'>OTHER</option>\n"
        )

    def test_put_counts_at_once_and_is_kept_by_write(self, site: Site) -> None:
        assert site.command("put_amap:3,NEW,192.0.2.7,104,j2") == ""
        assert site.command("put_amap:0,ORACLE,127.0.0.1,104") == ""
        assert "NEW" not in (site.root / "acrnema.map").read_text()
        assert site.command("write_amap:") == ""
        assert site.command("read_amap:") == ""
        assert [site.command(f"get_amap:{at}") for at in range(5)] == [
            "ORACLE|127.0.0.1|104|un",
            "OTHER|127.0.0.1|15653|un",
            "STAR*|*|1234|j2",
            "NEW|192.0.2.7|104|j2",
            "",
        ]

    def test_read_forgets_what_was_not_written(self, site: Site) -> None:
        site.command("put_amap:1,NEW,192.0.2.7,104")
        site.command("delete_amap:0")
        assert site.command("get_amap:0") == "NEW|192.0.2.7|104|un"
        site.command("read_amap:")
        assert site.command("get_amap:0").startswith("ORACLE|")

    @pytest.mark.parametrize(
        "entry",
        ["9,A,h,1", "0,A,h", "0,A,h,0", "0,A B,h,1", "0,A,h;x,1", "0,,h,1", "x,A,h,1", "0,A,h,1,u n", "0,A\nB,h,1"],
    )
    def test_put_refuses_what_the_file_cannot_hold(self, site: Site, entry: str) -> None:
        assert site.command(f"put_amap:{entry}").startswith("***put_amap: ")
        assert site.command("get_amaps:%s") == "ORACLE\nOTHER\n"

    def test_echo(self, site: Site) -> None:
        site.command(f"put_amap:1,OTHER,127.0.0.1,{site.port}")
        assert site.command("echo:OTHER") == "OTHER is UP"
        port = free_port()
        site.command(f"put_amap:1,OTHER,127.0.0.1,{port}")
        assert site.command("echo:OTHER") == "OTHER is DOWN"
        assert site.command("echo:NOBODY") == "NOBODY is DOWN"
        assert "***Echo of NOBODY: not in acrnema.map" in site.log()


class TestClasses:
    def test_by_position(self, site: Site) -> None:
        (site.root / "dgatesop.lst").write_text(
            "# comment\nVerification 1.2.840.10008.1.1 sop\nCT 1.2.3 abstract\nImplicit 1.2.840.10008.1.2 transfer\n"
        )
        assert site.command("get_sop:0") == "1.2.840.10008.1.1 Verification"
        assert site.command("get_sop:1,%s") == "1.2.3"
        assert site.command("get_sop:2") == ""
        assert site.command("get_transfer:0") == "1.2.840.10008.1.2 Implicit"


class TestQueries:
    def test_rows_and_format(self, site: Site) -> None:
        site.store()
        assert site.command("query:DICOMPatients|PatientID,PatientNam|||") == "PAT 001.A|Doe^John^Q\n"
        text = site.command("query:DICOMStudies|StudyInsta,StudyDate|PatientID='PAT 001.A'|%s on %s|")
        assert text == f"{UID} on 20200229\n"

    def test_maximum_of_rows(self, site: Site) -> None:
        for number in range(3):
            site.store(t00080018=f"{UID}.1.{number}".encode())
        assert len(site.command("query2:DICOMImages|SOPInstanc|||2|").splitlines()) == 2

    @pytest.mark.parametrize(
        "text",
        [
            "DICOMPatients; DELETE FROM DICOMPatients|*|||",
            "DICOMPatients|*|1=1); DROP TABLE DICOMPatients|",
            "pragma_query_only(0)|*||",
            "(SELECT load_extension('x'))|*||",
            "NoSuchTable|*||",
            "||||",
        ],
    )
    def test_nothing_but_select(self, site: Site, text: str) -> None:
        site.store()
        assert site.command(f"query:{text}").startswith("***query: ")
        assert site.rows("SELECT COUNT(*) FROM DICOMPatients") == [(1,)]

    def test_a_query_without_end_is_ended(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("dgate.commands.database.read_only.__wrapped__.__defaults__", (0.2,))
        endless = "(WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n) SELECT x FROM n)"
        assert site.command(f"query:{endless}|count(*)|||") == "***query: SQL error: interrupted\n"

    def test_text_that_is_none(self, site: Site) -> None:
        assert site.command("query:\udcff|*|||") == "***query: the SQL text is not UTF-8\n"

    def test_too_much_is_refused(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("dgate.commands.database.MAX_OUTPUT", 100)
        endless = "(WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n LIMIT 500) SELECT x FROM n)"
        assert "longer than 100 bytes" in site.command(f"query:{endless}|*|||")


class TestFinders:
    @pytest.fixture(autouse=True)
    def objects(self, site: Site) -> None:
        site.store()
        site.store(
            t00080018=b"1.2.3.4.5.9.9", t0020000E=b"1.2.3.4.5.9", t0020000D=b"1.2.3.4.5", t00100020=b"P%_'2",
            t00100010=b"M\xfcller^Eva", t00080020=b"20240105", t00080060=b"MR", t00200013=b"3",
        )  # fmt: skip

    def test_patients_by_part_of_name_or_id(self, site: Site) -> None:
        assert site.command("patientfinder:local|doe||") == "PAT 001.A|Doe^John^Q|19701231|M\n"
        assert site.command("patientfinder:local|001|%s|") == "PAT 001.A\n"
        assert site.command("patientfinder:(local)||%s|") == "PAT 001.A\nP%_'2\n"
        assert site.command("patientfinder:ORACLE|%_'|%s|") == "P%_'2\n"
        assert site.command("patientfinder:local|' OR 1=1 --|%s|") == ""

    def test_bytes_come_back_as_they_are(self, site: Site) -> None:
        assert site.command("patientfinder:local|eva|%0.0s%s|").encode("utf-8", "surrogateescape") == b"M\xfcller^Eva\n"

    def test_dates_and_uids(self, site: Site) -> None:
        assert site.command("studyfinder:local|2024|%s|") == "P%_'2\n"
        assert site.command("studyfinder:local|20200101-20230101|%s|") == "PAT 001.A\n"
        assert site.command("studyfinder:local|1.2.3.4.5|%s|") == "P%_'2\n"
        assert site.command(f"seriesfinder:local|{UID}||").endswith(f"|{UID}|{UID}.1\n")
        assert site.command("imagefinder:local|Eva||").endswith("|MR|3|1.2.3.4.5|1.2.3.4.5.9|1.2.3.4.5.9.9\n")

    def test_listers(self, site: Site) -> None:
        assert site.command(f"serieslister:local|PAT 001.A|{UID}|") == f"{UID}.1\n"
        assert site.command("serieslister:local|PAT 001.A|1.2.3.4.5|") == ""
        path = site.command(f"imagelister:local|PAT 001.A|{UID}.1|").rstrip("\n")
        assert path.startswith(f"{site.root}/data/PAT_001_A/")
        assert path.endswith(".dcm")
        assert site.command("imagelister:local||1.2.3.4.5.9|:%s:%s") == "P%_'2:1.2.3.4.5.9.9\n"
        assert len(site.command("imagelister:local|||%s|").splitlines()) == 2

    def test_other_servers_are_not_asked(self, site: Site) -> None:
        assert site.command("patientfinder:OTHER|x||").startswith("***patientfinder: only the own server")


class TestUids:
    def test_new_ones(self, site: Site) -> None:
        uids = {site.command("genuid:") for _ in range(5)}
        assert len(uids) == 5
        for uid in uids:
            assert re.fullmatch(r"1\.2\.826\.0\.1\.3680043\.2\.135\.1066\.6\.\d{10}\.\d+", uid)
            assert len(uid) <= 64

    def test_changed_ones_are_remembered(self, site: Site) -> None:
        new = site.command("changeuid:1.2.3")
        assert new.startswith("1.2.826.0.1.3680043.2.135.1066.7.")
        assert site.command("changeuid:1.2.3") == new
        assert site.command("changeuid:1.2.4") != new
        assert site.command(f"changeuidback:{new}") == "1.2.3"
        assert site.command("changeuidback:9.9") == ""
        assert site.rows("SELECT OldUID, NewUID, MODType FROM UIDMODS")[0] == ("1.2.3", new, "command")

    @pytest.mark.parametrize("uid", ["", "1.2.x", "1" * 65])
    def test_what_is_none(self, site: Site, uid: str) -> None:
        assert site.command(f"changeuid:{uid}").startswith("***changeuid: not a UID")

    def test_checksum_is_the_one_of_the_converters(self, site: Site) -> None:
        assert site.command("checksum:1CT1") == "3041014839"


class TestHeaders:
    def test_frames(self, site: Site) -> None:
        site.store(t00280008=b"3 ")
        assert site.command(f"count_frames:PAT 001.A:{UID}.1.1") == "3"
        assert site.command(f"count_frames:NOBODY:{UID}.1.1") == "***count_frames: no such image\n"

    def test_dump(self, site: Site) -> None:
        site.store()
        lines = site.command(f"dump_header:{site.files()[0]},").splitlines()
        assert lines[0].startswith("0002,0000         4 UL")
        assert '0010,0020        10 LO PatientID                        "PAT 001.A"' in lines
        assert lines[-1].startswith("7fe0,0010        64 OW PixelData")
        assert site.command("dump_header:/etc/passwd").startswith("***dump_header: there is neither a preamble")
        assert site.command("dump_header:/no/such/file,") == "***dump_header: no such file: /no/such/file\n"


class TestDeleting:
    def two(self, site: Site) -> None:
        site.store()
        site.store(t00080018=UID.encode() + b".2.2", t0020000E=UID.encode() + b".2", t00200011=b"8")

    def test_image_series_study_patient(self, site: Site) -> None:
        self.two(site)
        assert site.command(f"deleteimage:NOBODY:{UID}.1.1") == ""
        assert len(site.files()) == 2
        assert site.command(f"deleteimage:PAT 001.A:{UID}.1.1") == ""
        assert site.rows("SELECT SeriesInst FROM DICOMSeries") == [(f"{UID}.2",)]
        assert len(site.files()) == 1
        self.two(site)
        site.command(f"deleteseries:PAT 001.A:{UID}.2")
        assert site.rows("SELECT SeriesInst FROM DICOMSeries") == [(f"{UID}.1",)]
        self.two(site)
        site.command(f"deletestudy:PAT 001.A:{UID}")
        assert (site.files(), site.rows("SELECT * FROM DICOMPatients")) == ([], [])
        self.two(site)
        site.command("deletepatient:PAT 001.A")
        assert (site.files(), site.rows("SELECT * FROM DICOMPatients")) == ([], [])

    def test_studies_of_days(self, site: Site) -> None:
        self.two(site)
        site.command("deletestudies:20200301-20201231")
        assert len(site.files()) == 2
        site.command("deletestudies:20200229")
        assert site.files() == []

    def test_by_file(self, site: Site) -> None:
        self.two(site)
        first, second = site.files()
        assert site.command(f"deleteimagefile:{first}") == ""
        assert site.files() == [second]
        assert site.command(f"deleteimagefromdb:{site.root}/data/{second}") == ""
        assert site.files() == [second]
        assert site.rows("SELECT * FROM DICOMImages") == []
        assert site.command(f"deleteimagefromdb:{second}").startswith("***deleteimagefromdb: no image with the file")

    @pytest.mark.parametrize("text", ["deletepatient:", "deletestudy:PAT 001.A:", "deleteimage:", "deletestudies:2020"])
    def test_nothing_named_nothing_deleted(self, site: Site, text: str) -> None:
        self.two(site)
        assert site.command(text).startswith("***")
        assert len(site.files()) == 2

    def test_make_space(self, site: Site) -> None:
        self.two(site)
        site.command("makespace:1")
        assert len(site.files()) == 2
        assert site.command("makespace:999999999") == "***makespace: no MAG device is as large as that\n"

    def test_make_space_deletes_the_oldest_first(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        site.store()
        for patient, age in ((b"OLD", 7000), (b"OLDER", 9000)):
            uid = b"1.9." + str(age).encode()
            site.store(t00080018=uid + b".1.1", t0020000E=uid + b".1", t0020000D=uid, t00100020=patient)
            with site.archive.stores.writer.exclusive() as connection:
                for table, column in OWNERS.items():
                    sql = f"UPDATE {table} SET AccessTime = ? WHERE {column} = ?"  # noqa: S608 - constants
                    connection.execute(sql, (int(time.time()) - age, patient.decode()))
        free = iter([10, 10, 30])
        monkeypatch.setattr("dgate.commands.deleting.free_megabytes", lambda _: next(free))
        assert site.command("makespace:20") == ""
        assert site.rows("SELECT PatientID FROM DICOMPatients ORDER BY 1") == [("OLD",), ("PAT 001.A",)]
        monkeypatch.setattr("dgate.commands.deleting.free_megabytes", lambda _: 0)
        assert site.command("makespace:20") == "***makespace: there is no old patient left to delete\n"
        assert site.rows("SELECT PatientID FROM DICOMPatients ORDER BY 1") == [("PAT 001.A",)]


class TestRegeneration:
    @pytest.fixture(autouse=True)
    def objects(self, site: Site) -> None:
        site.store()
        site.store(t00080018=UID.encode() + b".2.2", t0020000E=UID.encode() + b".2", t00100020=b"PAT 001.A")

    def images(self, site: Site) -> int:
        return int(site.rows("SELECT COUNT(*) FROM DICOMImages")[0][0])

    def test_tables_and_files(self, site: Site) -> None:
        assert site.command("initializetables:") == ""
        assert (self.images(site), len(site.files())) == (0, 2)
        assert site.command("regen:") == ""
        assert self.images(site) == 2
        site.store(t00080018=UID.encode() + b".2.3", t0020000E=UID.encode() + b".2")
        assert self.images(site) == 3

    def test_device_folder_file(self, site: Site) -> None:
        for command in ("regendevice:MAG0", "regendevice:mag0", "regendir:MAG0,PAT_001_A", "regendir:MAG0,/PAT_001_A/"):
            site.command("initializetables:")
            assert site.command(command) == ""
            assert self.images(site) == 2
        site.command("initializetables:")
        assert site.command(f"regenfile:{site.files()[0]}") == ""
        assert site.command(f"regenfile:{site.root}/data/{site.files()[0]}") == ""
        assert self.images(site) == 1

    @pytest.mark.parametrize(
        "text",
        [
            "regendevice:MAG7",
            "regendir:MAG0,../data",
            "regendir:MAG0,",
            "regendir:MAG0,a/../../x",
            "regenfile:dicom.ini",
            "initializetables:3",
        ],
    )
    def test_elsewhere(self, site: Site, text: str) -> None:
        assert site.command(text).startswith("***")
        assert self.images(site) == 2

    def test_a_file_that_is_none(self, site: Site) -> None:
        (site.root / "data" / "PAT_001_A" / "text").write_text("not an object" * 100)
        answer = site.command("regenfile:PAT_001_A/text")
        assert answer == "***regenfile: the file could not be entered: PAT_001_A/text\n"


def test_logs_can_be_added(site: Site) -> None:
    site.command("log_on:more.log")
    site.command("log_on:more.log")
    site.command("debuglog_on:all.log")
    site.command("genuid:")
    more = (site.root / "more.log").read_text()
    assert more.count("Server command sent using DGATE -- option\n") == 3  # the second log_on, debuglog_on, genuid
    assert "Server Command   := 0030" not in more
    assert "Server Command   := 0030" in (site.root / "all.log").read_text()


def test_debug_level(site: Site) -> None:
    assert site.command("debuglevel:") == "0"
    assert site.command("debuglevel:9") == ""
    site.command("read_ini:")
    assert site.command("debuglevel:") == "4"
    assert site.context.settings.debug_level == 4
    assert site.command("debuglevel:x").startswith("***debuglevel: the level is not a number")


def test_quit(site: Site) -> None:
    assert site.command("quit:") == ""
    assert site.command("safequit:") == ""
    assert len(site.stops) == 2
