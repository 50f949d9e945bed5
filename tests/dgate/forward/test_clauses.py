"""Clauses of delayed commands, each with a real receiver, and `merge`."""
# ruff: noqa: E501 - tables of lines

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pydicom
import pytest

from dgate.net import dimse
from dgate.net.limits import FETCHED
from tests.dgate.archive.support import CT1
from tests.dgate.hostile.client import Client
from tests.dgate.hostile.site import Site
from tests.dgate.net.conftest import wait_for
from tests.dgate.net.raw import CT, CT_CONTEXT, EVLE, IVLE
from tests.ports import free_port

from .conftest import StartServer
from .support import an_object, paths, queue_is_empty, receiving, states, store, uid

PATIENT = CT1[0x00100020][1].decode()
MR_CLASS = "1.2.840.10008.5.1.4.1.1.4"
TODAY = date.today()  # noqa: DTZ011 - dates of studies are local
LAST = b"9 "
"""The instance number of the image that asks."""


def day(days: int) -> bytes:
    return f"{TODAY + timedelta(days):%Y%m%d}".encode()


def another(number: int, **changes: bytes) -> bytes:
    """An image of a study and a series of its own."""
    own = {"t0020000d": uid(number) + b".1", "t0020000e": uid(number) + b".2"}
    return an_object(number, **{**own, **changes})


def objects() -> list[bytes]:
    """1 to 6 belong to one patient, 9 asks for them."""
    return [
        another(1, t00080060=b"MR", t00080016=MR_CLASS.encode(), t00080020=day(-40)),
        another(2, t00080020=day(-40), t00080008=b"DERIVED\\SECONDARY\\MPR "),
        another(3, t00080020=day(-5), t0008103e=b"scout view"),
        an_object(4, t0020000e=uid(4) + b".2", t00080020=day(-1)),
        an_object(5, t00080020=day(-1)),
        an_object(9, t00200013=LAST, t00080020=day(-1)),
    ]


CLAUSES: list[tuple[str, list[int], str]] = [
    ("forward patient", [1, 2, 3, 4, 5, 9], " "),
    ("forward study", [4, 5, 9], " "),
    ("forward series", [5, 9], " "),
    ("forward image", [9], " "),
    ("forward study modality MR", [1], "MR "),
    ("forward study modality CT", [2, 3, 4, 5, 9], "CT "),
    (f"forward study date {day(-5).decode()}", [3], f" {day(-5).decode()}"),
    (f"forward study date {day(-6).decode()}-{day(-1).decode()}", [3, 4, 5, 9], f" {day(-6).decode()}-{day(-1).decode()}"),
    ("forward study now -6+0", [3, 4, 5, 9], f" {day(-6).decode()}-{day(0).decode()}"),
    ("forward study now -50-3", [1, 2, 3], f" {day(-50).decode()}-{day(-3).decode()}"),
    ("forward study age -4+0", [3, 4, 5, 9], f" {day(-5).decode()}-{day(-1).decode()}"),
    ("forward study age -39-1", [1, 2, 3], f" {day(-40).decode()}-{day(-2).decode()}"),
    ("forward study modality CT age -4+0", [3, 4, 5, 9], f"CT {day(-5).decode()}-{day(-1).decode()}"),
    (f"forward patient study {uid(2).decode()}.1", [2], " "),
    (f"forward patient series {uid(3).decode()}.2", [3], " "),
    (f"forward study sop {uid(1).decode()}", [1], " "),
    ("forward patient imagetype MPR", [2], " "),
    ("forward patient seriesdesc scout", [3], " "),
    ("forward patient split 0/2", [1, 3, 5], " "),
    ("forward patient split 1/2", [2, 4, 9], " "),
    ("forward patient split 3/2", [], " "),
]  # fmt: skip


@pytest.mark.parametrize(("command", "sent", "which"), CLAUSES, ids=[command for command, _, _ in CLAUSES])
def test_a_clause_chooses_what_is_sent(start: StartServer, command: str, sent: list[int], which: str) -> None:
    with receiving(0, CT, MR_CLASS) as recv:
        condition = f'ifequal "%V0020,0013","{LAST.decode().strip()}"'
        site = start(f"ImportConverter0 = {condition}; {command} after 0 to RECV\n", f"RECV 127.0.0.1 {recv.port} un")
        store(site, *objects())
        recv.wait_for(len(sent), context=site.log)
        wait_for(lambda: queue_is_empty(site), context=site.log)
    assert sorted(recv.numbers) == sent
    line = f"Importconverter0.1: queued {command[:11]} - (single object {which} of {PATIENT}) to RECV"
    assert line in site.log().splitlines()


