"""`system` and `process with` (conquest-converters.md 6).

The association that brought the object waits, no other one does, and it does not wait for ever.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Mapping
from typing import TYPE_CHECKING

from dgate.dataset.structure import DataSetError
from dgate.encoding.part10 import NotDicomError
from dgate.rules.files import as_path
from dgate.rules.objects import load, save, uid_of
from dgate.rules.outcome import Status
from dgate.rules.quoting import for_shell

if TYPE_CHECKING:
    from dgate.rules.run import Run

SECONDS = 60.0
"""How long a command may take."""
FOLDER = "printer_files"
"""Below the first device: where temporary files lie."""


def system(run: Run, word: str, text: str) -> Status:
    """`system CMD`: by the shell; the line waits for it."""
    command, environment = for_shell(run.values)
    carry_out(run, command[len(word) :], environment)
    run.debug(f"{run.where}: {text}")
    return Status.NEXT


def process_with(run: Run, word: str, text: str) -> Status:
    """`process with CMD`: the object goes to a file that CMD may change, and what is in it then is the object."""
    path = _temporary(run)
    command, environment = for_shell(run.values)
    run.operator(f"{run.where} executes: {text} {path.decode('latin-1')}")
    try:
        save(run.subject, path)
        if carry_out(run, f'{command[len(word) :]} "$CONQUEST_FILE"', {**environment, "CONQUEST_FILE": ""}, path):
            _read_back(run, path)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)
    return Status.NEXT


def _read_back(run: Run, path: bytes) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    run.subject.descriptors.append(descriptor)
    try:
        run.subject.replace(load(descriptor, run.subject.terms))
    except NotDicomError as fault:
        raise DataSetError(str(fault)) from fault


def _temporary(run: Run) -> bytes:
    folder = os.path.join(run.services.devices().get("MAG0", "."), FOLDER)
    os.makedirs(as_path(folder), exist_ok=True)
    name = uid_of(run.subject).decode("latin-1").replace("/", "_").lstrip(".") or "object"
    return as_path(os.path.join(folder, f"{name}.dcm"))


def carry_out(run: Run, command: str, environment: dict[str, str], file: bytes = b"") -> bool:
    """Run a shell command; False if it was stopped. Its output is the server's, its input is empty."""
    given = {name.encode(): value.encode("latin-1", "replace") for name, value in environment.items()}
    if file:
        given[b"CONQUEST_FILE"] = file
    if exit_status(command, given) is not None:
        return True
    run.error(f"stopped after {SECONDS:.0f} seconds: {command}")
    return False


def exit_status(command: str, environment: Mapping[bytes, bytes]) -> int | None:
    """What a shell command ends with; None if it was stopped, with all it had started. Raises OSError."""
    child = os.posix_spawn(
        "/bin/sh",
        [b"sh", b"-c", command.encode("latin-1", "replace")],
        {**os.environb, **environment},
        file_actions=[(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0)],
        setpgroup=0,
        setsigmask=(),  # the server blocks what ends it
    )
    in_time = _ends_in_time(child)
    if not in_time:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status if in_time else None


def _ends_in_time(child: int) -> bool:
    handle = os.pidfd_open(child)
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        return bool(poll.poll(SECONDS * 1000))
    finally:
        os.close(handle)
