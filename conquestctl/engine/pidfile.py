"""What is remembered of a local process, and whether a pid still means that process.

A pid alone is not enough: it is given to somebody else after the process ended, and certainly after the machine
started again. So the kernel's start time of the process (field 22 of `/proc/PID/stat`, in ticks since boot) and the
boot's own id are remembered with it. Where there is no `/proc`, `ps` (POSIX) tells the start time.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import get_ident

from conquestctl.errors import EngineError, StorageError

PID_FILE = "dgate.pid"
PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Record:
    """One instance as it was made; without a pid it was made and not started yet."""

    spec_hash: str
    address: str
    """`host:port` it listens on."""
    pid: int | None = None
    identity: str = ""
    """Of the process with that pid, from `process_identity` just after its start."""
    exit_code: int | None = None
    """How it ended, where we were there to see it."""


def pid_file(mount: Path) -> Path:
    """Where the record of the instance with this mount folder is."""
    return mount / "logs" / PID_FILE


def read_record(path: Path) -> Record | None:
    """The record in the file, None when there is no file.

    A file that is not ours (cut off, or edited) counts as none too: it can't say what to stop, and the next start
    replaces it. Raises `StorageError` when the file cannot be read.
    """
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error
    return parse_record(content)


def parse_record(content: bytes) -> Record | None:
    """The record these bytes state, None when they state none."""
    try:
        values = json.loads(content)
        record = Record(**values)
    except (ValueError, TypeError, RecursionError):
        return None
    numbers = (record.pid, record.exit_code)
    texts = (record.spec_hash, record.address, record.identity)
    if any(type(number) not in {int, type(None)} for number in numbers) or any(type(text) is not str for text in texts):
        return None
    if not record.address.rpartition(":")[2].isdecimal():
        return None
    # kill(2) gives 0 and negative numbers a meaning of their own: whole groups of processes.
    return None if record.pid is not None and record.pid <= 0 else record


def write_record(path: Path, record: Record) -> None:
    """Put the record into the file, whole or not at all. Raises `StorageError`."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.{get_ident()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(asdict(record)) + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}") from error


def is_alive(record: Record) -> bool:
    """Whether the process of the record runs: that very process, and not a zombie."""
    return record.pid is not None and bool(record.identity) and process_identity(record.pid) == record.identity


def process_identity(pid: int) -> str | None:
    """What tells this process from all others that had or will have its pid; None when none runs under it.

    Raises `EngineError` where neither `/proc` nor `ps` exists.
    """
    if (PROC / "self" / "stat").exists():
        return _identity_from_proc(pid)
    return _identity_from_ps(pid)


def _identity_from_proc(pid: int) -> str | None:
    try:
        stat = (PROC / str(pid) / "stat").read_bytes()
        boot = (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return parse_stat(stat, boot)


def parse_stat(stat: bytes, boot: str) -> str | None:
    """Identity from a line of `/proc/PID/stat`; None for a zombie or a line that is cut off.

    The second field is the command's name in parentheses and may itself hold blanks and parentheses. The first thread
    is a zombie already while the others (field 20) are still ending, and until they have, the port is not free.
    """
    fields = stat.rpartition(b")")[2].split()
    if len(fields) < 20 or (fields[0] in {b"Z", b"X", b"x"} and fields[17] in {b"0", b"1"}):
        return None
    return f"{boot}/{fields[19].decode('ascii', 'replace')}"


def _identity_from_ps(pid: int) -> str | None:
    command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    try:
        answer = subprocess.run(
            command, capture_output=True, check=False, env={"LC_ALL": "C", "PATH": os.defpath}, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(
            f"cannot tell which local processes run: there is no /proc and ps failed ({error})"
        ) from error
    return parse_ps(answer.stdout.decode("ascii", "replace"))


def parse_ps(answer: str) -> str | None:
    """Identity from what `ps -o stat=,lstart=` printed; None for a zombie or no process."""
    state, _, started = answer.strip().partition(" ")
    return None if not started or state.startswith("Z") else started.strip()
