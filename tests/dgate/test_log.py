from __future__ import annotations

import os
import re
import socket
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgate import log as log_module
from dgate.log import FileLog, clean

STAMP = r"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4} "


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "stdout"


def make(tmp_path: Path, out: Path, *, verbose: bool = True) -> FileLog:
    descriptor = os.open(out, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    return FileLog(
        verbose=verbose,
        trouble_path=str(tmp_path / "PacsTrouble.log"),
        user_path=str(tmp_path / "PacsUser.log"),
        output=descriptor,
    )


def test_lines_go_where_they_belong(tmp_path: Path, out: Path) -> None:
    log = make(tmp_path, out)
    log.console("C-Echo")
    log.console("***Error saving to SQL: a.dcm")
    log.debug("Server Command   := 0030")
    log.trouble("Inconsistent PatientNam")
    log.user("C-Move", "TESTSCU")
    assert out.read_text() == "C-Echo\n***Error saving to SQL: a.dcm\nServer Command   := 0030\n"
    trouble = (tmp_path / "PacsTrouble.log").read_text()
    assert re.fullmatch(f"{STAMP}\\*\\*\\*Error saving to SQL: a.dcm\n{STAMP}Inconsistent PatientNam\n", trouble)
    user = (tmp_path / "PacsUser.log").read_text()
    assert re.fullmatch(f'{STAMP}"C-Move ","TESTSCU         "\n', user)


def test_without_v_stdout_is_silent_but_trouble_is_kept(tmp_path: Path, out: Path) -> None:
    log = make(tmp_path, out, verbose=False)
    log.console("***Connection Terminated")
    log.debug("more")
    assert out.read_text() == ""
    assert "***Connection Terminated" in (tmp_path / "PacsTrouble.log").read_text()


def test_a_stranger_cannot_forge_a_line_or_drive_a_terminal(tmp_path: Path, out: Path) -> None:
    log = make(tmp_path, out)
    log.console('\tCalling Application Title : "A\n***B\r\x1b[2J\x00\x9b\u2028"')
    assert out.read_text() == '\tCalling Application Title : "A\\x0a***B\\x0d\\x1b[2J\\x00\\x9b\\u2028"\n'


def test_file_names_that_are_no_utf8_come_out_as_they_are(tmp_path: Path, out: Path) -> None:
    log = make(tmp_path, out)
    log.console("Written file: " + os.fsdecode(b"M\xfcller\x9b.dcm"))
    assert out.read_bytes() == b"Written file: M\xfcller\\x9b.dcm\n"


@given(st.text())
def test_one_call_is_one_line(line: str) -> None:
    assert "\n" not in clean(line)
    assert clean(line).replace("\t", "").isprintable() or any(0xDCA0 <= ord(c) <= 0xDCFF for c in line)


def test_a_moved_file_is_made_anew(tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "CHECK_SECONDS", -1.0)
    log = make(tmp_path, out)
    log.user("C-Store", "A")
    (tmp_path / "PacsUser.log").rename(tmp_path / "old")
    log.user("C-Store", "B")
    assert '"B ' in (tmp_path / "PacsUser.log").read_text()
    assert '"A ' in (tmp_path / "old").read_text()


def test_a_log_that_cannot_be_written_does_not_raise(tmp_path: Path) -> None:
    log = FileLog(verbose=True, trouble_path=str(tmp_path / "no" / "x"), user_path="/dev/full", output=999)
    log.console("*** line")
    log.user("C-Store", "A")
    (tmp_path / "no").mkdir()
    log.console("*** later")
    assert "*** later" in (tmp_path / "no" / "x").read_text()


def test_threads_do_not_mix_their_lines(tmp_path: Path, out: Path) -> None:
    log = make(tmp_path, out)

    def work(number: int) -> None:
        for _ in range(100):
            log.console(str(number) * 50)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(out.read_text().split()) == sorted(str(n) * 50 for n in range(4) for _ in range(100))


def test_log_files_with_and_without_stamps_and_debug_lines(tmp_path: Path, out: Path) -> None:
    log = make(tmp_path, out, verbose=False)
    for name, debug, stamped in (("hat", False, True), ("hash", True, True), ("l", False, False), ("L", True, False)):
        log.add_file(str(tmp_path / name), debug=debug, stamped=stamped)
    log.console("")
    log.console("C-Echo")
    log.debug("Message ID       := 0001")
    assert re.fullmatch(f"{STAMP}\n{STAMP}C-Echo\n", (tmp_path / "hat").read_text())
    assert re.fullmatch(f"{STAMP}\n{STAMP}C-Echo\n{STAMP}Message ID       := 0001\n", (tmp_path / "hash").read_text())
    assert (tmp_path / "l").read_text() == "\nC-Echo\n"
    assert (tmp_path / "L").read_text() == "\nC-Echo\nMessage ID       := 0001\n"
    assert out.read_text() == ""


def test_a_log_file_is_moved_away_or_cut_while_we_write(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "CHECK_SECONDS", -1.0)
    log = make(tmp_path, out)
    path = tmp_path / "serverstatus.log"
    log.add_file(str(path), debug=False, stamped=False)
    log.console("one")
    path.rename(tmp_path / "old")
    log.console("two")
    assert path.read_text() == "two\n"
    os.truncate(path, 0)
    log.console("three")
    assert path.read_text() == "three\n"
    log.close()
    assert (tmp_path / "old").read_text() == "one\n"


def test_the_operators_console_gets_normal_lines_with_the_name_of_the_server(tmp_path: Path, out: Path) -> None:
    log = make(tmp_path, out, verbose=False)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as console:
        console.bind(("127.0.0.1", 0))
        console.settimeout(10)
        log.add_console("127.0.0.1", console.getsockname()[1], "ORACLE")
        log.debug("not this")
        log.console("C-Echo")
        log.console("x" * 100_000)
        assert console.recv(65536) == b"[ORACLE] C-Echo\n"
        assert len(console.recv(65536)) == log_module.MAX_DATAGRAM
    log.console("nobody listens any more")
    log.console("and the second line finds that out")
    log.close()


def test_a_console_that_has_no_address_is_an_error_at_once(tmp_path: Path, out: Path) -> None:
    with pytest.raises(OSError, match=r".+"):
        make(tmp_path, out).add_console("no.such.host.invalid", 1111, "X")


def test_held_lines_come_in_one_piece_when_they_are_flushed(tmp_path: Path, out: Path) -> None:
    log = make(tmp_path, out)
    log.add_file(str(tmp_path / "normal.log"), debug=False, stamped=False)
    log.hold()
    log.console("C-Echo")
    log.debug("Message ID       := 0001")
    log.user("C-Store", "CT1")
    assert out.read_text() == ""
    assert not (tmp_path / "PacsUser.log").exists()
    log.flush()
    assert out.read_text() == "C-Echo\nMessage ID       := 0001\n"
    assert (tmp_path / "normal.log").read_text() == "C-Echo\n"
    assert (tmp_path / "PacsUser.log").read_text().count("\n") == 1
    log.console("more")
    log.release()
    log.console("at once")
    assert out.read_text().endswith("more\nat once\n")


def test_trouble_does_not_wait_and_neither_do_other_threads(tmp_path: Path, out: Path) -> None:
    log = make(tmp_path, out)
    log.hold()
    log.console("***Error saving to SQL: a.dcm")
    other = threading.Thread(target=log.console, args=("from elsewhere",))
    other.start()
    other.join()
    assert "***Error saving" in (tmp_path / "PacsTrouble.log").read_text()
    assert out.read_text() == "from elsewhere\n"


def test_a_thread_does_not_hold_lines_without_end(tmp_path: Path, out: Path) -> None:
    log = make(tmp_path, out)
    log.hold()
    for number in range(log_module.MAX_HELD):
        log.console(str(number))
    assert out.read_text().splitlines() == [str(number) for number in range(log_module.MAX_HELD)]
