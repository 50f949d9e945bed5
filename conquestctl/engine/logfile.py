"""Reading the end of a growing log file, following it, and keeping it from growing for ever."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from conquestctl.errors import StorageError

CHUNK = 64 * 1024
LARGEST = 10 * 1024 * 1024
"""A log over this many bytes is put aside as `NAME.1` at the next start; one old log is kept."""


def rotate(log: Path, largest: int = LARGEST) -> None:
    """Put the log aside when it has become too long. Raises `OSError`."""
    if log.exists() and log.stat().st_size > largest:
        log.replace(log.with_name(log.name + ".1"))


def tail_offset(log: Path, lines: int) -> int:
    """Where the last `lines` lines begin; 0 when there are fewer or no file. Reads no more than it must."""
    if not log.exists():
        return 0
    with log.open("rb") as file:
        end = position = file.seek(0, 2)
        if lines <= 0:
            return end
        # The line end that closes the last line separates nothing.
        wanted = lines + (1 if position and os.pread(file.fileno(), 1, position - 1) == b"\n" else 0)
        while position > 0:
            size = min(CHUNK, position)
            position -= size
            file.seek(position)
            block = file.read(size)
            found = block.count(b"\n")
            if found >= wanted:
                return position + _nth_from_end(block, wanted) + 1
            wanted -= found
    return 0


def follow_from(log: Path, start: int, runs: Callable[[], bool]) -> Iterator[bytes]:
    """Chunks of the file from `start`; as long as `runs()` says so, waits for more. Raises `StorageError`."""
    try:
        with log.open("rb") as file:
            file.seek(start)
            pause = 0.02
            while True:
                # Asked before reading: what was written until the end is then surely read.
                more = runs()
                while chunk := file.read(CHUNK):
                    pause = 0.02
                    yield chunk
                if not more:
                    return
                time.sleep(pause)
                pause = min(pause * 1.5, 0.5)
    except FileNotFoundError:
        return  # never started: there is nothing to show
    except OSError as error:
        raise StorageError(f"cannot read {log}: {error.strerror}") from error


def _nth_from_end(block: bytes, count: int) -> int:
    position = len(block)
    for _ in range(count):
        position = block.rindex(b"\n", 0, position)
    return position