@pytest.mark.parametrize(("code", "syntaxes"), [("un", [IVLE]), ("ul", [EVLE, IVLE])])
def test_the_compression_is_that_of_the_clause(start: StartServer, code: str, syntaxes: list[str]) -> None:
    with receiving() as recv:
        line = f"forward study compressed as {code} after 0 to RECV"
        site = start(f"ImportConverter0 = {line}\n", f"RECV 127.0.0.1 {recv.port} {'ul' if code == 'un' else 'un'}")
        store(site, an_object(1))
        recv.wait_for(1, context=site.log)
    assert recv.proposed == [[(CT, syntaxes)]]


REFUSED: list[tuple[str, dict[str, bytes], str]] = [
    ("submit study to HOST", {}, ""),
    ("submit2 patient to HOST target x", {}, ""),
    ("forward study age -1+1 to RECV", {"t00080020": b""}, ": the object has no study date"),
    ("forward study age x to RECV", {}, ": expected days before and behind, -d+d"),
    ("forward study now 1-1-1 to RECV", {}, ": expected days before and behind, -d+d"),
    ("forward study now -999999+0 to RECV", {}, ": there are no such days"),
    ("forward study split 1 to RECV", {}, ": expected forward ... split N/M"),
    ("forward study split 1/0 to RECV", {}, ": expected forward ... split N/M"),
    ("get study split 1/2 from RECV", {}, ": expected forward ... split N/M"),
]


@pytest.mark.parametrize(("command", "changes", "why"), REFUSED, ids=[command for command, _, _ in REFUSED])
def test_what_cannot_be_done_is_said_and_the_line_goes_on(
    start: StartServer, command: str, changes: dict[str, bytes], why: str
) -> None:
    site = start(f"ImportConverter0 = {command}; nop done\n")
    store(site, an_object(1, **changes))
    site.wait_for_line("Importconverter0.1: nop done")
    assert f"*** Importconverter0.0 error: {command}{why}" in site.log().splitlines()
    assert " queued " not in site.log()


def test_without_a_patient_nobody_is_meant(start: StartServer) -> None:
    site = start('ImportConverter0 = set 0010,0020 to ""; forward patient to RECV; nop done\n')
    store(site, an_object(1))
    site.wait_for_line("Importconverter0.2: nop done")
    assert "the object has no patient ID" in site.log()


def test_a_deletion_goes_no_further_than_its_clauses(start: StartServer) -> None:
    line = 'ifequal "%V0020,0013","9"; delete patient modality MR after 0'
    site = start(f"ExportConverters = 1\nExportConverter0 = {line}\n")
    store(site, *objects())
    wait_for(lambda: site.images() == 5, context=site.log)
    wait_for(lambda: queue_is_empty(site), context=site.log)
    assert site.images() == 5
    assert site.rows("SELECT Modality FROM DICOMSeries GROUP BY Modality") == [(b"CT",)]
    assert f"Exportconverter0.1: queued delete pati - (single object MR  of {PATIENT}) to " in site.log().splitlines()


def test_another_server_is_asked_for_a_modality_only(start: StartServer) -> None:
    source = start("")
    store(source, *objects()[:-1])
    site = start(
        "ImportConverter0 = get study modality MR after 0 from SRC; nop seen\n"
        "ExportConverters = 1\nExportConverter0 = nop exported\n",
        f"SRC 127.0.0.1 {source.port} un",
    )
    source.know(f"ORACLE 127.0.0.1 {site.port} un")
    store(site, objects()[-1])
    site.wait_for_line(f"Importconverter0.0: queued get study m - (single object MR  of {PATIENT}) to SRC")
    wait_for(lambda: site.images() == 2, context=lambda: site.log() + source.log())
    wait_for(lambda: queue_is_empty(site), context=site.log)
    assert site.rows("SELECT SOPInstanc FROM DICOMImages ORDER BY SOPInstanc") == [(uid(1),), (uid(9),)]
    assert site.log().count("queued get study") == 1
    assert site.log().count("nop seen") == 1
    assert site.log().count("nop exported") == 1


