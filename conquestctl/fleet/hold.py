"""One conquestctl at a time per instance: an advisory lock on the instance's own folder.

The lock is flock(2) on the directory, so nothing is written, nothing is left behind by a killed process, and a
read-only folder can be held too.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from conquestctl.errors import ConflictError, ConquestError, NotFoundError, StorageError
from conquestctl.fleet.instance import Instance

NO_LOCKS_HERE = {errno.EBADF, errno.ENOLCK, errno.ENOTSUP, errno.EINVAL}
"""What network file systems answer that cannot lock a folder. Work goes on unlocked there: the engine itself still
refuses a second container or process of the same instance."""


@contextmanager
def hold(
    instances: Sequence[Instance], timeout: float, waiting: Callable[[str], None] = lambda _name: None
) -> Iterator[dict[str, ConquestError]]:
    """Hold all these instances; yields the reasons for those that could not be held in `timeout` seconds, by name.

    They are taken in the order of their names, so two that want the same ones don't wait for each other. `waiting`
    is told the name of each that somebody else is holding.
    """
    deadline = time.monotonic() + timeout
    refused: dict[str, ConquestError] = {}
    with ExitStack() as stack:
        for instance in sorted(instances, key=lambda one: one.name):
            try:
                descriptor = os.open(instance.folder, os.O_RDONLY | os.O_DIRECTORY)
                stack.callback(os.close, descriptor)
                _take(descriptor, instance, deadline, waiting)
            except ConflictError as error:
                refused[instance.name] = error
            except OSError as error:
                refused[instance.name] = _unusable(instance, error)
        yield refused


def _take(descriptor: int, instance: Instance, deadline: float, waiting: Callable[[str], None]) -> None:
    pause = 0.02
    told = False
    while not _try(descriptor):
        if not told:
            waiting(instance.name)
            told = True
        if time.monotonic() >= deadline:
            raise ConflictError(
                f"another conquestctl is at work on {instance.name}",
                hint="Wait for it to end, or stop it, and try again.",
                instance=instance.name,
            )
        time.sleep(pause)
        pause = min(pause * 1.5, 0.25)


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in NO_LOCKS_HERE:
            return True
        raise
    return True


def _unusable(instance: Instance, error: OSError) -> ConquestError:
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        return NotFoundError(f"the folder {instance.folder} is gone", instance=instance.name)
    return StorageError(f"cannot open {instance.folder}: {error.strerror}", instance=instance.name)
