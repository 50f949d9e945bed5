"""Export converters: what they run and what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dgate.archive.support import CT1
from tests.dgate.net.conftest import wait_for

from .conftest import StartServer
from .support import an_object, command, exported, paths, queue_is_empty, receiving, store, uid


def test_a_stored_object_is_forwarded(start: StartServer) -> None:
    with receiving() as recv:
        site = start("ExportConverters = 1\nExportConverter0 = forward to RECV\n", f"RECV 127.0.0.1 {recv.port} un")
        store(site, an_object(1), an_object(2), an_object(3))
        recv.wait_for(3, context=site.log)
        wait_for(lambda: queue_is_empty(site), context=site.log)
    assert recv.numbers == [1, 2, 3]
    assert recv.callers == [("ORACLE", "RECV")]
    where = paths(site)
    assert exported(site) == [f"ExportConverter0.0: forward {where[uid(number)]} to RECV" for number in (1, 2, 3)]


def test_conditions_and_the_lane_of_the_destination(start: StartServer) -> None:
    line = 'ifequal "%m","MR"; nop never; ifequal "%i","GO"; { forward to RECV; nop sent %o; } nop end'
    with receiving() as recv:
        site = start(f"ExportConverters = 1\nExportConverter0 = {line}\n", f"RECV 127.0.0.1 {recv.port} un")
        store(site, an_object(1, t00100020=b"GO"))
        recv.wait_for(1, context=site.log)
        wait_for(lambda: "nop end" in site.log(), context=site.log)
        wait_for(lambda: queue_is_empty(site), context=site.log)
    assert exported(site) == [
        'Exportconverter0.0 executes: ifequal "CT","MR"',
        "Exportconverter0.1 not executed because of previous statement",
        'Exportconverter0.2 executes: ifequal "GO","GO"',
        f"ExportConverter0.3: forward {paths(site)[uid(1)]} to RECV",
        f"Exportconverter0.4: nop sent {uid(1).decode()}",
        "Exportconverter0.5: nop end",
    ]


def test_filters_see_the_object_as_stored(start: StartServer) -> None:
    ini = (
        'ImportConverter0 = set 0008,1010 to "CHANGED"\n'
        "ExportConverters = 4\n"
        "ExportConverter0 = nop zero\nExportModality0 = MR\n"
        "ExportConverter1 = nop one\nExportStationName1 = chang*\nExportCallingAE1 = TEST*\nExportCalledAE1 = ORACLE\n"
        "ExportConverter2 = nop two\nExportFilter2 = QRows = 4 and QColumns = 8\n"
        "ExportConverter3 = nop three\nExportFilter3 = QRows = 128\n"
    )
    site = start(ini)
    store(site, an_object(1))
    wait_for(lambda: queue_is_empty(site), context=site.log)
    assert sorted(exported(site)) == ["Exportconverter1.0: nop one", "Exportconverter2.0: nop two"]


def test_a_filter_that_is_no_sql_or_writes_is_told(start: StartServer) -> None:
    site = start(
        "ExportConverters = 2\nExportConverter0 = nop zero\nExportFilter0 = no such thing\n"
        "ExportConverter1 = nop one\nExportFilter1 = (SELECT load_extension('x')) = 1\n"
    )
    store(site, an_object(1))
    wait_for(lambda: site.log().count("*** ExportFilter") == 2, context=site.log)
    wait_for(lambda: site.rows("SELECT State FROM ForwardQueue") == [(b"dead",)] * 2, context=site.log)
    assert "nop" not in "".join(exported(site))


def test_shell_commands(start: StartServer, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    site = start(
        "ExportConverters = 1\n"
        f"ExportConverter0 = cp %f {first}; ln -s -t {tmp_path}; echo '%i' > {second}; no-such-command; nop done\n"
    )
    store(site, an_object(1, t00100020=b"$(touch x)"))
    wait_for(lambda: "nop done" in site.log(), context=site.log)
    path = paths(site)[uid(1)]
    assert first.read_bytes() == Path(path).read_bytes()
    assert str((tmp_path / Path(path).name).readlink()) == path
    assert second.read_text() == "$(touch x)\n"
    lines = exported(site)
    assert lines[0] == f"Exportconverter0.0 executes: cp {path} {first}"
    assert not any("ln -s" in line or "no-such" in line for line in lines)


def test_called_lines_are_import_code_on_a_copy(start: StartServer, tmp_path: Path) -> None:
    script = tmp_path / "lines"
    script.write_text('set 0010,0020 to "OTHER"\nnop %i\n')
    site = start(f"ExportConverters = 1\nExportConverter0 = call {script}; nop done\n")
    before = an_object(1)
    store(site, before)
    wait_for(lambda: "nop done" in site.log(), context=site.log)
    assert any(line.startswith("Importconverter-1.") and line.endswith("nop OTHER") for line in site.log().splitlines())
    assert Path(paths(site)[uid(1)]).read_bytes().endswith(before)


def test_defer_until_the_time_comes(start: StartServer, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    flag.write_text("")
    line = f'ifmatch "%V0008,1010","WAIT*"; defer; nop done; cp %f {flag}'
    site = start(f"ExportConverters = 1\nRetryDelay = 1\nMaximumExportRetries = 1\nExportConverter0 = {line}\n")
    store(site, an_object(1, t00081010=b"WAITING"))
    wait_for(lambda: site.log().count("Queue: retrying processing of file") >= 3, context=site.log)
    path = paths(site)[uid(1)]
    lines = exported(site)
    assert lines[:5] == [
        'Exportconverter0.0 executes: ifmatch "WAITING","WAIT*"',
        "Exportconverter0.1: defer",
        f"Queue: holding processing of file {path}",
        f"Queue: retrying processing of file {path}",
        'Exportconverter0.0 executes: ifmatch "WAITING","WAIT*"',
    ]
    ini = site.folder / "dicom.ini"
    ini.write_text(ini.read_text().replace("WAIT*", "NEVER"))
    wait_for(lambda: "nop done" in site.log(), context=site.log)
    wait_for(lambda: queue_is_empty(site), context=site.log)
    assert "giving up" not in site.log()


def test_nothing_runs_and_nothing_is_made_without_converters(start: StartServer) -> None:
    site = start("")
    store(site, an_object(1))
    assert site.rows("SELECT name FROM sqlite_master WHERE name = 'ForwardQueue'") == []
    tasks = [path.read_text().strip() for path in Path(f"/proc/{site.pid}/task").glob("*/comm")]
    assert not any("queue" in name or "forward" in name for name in tasks)


def test_threads_go_when_the_work_is_done(start: StartServer) -> None:
    with receiving() as recv:
        site = start(
            "ForwardAssociationCloseDelay = 1\nExportConverters = 1\nExportConverter0 = nop a; forward to RECV\n",
            f"RECV 127.0.0.1 {recv.port} un",
        )
        before = len(list(Path(f"/proc/{site.pid}/task").iterdir()))
        store(site, an_object(1))
        recv.wait_for(1, context=site.log)
        wait_for(lambda: "release" in recv.events, context=site.log)
        wait_for(lambda: len(list(Path(f"/proc/{site.pid}/task").iterdir())) <= before + 1, context=site.log)


def test_scripts_instead_of_a_line(start: StartServer) -> None:
    pytest.importorskip("lupa")
    with receiving() as recv:
        chunk = (
            "n = (n or 0) + 1; print('try', n, Association.Calling); "
            "if n < 2 then script('defer') else script('forward to RECV') end"
        )
        site = start(
            f"RetryDelay = 1\nExportConverters = 1\nExportConverter0 = nop never\n[lua]\nExportConverter0 = {chunk}\n",
            f"RECV 127.0.0.1 {recv.port} un",
        )
        store(site, an_object(1))
        recv.wait_for(1, context=site.log)
        wait_for(lambda: queue_is_empty(site), context=site.log)
    path = paths(site)[uid(1)]
    lines = [line for line in site.log().splitlines() if line.startswith(("try", "Queue", "Exportc", "ExportC", "***"))]
    assert lines == [
        "try\t1\t",
        f"Queue: holding processing of file {path}",
        f"Queue: retrying processing of file {path}",
        "try\t2\t",
    ]


def test_what_was_deleted_meanwhile_is_told_and_forgotten(start: StartServer) -> None:
    line = 'ifmatch "%V0008,1010","WAIT*"; defer; nop done'
    site = start(f"ExportConverters = 1\nRetryDelay = 1\nExportConverter0 = {line}\n")
    store(site, an_object(1, t00081010=b"WAITING"))
    wait_for(lambda: "Queue: holding" in site.log(), context=site.log)
    path = paths(site)[uid(1)]
    command(site, f"deletepatient:{CT1[0x00100020][1].decode()}")
    wait_for(lambda: queue_is_empty(site), context=site.log)
    assert f"*** ExportConverter0.0: Forward failed to load DICOM object {path}" in site.log().splitlines()
