"""What the original was seen to do with export converters (conquest-converters.md 2, 8, 9), one fact each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dgate.archive.support import UID
from tests.dgate.hostile.client import FAILED, Client
from tests.dgate.hostile.site import Site
from tests.dgate.net.conftest import wait_for
from tests.ports import free_port

from .conftest import StartServer
from .support import an_object, command, exported, paths, queue_is_empty, receiving, states, store, uid


def done(site: Site) -> None:
    wait_for(lambda: queue_is_empty(site), context=site.log)


def failures(site: Site) -> list[str]:
    return sorted(path.name for path in site.folder.glob("*Failures*"))


def test_their_number_must_be_given(start: StartServer) -> None:
    site = start("ExportConverter0 = nop zero\n[lua]\nExportConverter1 = print('nop one')\n")
    store(site, an_object(1))
    assert exported(site) == []


def test_there_are_twenty_at_most_and_the_number_is_fixed_at_the_start(start: StartServer) -> None:
    lines = "".join(f"ExportConverter{number} = nop number {number}\n" for number in range(22))
    site = start(f"ExportConverters = 22\n{lines}")
    store(site, an_object(1))
    done(site)
    said = exported(site)
    assert sorted(said) == sorted(f"Exportconverter{number}.0: nop number {number}" for number in range(20))


def test_more_of_them_work_after_a_restart_only(start: StartServer) -> None:
    site = start("ExportConverters = 1\nExportConverter0 = nop zero\nExportConverter1 = nop one\n")
    ini = site.folder / "dicom.ini"
    ini.write_text(ini.read_text().replace("ExportConverters = 1", "ExportConverters = 2").replace("zero", "null"))

    def edited() -> bool:
        store(site, an_object(1))
        return "nop null" in site.log()

    wait_for(edited, context=site.log)
    done(site)
    assert "nop one" not in site.log()
    assert site.stop() == 0
    site.start()
    store(site, an_object(2))
    done(site)
    assert "Exportconverter1.0: nop one" in exported(site)


def test_items_are_those_of_the_stored_file(start: StartServer) -> None:
    site = start(
        'ImportConverter0 = set 0008,0060 to "OT"; set 0010,0020 to "NEW"\n'
        "ExportConverters = 1\nExportConverter0 = nop %m %i %o [%x]; nop %f; nop %p; nop %b;;nop ; nop end\n"
    )
    store(site, an_object(1))
    done(site)
    path = Path(paths(site)[uid(1)])
    said = [line.partition(": nop")[2].strip() for line in exported(site)]
    assert said[:2] == [f"OT NEW {uid(1).decode()} []", str(path)]
    assert Path(said[2]) == path.parent
    assert said[3] == path.stem
    assert exported(site)[-1] == "Exportconverter0.6: nop end"


def test_what_changes_objects_is_a_shell_command(start: StartServer) -> None:
    site = start("ExportConverters = 1\nExportConverter0 = set 0010,0020 to X; destroy; reject; newuids; nop done\n")
    before = an_object(1)
    store(site, before)
    done(site)
    assert exported(site) == ["Exportconverter0.4: nop done"]
    assert Path(paths(site)[uid(1)]).read_bytes().endswith(before)


@pytest.mark.parametrize(("verdict", "status"), [("destroy", 0), ("reject", FAILED)])
def test_what_is_not_stored_is_not_exported(start: StartServer, verdict: str, status: int) -> None:
    line = f'ifequal "%i","GO"; {verdict}'
    site = start(f"ImportConverter0 = {line}\nExportConverters = 1\nExportConverter0 = nop %o\n")
    with Client(site.port) as client:
        assert client.store(an_object(1, t00100020=b"GO")) == status
        assert client.store(an_object(2)) == 0
        client.release()
    done(site)
    assert exported(site) == [f"Exportconverter0.0: nop {uid(2).decode()}"]


def test_commands_for_files(start: StartServer, tmp_path: Path) -> None:
    text, copy, folder, gone = (tmp_path / name for name in ("text", "copy.dcm", "folder", "gone"))
    gone.write_text("")
    first = f'write "%m" to {text}; append "%i" to {text}; copy %f to {copy}; rm {gone}'
    second = f"mkdir {folder}/; save to {folder}/saved.dcm; system touch {folder}/touched; nop end"
    site = start(f"ExportConverters = 2\nExportConverter0 = {first}\nExportConverter1 = {second}\n")
    store(site, an_object(1, t00100020=b"ID"))
    done(site)
    assert text.read_text() == "CTID"
    assert copy.read_bytes() == Path(paths(site)[uid(1)]).read_bytes()
    assert (folder / "touched").exists()
    assert (folder / "saved.dcm").read_bytes()[128:132] == b"DICM"
    assert not gone.exists()
    assert sorted(exported(site)) == [
        f'Exportconverter0.0 executes: write "CT" to {text}',
        f'Exportconverter0.1 executes: append "ID" to {text}',
        f"Exportconverter0.2 executes: copy {paths(site)[uid(1)]} to {copy}",
        f"Exportconverter0.3: rm {gone}",
        f"Exportconverter1.0: mkdir {folder}/",
        f"Exportconverter1.1 executes: save to {folder}/saved.dcm",
        f"Exportconverter1.2: system touch {folder}/touched",
        "Exportconverter1.3: nop end",
    ]


def test_a_failure_ends_the_line(start: StartServer) -> None:
    """Refused, of a class that nobody takes, and unreachable; none of them is followed by what stands behind it."""
    lines = (f"ExportConverter{n} = forward to {ae}; nop after\n" for n, ae in enumerate(("NO", "MR", "DEAD")))
    with receiving(status=lambda _: 0xA700) as refusing, receiving(0, "1.2.840.10008.5.1.4.1.1.4") as other:
        site = start(
            f"ExportConverters = 3\n{''.join(lines)}",
            f"NO 127.0.0.1 {refusing.port} un", f"MR 127.0.0.1 {other.port} un", f"DEAD 127.0.0.1 {free_port()} un",
        )  # fmt: skip
        store(site, an_object(1))
        wait_for(lambda: sorted(states(site)) == [b"dead", b"dead", b"held"], context=site.log)
    path = paths(site)[uid(1)]
    assert sorted(exported(site)) == sorted(
        [f"ExportConverter{n}.0: forward {path} to {ae}" for n, ae in enumerate(("NO", "MR", "DEAD"))]
        + [
            "*** ExportConverter0.0: Forward failed to send DICOM image to NO",
            "*** ExportConverter1.0: DICOM server MR does not accept type of forwarded image",
            "*** ExportConverter2.0: Forward failed to connect to host DEAD",
            f"Queue: holding processing of file {path}",
        ]
    )
    assert failures(site) == [f"ExportFailures{site.port}_2"]


def test_a_refused_object_is_tried_again_if_the_settings_say_so(start: StartServer) -> None:
    with receiving(status=lambda count: 0xA700 if count == 1 else 0) as recv:
        site = start(
            "RetryForwardFailed = 1\nRetryDelay = 1\nFailHoldOff = 0\n"
            "ExportConverters = 1\nExportConverter0 = forward to RECV\n",
            f"RECV 127.0.0.1 {recv.port} un",
        )
        store(site, an_object(1))
        recv.wait_for(2, context=site.log)
        done(site)
    assert recv.numbers == [1, 1]


def test_the_association_is_used_again_until_the_study_changes(start: StartServer) -> None:
    with receiving() as recv:
        site = start("ExportConverters = 1\nExportConverter0 = forward to RECV\n", f"RECV 127.0.0.1 {recv.port} un")
        other = {"t0020000d": f"{UID}.9".encode(), "t0020000e": f"{UID}.9.1".encode()}
        store(site, an_object(1), an_object(2), an_object(3, **other))
        recv.wait_for(3, context=site.log)
        done(site)
    assert recv.events[:5] == ["open", "store", "store", "release", "open"]
    assert "ExportConverter0.0: forward association closed by STUDY" in exported(site)


def test_the_file_of_failures_is_there_as_long_as_there_are_any(start: StartServer) -> None:
    port = free_port()
    line = 'ifequal "%m","MR"; nop never; forward to DEAD'
    site = start(
        f"RetryDelay = 1\nExportConverters = 2\nExportConverter1 = {line}\nExportConverter0 = nop fine\n",
        f"DEAD 127.0.0.1 {port} un",
    )
    store(site, an_object(1), an_object(2))
    wait_for(lambda: site.log().count("Queue: holding") == 2, context=site.log)
    wait_for(lambda: failures(site) == [f"ExportFailures{site.port}_1"], context=site.log)
    file = site.folder / f"ExportFailures{site.port}_1"
    where = paths(site)
    names = [where[uid(1)], where[uid(2)]]
    wait_for(lambda: [line.partition(" ")[2] for line in file.read_text().splitlines()] == names, context=site.log)
    site.kill()
    assert file.exists()
    site.start()
    wait_for(lambda: site.log().count("Queue: retrying") >= 1, context=site.log)
    assert [line.partition(" ")[2] for line in file.read_text().splitlines()] == names
    with receiving(port) as recv:
        recv.wait_for(2, context=site.log)
        done(site)
        wait_for(lambda: failures(site) == [], context=site.log)


def test_the_file_goes_when_what_it_names_is_given_up_or_dropped(start: StartServer) -> None:
    site = start(
        "RetryDelay = 1\nFailHoldOff = 0\nMaximumExportRetries = 1\n"
        "ExportConverters = 2\nExportConverter0 = forward to DEAD\nExportConverter1 = defer\n",
        f"DEAD 127.0.0.1 {free_port()} un",
    )
    store(site, an_object(1))
    wait_for(lambda: "giving up" in site.log(), 20, site.log)
    wait_for(lambda: failures(site) == [f"ExportFailures{site.port}_1"], context=site.log)
    assert command(site, "queue_drop:all") == "2\n"
    wait_for(lambda: failures(site) == [], context=site.log)


def test_the_file_of_delayed_commands(start: StartServer) -> None:
    site = start("ImportConverter0 = preretrieve DEAD\nForwardCollectDelay = 0\n", f"DEAD 127.0.0.1 {free_port()} un")
    store(site, an_object(1, t00100020=b"ID"))
    wait_for(lambda: failures(site) == [f"DelayedFetchForwardFailures{site.port}"], context=site.log)
    lines = [line for line in site.log().splitlines() if line.startswith(("***preretrieve", "Queue"))]
    assert lines == ["***preretrieve: could not connect to AE: DEAD", "Queue: holding processing of file ID"]
