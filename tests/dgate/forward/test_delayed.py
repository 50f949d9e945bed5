"""Delayed commands: what waits, what is carried out, what the log says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dgate.archive.support import CT1
from tests.dgate.hostile.site import Site
from tests.dgate.net.conftest import wait_for
from tests.ports import free_port

from .conftest import StartServer
from .support import Receiver, an_object, queue_is_empty, receiving, states, store, uid

PATIENT = CT1[0x00100020][1].decode()


def queued(site: Site) -> list[str]:
    return [line for line in site.log().splitlines() if " queued " in line or "Queue" in line or "DelayedF" in line]


def test_a_study_goes_once_after_its_last_image(start: StartServer) -> None:
    with receiving() as recv:
        site = start("ImportConverter0 = forward study after 1 to RECV\n", f"RECV 127.0.0.1 {recv.port} un")
        store(site, an_object(1), an_object(2), an_object(3))
        recv.wait_for(3, context=site.log)
        wait_for(lambda: queue_is_empty(site), context=site.log)
        wait_for(lambda: "release" in recv.events, context=site.log)
    assert recv.numbers == [1, 2, 3]
    assert recv.events == ["open", "store", "store", "store", "release"]
    assert queued(site) == [
        "Starting 1 DelayedForwarderThreads",
        f"Importconverter0.0: queued forward stu - (single object   of {PATIENT}) to RECV",
    ]


def test_waiting_requests_survive_a_kill(start: StartServer) -> None:
    with receiving() as recv:
        site = start("ImportConverter0 = forward study after 2 to RECV\n", f"RECV 127.0.0.1 {recv.port} un")
        store(site, an_object(1), an_object(2))
        site.kill()
        assert states(site) == [b"waiting"]
        site.start()
        recv.wait_for(2, context=site.log)
    assert recv.numbers == [1, 2]


def test_levels_and_clauses(start: StartServer) -> None:
    other = {"t0020000d": b"1.2.3.4", "t0020000e": b"1.2.3.4.5"}
    with receiving() as one, receiving() as patient, receiving() as modality, receiving() as series:
        nodes = {"ONE": one, "PATIENT": patient, "MODALITY": modality, "SERIES": series}
        lines = [
            'ifequal "%V0020,0013","9"; forward image after 0 to ONE',
            'ifequal "%V0020,0013","9"; forward patient after 0 to PATIENT',
            'ifequal "%V0020,0013","9"; forward study modality CT after 0 to MODALITY',
            'ifequal "%V0020,0013","9"; forward series to SERIES after 0',
        ]
        ini = "".join(f"ImportConverter{number} = {line}\n" for number, line in enumerate(lines))
        site = start(ini, *(f"{name} 127.0.0.1 {recv.port} un" for name, recv in nodes.items()))
        store(site, an_object(1), an_object(2, **other), an_object(3, t00200013=b"9 "))
        for recv, count in ((one, 1), (patient, 3), (modality, 3), (series, 2)):
            recv.wait_for(count, context=site.log)
        wait_for(lambda: queue_is_empty(site), context=site.log)
    assert numbers(one, patient, modality, series) == [[3], [1, 2, 3], [1, 2, 3], [1, 3]]


def numbers(*receivers: Receiver) -> list[list[int]]:
    return [sorted(each.numbers) for each in receivers]


def test_a_script_runs_on_what_is_sent(start: StartServer) -> None:
    with receiving() as recv:
        site = start(
            'ImportConverter0 = forward study after 0 to RECV script set 0010,0020 to "ANON"\n',
            f"RECV 127.0.0.1 {recv.port} un",
        )
        store(site, an_object(1))
        recv.wait_for(1, context=site.log)
    assert recv.patients == ["ANON"]
    assert site.rows("SELECT ImagePat FROM DICOMImages") == [(PATIENT.encode(),)]


def test_an_unreachable_destination(start: StartServer) -> None:
    site = start("ImportConverter0 = forward study after 0 to DEAD\n", f"DEAD 127.0.0.1 {free_port()} un")
    store(site, an_object(1))
    wait_for(lambda: states(site) == [b"dead"], context=site.log)
    assert "***preretrieve/forward xxx to: remote DICOM error" in site.log().splitlines()


def test_an_unreachable_destination_worth_retrying(start: StartServer) -> None:
    port = free_port()
    site = start(
        "RetryForwardRemoteDICOMError = 1\nRetryDelay = 1\nImportConverter0 = forward study after 0 to DEAD\n",
        f"DEAD 127.0.0.1 {port} un",
    )
    store(site, an_object(1))
    wait_for(lambda: f"Queue: holding processing of file {PATIENT}" in site.log(), context=site.log)
    with receiving(port) as recv:
        recv.wait_for(1, context=site.log)
        wait_for(lambda: queue_is_empty(site), context=site.log)
    assert f"Queue: retrying processing of file {PATIENT}" in site.log().splitlines()


def test_preretrieve_asks_another_server(start: StartServer) -> None:
    source = start("")
    store(source, an_object(1), an_object(2))
    port = free_port()
    site = start(
        'RetryDelay = 1\nImportConverter0 = ifequal "%o","' + uid(3).decode() + '"; preretrieve SRC\n'
        "ForwardCollectDelay = 0\n",
        f"SRC 127.0.0.1 {port} un",
    )
    store(site, an_object(3))
    wait_for(lambda: f"Queue: holding processing of file {PATIENT}" in site.log(), context=site.log)
    lines = site.log().splitlines()
    assert f"Importconverter0.1: queued preretrieve of patient {PATIENT} from SRC" in lines
    assert "***preretrieve: could not connect to AE: SRC" in lines
    source.know(f"ORACLE 127.0.0.1 {site.port} un")
    site.know(f"SRC 127.0.0.1 {source.port} un")
    wait_for(lambda: site.images() == 3, context=lambda: site.log() + source.log())


def test_process_by_the_shell_once_per_study(start: StartServer, tmp_path: Path) -> None:
    target = tmp_path / "out"
    site = start(f"ImportConverter0 = process study after 1 by echo >>{target} study %V0020,000d\n")
    store(site, an_object(1), an_object(2))
    wait_for(target.exists, context=site.log)
    wait_for(lambda: queue_is_empty(site), context=site.log)
    assert target.read_text() == f"study {CT1[0x0020000D][1].decode()}\n"


def test_delete_from_an_export_converter(start: StartServer) -> None:
    site = start("ExportConverters = 1\nExportConverter0 = delete study after 0\n")
    store(site, an_object(1))
    wait_for(lambda: site.images() == 0, context=site.log)


def test_a_destroyed_image_brings_its_request_all_the_same(start: StartServer, tmp_path: Path) -> None:
    target = tmp_path / "out"
    site = start(f"ImportConverter0 = process study after 0 by touch {target}; destroy\n")
    store(site, an_object(1))
    wait_for(target.exists, context=site.log)
    assert site.images() == 0


def test_received_values_are_data_in_commands_and_scripts(start: StartServer, tmp_path: Path) -> None:
    out, evil = tmp_path / "out", tmp_path / "evil"
    with receiving() as recv:
        site = start(
            f"ImportConverter0 = process study after 0 by echo >{out} %V0010,0010\n"
            'ImportConverter1 = forward to RECV script set 0010,0020 to "%V0008,1010"\n'
            'ImportConverter2 = forward study after 0 to RECV script set 0010,0020 to "%V0008,1010"\n'
            "ExportConverters = 1\n"
            'ExportConverter0 = forward to RECV script set 0010,0020 to "%V0008,1010"\n',
            f"RECV 127.0.0.1 {recv.port} un",
        )
        code = f"x; touch {evil}"
        store(
            site, an_object(1, t00100010=f"$(touch {evil}); {code}".encode(), t00081010=b'A"; system touch evil; nop "')
        )
        recv.wait_for(3, context=site.log)
        wait_for(lambda: queue_is_empty(site) and out.exists(), context=site.log)
    assert out.read_text().strip() == f"$(touch {evil}); {code}"
    assert set(recv.patients) == {"A__ system touch evil_ nop _"}
    assert not evil.exists()
    assert not (site.folder / "evil").exists()


def test_process_by_a_script(start: StartServer, tmp_path: Path) -> None:
    pytest.importorskip("lupa")
    script = tmp_path / "study.lua"
    script.write_text("print('ran with ' .. command_line)\n")
    site = start(f"ImportConverter0 = process study after 0 by {script}(%i and more)\n")
    store(site, an_object(1))
    site.wait_for_line(f"ran with {PATIENT} and more")
