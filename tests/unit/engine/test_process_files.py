"""What the process engine reads: pid files, /proc lines, ps output, socket tables, the ends of logs."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conquestctl.engine import pidfile
from conquestctl.engine.holder import parse_listening, port_holder
from conquestctl.engine.logfile import follow_from, tail_offset
from conquestctl.engine.pidfile import (
    Record,
    is_alive,
    parse_ps,
    parse_record,
    parse_stat,
    process_identity,
    read_record,
    write_record,
)
from conquestctl.errors import StorageError

records = st.builds(
    Record,
    spec_hash=st.text(),
    address=st.builds("{}:{}".format, st.text(), st.integers(1, 65535)),
    pid=st.none() | st.integers(1, 2**22),
    identity=st.text(),
    exit_code=st.none() | st.integers(0, 255),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["pid", "address"]), inner),
    max_leaves=8,
)


@settings(max_examples=100)
@given(records)
def test_a_record_survives_the_file(record: Record) -> None:
    assert parse_record(json.dumps(asdict(record)).encode()) == record


@settings(max_examples=200)
@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_no_content_of_a_pid_file_is_a_surprise(content: bytes) -> None:
    record = parse_record(content)
    assert record is None or record.pid is None or record.pid > 0


@settings(max_examples=100)
@given(records, st.sampled_from(["pid", "exit_code", "spec_hash", "address", "identity"]), json_values)
def test_a_wrong_type_anywhere_makes_it_no_record(record: Record, key: str, value: object) -> None:
    found = parse_record(json.dumps(asdict(record) | {key: value}).encode())
    assert found is None or type(getattr(found, key)) in {int, str, type(None)}


def test_read_and_write(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "dgate.pid"
    assert read_record(path) is None
    write_record(path, Record("h", "127.0.0.1:1", 7, "x", None))
    assert read_record(path) == Record("h", "127.0.0.1:1", 7, "x", None)
    assert [entry.name for entry in path.parent.iterdir()] == ["dgate.pid"]
    with pytest.raises(StorageError):
        read_record(tmp_path / "logs")


STAT = (
    "4711 ({name}) {state} 1 1 1 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 {threads} 0 {start} 1000 200 18446744073709551615"
)


@settings(max_examples=100)
@given(st.text(st.characters(codec="utf-8"), max_size=16), st.integers(0, 2**63), st.sampled_from("RSDT"))
def test_the_start_time_is_found_whatever_the_command_is_called(name: str, start: int, state: str) -> None:
    line = STAT.format(name=name, state=state, threads=1, start=start).encode()
    assert parse_stat(line, "boot") == f"boot/{start}"


def test_a_zombie_is_nobody_once_all_its_threads_are_gone() -> None:
    assert parse_stat(STAT.format(name="a) R 1", state="Z", threads=1, start=5).encode(), "boot") is None
    assert parse_stat(STAT.format(name="a", state="Z", threads=3, start=5).encode(), "boot") == "boot/5"


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_no_stat_line_is_a_surprise(line: bytes) -> None:
    parse_stat(line, "boot")


def test_ps_output() -> None:
    assert parse_ps("Ss   Mon Nov 24 01:49:12 2025\n") == "Mon Nov 24 01:49:12 2025"
    assert parse_ps("Z    Mon Nov 24 01:49:12 2025\n") is None
    assert parse_ps("") is None


@settings(max_examples=100)
@given(st.text())
def test_no_ps_output_is_a_surprise(answer: str) -> None:
    assert parse_ps(answer) != ""


def test_the_own_process_is_itself_and_only_itself() -> None:
    identity = process_identity(os.getpid())
    assert identity
    assert is_alive(Record("", "x:1", os.getpid(), identity))
    assert not is_alive(Record("", "x:1", os.getpid(), identity + "1"))
    assert not is_alive(Record("", "x:1", os.getpid()))
    assert not is_alive(Record("", "x:1"))
    assert process_identity(2**22 + 1) is None


@pytest.mark.skipif(not Path("/bin/ps").exists() and not Path("/usr/bin/ps").exists(), reason="there is no ps")
def test_without_proc_ps_tells(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pidfile, "PROC", tmp_path)
    identity = process_identity(os.getpid())
    assert identity
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert process_identity(child.pid)
        child.communicate(b"\n")
    assert process_identity(child.pid) is None


TCP = (
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    "   0: 0100007F:162E 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 81 1 f 100 0 0 10 0\n"
    "   1: 0100007F:162E 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 82 1 f 100 0 0 10 0\n"
    "   2: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 83 1 f 100 0 0 10 0\n"
)


def test_only_listening_sockets_of_the_port_count() -> None:
    assert parse_listening(TCP, 5678) == {"81"}
    assert parse_listening(TCP, 22) == {"83"}
    assert parse_listening(TCP, 80) == set()


@settings(max_examples=100)
@given(st.text(), st.integers(1, 65535))
def test_no_socket_table_is_a_surprise(table: str, port: int) -> None:
    parse_listening(table, port)


@pytest.mark.skipif(sys.platform != "linux", reason="holders are found in /proc")
def test_the_holder_of_a_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert port_holder(port).startswith(f"process {os.getpid()} (")
    assert port_holder(port) == ""


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=8).map(lambda line: line.replace(b"\n", b"")), max_size=12), st.booleans())
def test_tail_is_the_last_lines(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], ended: bool) -> None:
    log = tmp_path_factory.getbasetemp() / "tail.log"
    content = b"\n".join(lines) + (b"\n" if ended else b"")
    log.write_bytes(content)
    expected = _lines(content)
    for count in range(len(lines) + 2):
        last = expected[-count:] if count else []
        assert content[tail_offset(log, count) :] == b"".join(last)


def _lines(content: bytes) -> list[bytes]:
    """Lines with their ends; only `\\n` ends one."""
    parts = content.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def test_tail_over_several_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conquestctl.engine.logfile.CHUNK", 7)
    log = tmp_path / "log"
    log.write_bytes(b"".join(b"line %d\n" % number for number in range(20)))
    assert log.read_bytes()[tail_offset(log, 3) :] == b"line 17\nline 18\nline 19\n"
    assert b"".join(follow_from(log, tail_offset(log, 2), lambda: False)) == b"line 18\nline 19\n"


def test_no_log_yet(tmp_path: Path) -> None:
    assert tail_offset(tmp_path / "log", 5) == 0
    assert list(follow_from(tmp_path / "log", 0, lambda: True)) == []