@pytest.mark.parametrize(
    ("command", "node", "line", "state"),
    [
        ("get patient after 0 from SRC", "", "***preretrieve: AE not found: SRC", b"dead"),
        ("preretrieve SRC", "", "***preretrieve: AE not found: SRC", b"dead"),
        ("get study after 0 from SRC", "dead", "***preretrieve: could not connect to AE: SRC", b"held"),
        ("get series after 0 from SRC", "live", "***preretrieve/forward xxx to: remote DICOM error", b"dead"),
    ],
)
def test_what_cannot_be_fetched(start: StartServer, command: str, node: str, line: str, state: bytes) -> None:
    ports = {"dead": free_port()}
    if node == "live":
        ports["live"] = start("").port
    nodes = [f"SRC 127.0.0.1 {ports[node]} un"] if node else []
    site = start(f"ForwardCollectDelay = 0\nImportConverter0 = {command}\n", *nodes)
    store(site, an_object(1))
    site.wait_for_line(line)
    wait_for(lambda: states(site) == [state], context=site.log)
    held = f"Queue: holding processing of file {PATIENT}"
    assert (held in site.log().splitlines()) is (state == b"held")


def test_a_stranger_cannot_pass_for_one_that_was_asked(start: StartServer) -> None:
    site = start("ImportConverter0 = destroy\n")
    data = an_object(1)
    head = dimse.encode_command((
        (dimse.AFFECTED_SOP_CLASS, CT.encode()),
        (dimse.COMMAND_FIELD, dimse.ushort(dimse.C_STORE)),
        (dimse.MESSAGE_ID, dimse.ushort(1)),
        (dimse.PRIORITY, dimse.ushort(0)),
        (dimse.DATA_SET_TYPE, dimse.ushort(dimse.WITH_DATA_SET)),
        (dimse.AFFECTED_SOP_INSTANCE, uid(1)),
        (dimse.MOVE_ORIGINATOR, b"ORACLE"),
        (dimse.MOVE_ORIGINATOR_ID, dimse.ushort(FETCHED)),
    ))  # fmt: skip
    with Client(site.port) as client:
        client.send(dimse.encode_message(CT_CONTEXT, head, data, 16384))
        assert client.status() == 0
        client.release()
    assert site.images() == 0


def test_a_script_asks_for_later_as_a_line_does(start: StartServer) -> None:
    pytest.importorskip("lupa")
    with receiving() as recv:
        site = start(
            "ImportConverter0 = lua \"script('forward study after 0 to RECV')\"\n", f"RECV 127.0.0.1 {recv.port} un"
        )
        store(site, an_object(1))
        recv.wait_for(1, context=site.log)


def test_called_lines_of_an_export_converter_ask_for_later(start: StartServer, tmp_path: Path) -> None:
    (tmp_path / "lines").write_text("forward study after 0 to RECV\n")
    with receiving() as recv:
        site = start(
            f"ExportConverters = 1\nExportConverter0 = call {tmp_path}/lines\n", f"RECV 127.0.0.1 {recv.port} un"
        )
        store(site, an_object(1))
        recv.wait_for(1, context=site.log)


def test_a_script_for_a_study_asks_for_later(start: StartServer, tmp_path: Path) -> None:
    pytest.importorskip("lupa")
    script = tmp_path / "study.lua"
    script.write_text("Data.PatientID = command_line script('forward patient after 0 to RECV')\n")
    with receiving() as recv:
        site = start(f"ImportConverter0 = process study after 0 by {script}(%i)\n", f"RECV 127.0.0.1 {recv.port} un")
        store(site, an_object(1), an_object(2))
        recv.wait_for(2, context=site.log)


def test_an_image_that_a_script_adds_is_not_exported(start: StartServer) -> None:
    pytest.importorskip("lupa")
    added = uid(7).decode()
    site = start(
        f"ImportConverter0 = lua \"local o = Data:Copy() o.SOPInstanceUID = '{added}' o:AddImage()\"\n"
        "ExportConverters = 1\nExportConverter0 = nop exported %o\n"
    )
    store(site, an_object(1), an_object(2))
    site.wait_for_line(f"Exportconverter0.0: nop exported {uid(2).decode()}")
    wait_for(lambda: queue_is_empty(site), context=site.log)
    assert site.images() == 3
    assert f"nop exported {added}" not in site.log()


# -- merge


def merged(site: Site) -> list[pydicom.FileDataset]:
    return [pydicom.dcmread(path) for path in sorted(site.data.rglob("*.dcm")) if ".spool" not in path.parts]


