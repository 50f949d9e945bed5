"""`conquestctl echo` and `send` against real nodes."""

from __future__ import annotations

from pathlib import Path

from pynetdicom import AE

from conquestctl.dicom.target import EchoTarget
from conquestctl.errors import ExitStatus
from tests.cli.running import conquestctl, make_instance
from tests.unit.dicom import peers
from tests.unit.dicom.test_send import keep, storage, write


def word(target: EchoTarget, title: str = "NODE") -> str:
    return f"{title}@127.0.0.1:{target.port}"


def test_all_good(tmp_path: Path) -> None:
    with peers.node() as target:
        ran = conquestctl("echo", word(target), cwd=tmp_path)
    assert ran.status == ExitStatus.OK
    head, row = ran.out.splitlines()
    assert head.split() == ["Name", "AE", "title", "Address", "Result", "Time", "Detail"]
    assert row.split()[:4] == [word(target), "NODE", f"127.0.0.1:{target.port}", "ok"]
    assert ran.err == "1 of 1 answered\n"


def test_some_failed_and_the_order_is_that_of_the_command_line(tmp_path: Path) -> None:
    with peers.node() as good:
        dead = peers.unused_target()
        ran = conquestctl("echo", word(dead), word(good), "X@no-such-host.invalid:104", cwd=tmp_path)
    assert ran.status == ExitStatus.PARTIAL
    assert [line.split()[0] for line in ran.out.splitlines()[1:]] == [
        word(dead),
        word(good),
        "X@no-such-host.invalid:104",
    ]
    assert "refused" in ran.out
    assert "name not resolved" in ran.out
    assert "1 of 3 answered" in ran.err


def test_all_failed(tmp_path: Path) -> None:
    assert conquestctl("echo", word(peers.unused_target()), cwd=tmp_path).status == ExitStatus.NOT_READY


def test_the_document(tmp_path: Path) -> None:
    with peers.node() as good:
        ran = conquestctl("echo", "--json", word(good), cwd=tmp_path)
    assert ran.document["ok"] is True
    (result,) = ran.document["results"]
    assert result.pop("seconds") > 0
    assert result == {
        "name": word(good),
        "ae_title": "NODE",
        "host": "127.0.0.1",
        "port": good.port,
        "ok": True,
        "layer": "",
        "detail": "",
    }


def test_instances_by_name_glob_and_default(tmp_path: Path) -> None:
    ae = AE("CT1")
    ae.add_supported_context("1.2.840.10008.1.1")
    ae.require_called_aet = True
    with peers.node(ae) as up:
        make_instance(tmp_path, "ct1", port=up.port)
        make_instance(tmp_path, "mr1", port=peers.unused_target().port)
        alone = conquestctl("echo", "ct1", cwd=tmp_path)
        glob = conquestctl("echo", "c*", "mr1", cwd=tmp_path)
        default = conquestctl("echo", cwd=tmp_path)
        everything = conquestctl("echo", "--all", cwd=tmp_path)
    assert alone.status == ExitStatus.OK
    assert (glob.status, default.status, everything.status) == (ExitStatus.PARTIAL,) * 3
    assert [line.split()[0] for line in default.out.splitlines()] == ["Name", "ct1", "mr1"]


def test_a_folder_that_cannot_be_read_is_a_failure_beside_the_others(tmp_path: Path) -> None:
    with peers.node() as up:
        make_instance(tmp_path, "ct1", port=up.port)
        make_instance(tmp_path, "ct2", port=up.port + 1)
        (tmp_path / "instances" / "ct2" / ".env").write_text("PORT=hello\n")
        ran = conquestctl("echo", "--json", cwd=tmp_path)
    assert ran.status == ExitStatus.PARTIAL
    assert [(r["name"], r["layer"]) for r in ran.document["results"]] == [("ct1", ""), ("ct2", "unreadable folder")]


def test_rejections_name_both_sides(tmp_path: Path) -> None:
    with peers.peer(peers.answer(peers.reject(1, 1, 3))) as target:
        ran = conquestctl("echo", "--calling", "ME", word(target, "PACS"), cwd=tmp_path)
    assert "association rejected" in ran.out
    assert "'PACS' rejected 'ME' permanently: calling AE title not recognised" in ran.out


def test_words_that_are_nothing(tmp_path: Path) -> None:
    cases = {
        ("echo", "ct1"): ExitStatus.NOT_FOUND,
        ("echo",): ExitStatus.NOT_FOUND,
        ("echo", "CT1@host"): ExitStatus.INVALID,
        ("echo", "CT1@host:1", "--calling", "A\\B"): ExitStatus.INVALID,
        ("echo", "CT1@host:1", "--timeout", "0"): ExitStatus.USAGE,
        ("echo", "CT1@host:1", "--timeout", "nan"): ExitStatus.USAGE,
        ("echo", "CT1@host:1", "--all"): ExitStatus.USAGE,
    }
    for arguments, status in cases.items():
        ran = conquestctl(*arguments, cwd=tmp_path)
        assert (ran.status, ran.out) == (status, ""), arguments
        assert ran.err.startswith("Error: "), arguments


def test_send_stores_and_reports_each_file(tmp_path: Path) -> None:
    good = write(tmp_path / "a.dcm")
    bad = tmp_path / "b.txt"
    bad.write_text("no image")
    received: dict[str, tuple[str, bytes]] = {}
    with peers.node(storage(), keep(received)) as target:
        make_instance(tmp_path, "ct1", port=target.port)
        all_good = conquestctl("send", "ct1", "a.dcm", cwd=tmp_path)
        some = conquestctl("--quiet", "send", word(target), str(good), str(bad), cwd=tmp_path)
        none = conquestctl("send", "ct1", "b.txt", "--json", cwd=tmp_path)
        missing = conquestctl("send", "ct1", "gone", cwd=tmp_path)
    assert set(received) == {"a.dcm"}
    assert all_good.status == ExitStatus.OK
    assert all_good.err.splitlines()[-1] == "1 of 1 files stored"
    assert (some.status, some.err) == (ExitStatus.PARTIAL, "")
    assert [line.split()[1] for line in some.out.splitlines()[1:]] == ["stored", "failed"]
    assert none.status == ExitStatus.FAILURE
    assert none.document["results"][0]["ok"] is False
    assert missing.status == ExitStatus.NOT_FOUND