def test_all_series_of_a_study_become_one(start: StartServer) -> None:
    site = start(
        'ImportConverter0 = ifequal "%V0020,0013","9"; merge study after 1 script set 0010,4000 to "scripted"\n'
        'MergeSeriesConverter0 = set 0008,103e to "merged"; nop merging\n'
    )
    store(site, *objects())
    line = f"Importconverter0.1: queued merge study - (single object   of {PATIENT}) to "
    site.wait_for_line(line)
    wait_for(lambda: site.log().count("MergeSeriesconverter0.1: nop merging") == 3, context=site.log)
    wait_for(lambda: queue_is_empty(site), context=site.log)
    found = merged(site)
    study = [each for each in found if each.StudyInstanceUID == CT1[0x0020000D][1].decode()]
    assert len(found) == 6
    assert len(study) == 3
    assert len({each.SeriesInstanceUID for each in study}) == 1
    assert len({each.SOPInstanceUID for each in study}) == 3
    assert {each.SOPInstanceUID for each in study}.isdisjoint(uid(n).decode() for n in range(10))
    assert {(each.SeriesDescription, each.PatientComments) for each in study} == {("merged", "scripted")}
    assert (study[0].SeriesInstanceUID.encode(), 3) in site.rows(
        "SELECT SeriesInst, COUNT(*) FROM DICOMImages GROUP BY SeriesInst"
    )
    assert site.images() == 6


def test_a_merge_of_one_modality(start: StartServer) -> None:
    site = start('ImportConverter0 = ifequal "%V0020,0013","9"; merge study modality CT after 0\n')
    store(
        site,
        an_object(1, t00080060=b"MR", t00080016=MR_CLASS.encode(), t0020000e=uid(1) + b".2"),
        an_object(2, t0020000e=uid(2) + b".2"),
        an_object(9, t00200013=LAST),
    )
    wait_for(lambda: queue_is_empty(site), context=site.log)
    found = {str(each.SOPInstanceUID): str(each.SeriesInstanceUID) for each in merged(site)}
    assert found.pop(uid(1).decode()) == uid(1).decode() + ".2"
    assert len(found) == 2
    assert len(set(found.values())) == 1


def test_what_a_merge_script_destroys_stays(start: StartServer) -> None:
    site = start(
        "ImportConverter0 = merge study after 1 script call keep\n"
        '[scripts]\nkeep = ifequal "%V0020,0013","9"; destroy\n'
    )
    store(site, an_object(1), an_object(9, t00200013=LAST))
    wait_for(lambda: queue_is_empty(site), context=site.log)
    uids = {str(each.SOPInstanceUID) for each in merged(site)}
    assert uid(9).decode() in uids
    assert uid(1).decode() not in uids
    assert len(uids) == 2


def test_a_merge_that_was_killed_goes_on(start: StartServer, tmp_path: Path) -> None:
    gate, waiting = tmp_path / "gate", tmp_path / "waiting.sh"
    waiting.write_text(f"while test ! -e {gate}; do sleep 0.1; done\n")  # a `;` would end the statement
    site = start(
        'ImportConverter0 = ifequal "%V0020,0013","9"; merge study after 0\n'
        f'MergeSeriesConverter0 = ifequal "%V0020,0013","9"; system sh {waiting}\n'
    )
    others = [an_object(number, t0020000e=uid(number) + b".2") for number in (1, 2)]
    store(site, *others, an_object(9, t00200013=LAST))
    wait_for(lambda: site.images() > 3, context=site.log)
    site.kill()
    gate.touch()
    site.start()
    wait_for(lambda: queue_is_empty(site) and site.images() == 3, context=site.log)
    found = merged(site)
    assert len(found) == 3
    assert len({each.SeriesInstanceUID for each in found}) == 1


def test_what_is_stored_anew_while_a_merge_runs_is_not_lost(start: StartServer, tmp_path: Path) -> None:
    gate, waiting, reached = tmp_path / "gate", tmp_path / "waiting.sh", tmp_path / "reached"
    waiting.write_text(f"touch {reached}\nwhile test ! -e {gate}; do sleep 0.1; done\n")
    site = start(
        'ImportConverter0 = ifequal "%V0020,0013","9"; merge study after 0\n'
        f'MergeSeriesConverter0 = ifequal "%V0020,0013","9"; system sh {waiting}\n'
    )
    store(site, an_object(1), an_object(9, t00200013=LAST))
    wait_for(reached.exists, context=site.log)
    store(site, an_object(1, t00204000=b"second thoughts"))
    gate.touch()
    line = f"***Merge: {uid(1).decode()} was stored anew or deleted meanwhile"
    wait_for(lambda: line in site.log() and uid(9) not in paths(site), context=site.log)
    assert b"second thoughts" in Path(paths(site)[uid(1)]).read_bytes()
