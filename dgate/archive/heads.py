"""Reading the heads of many files with all cores: forked readers, who answer in the order in which they are asked.

A reader has one portion at a time and gets the next one as soon as it has answered, so nothing piles up and nobody
waits for somebody who waits. To be used where no other thread runs.
"""

from __future__ import annotations

import marshal
import os
import signal
from collections import deque
from collections.abc import Iterator
from typing import BinaryIO, Protocol

from dgate.encoding.part10 import NotDicomError
from dgate.index.rows import Rows
from dgate.record import dataclass


class HeadReader(Protocol):
    """Makes rows from files."""

    def read(self, file: BinaryIO) -> Rows:
        """The rows for the object in this file. Raises `NotDicomError`, OSError."""


@dataclass(frozen=True, slots=True)
class Portion:
    """Some files of one device."""

    device: int
    root: bytes
    paths: list[bytes]


def read_heads(
    reader: HeadReader, portions: Iterator[Portion], workers: int
) -> Iterator[tuple[Portion, list[Rows | None]]]:
    """Each portion with the rows of its files, None for what is no object. Raises OSError if a reader dies."""
    if workers < 2:
        for portion in portions:
            yield portion, [read_head(reader, portion.root + path) for path in portion.paths]
        return
    pool: list[_Worker] = []
    try:
        for _ in range(workers):
            pool.append(_Worker(reader, pool))
        yield from _ask_in_turn(pool, portions)
    finally:
        for worker in pool:
            worker.end()


def read_head(reader: HeadReader, path: bytes) -> Rows | None:
    """The rows of one file, None if there is no object in it or it cannot be read."""
    try:
        with open(path, "rb") as file:
            return reader.read(file)
    except (NotDicomError, OSError):
        return None


def _ask_in_turn(pool: list[_Worker], portions: Iterator[Portion]) -> Iterator[tuple[Portion, list[Rows | None]]]:
    asked: deque[tuple[_Worker, Portion]] = deque()
    for worker, portion in zip(pool, portions, strict=False):
        worker.ask(portion)
        asked.append((worker, portion))
    while asked:
        worker, portion = asked.popleft()
        answer = worker.answer()
        following = next(portions, None)
        if following is not None:
            worker.ask(following)
            asked.append((worker, following))
        yield portion, answer


class _Worker:
    """A forked process that reads heads, and the pipes to it."""

    def __init__(self, reader: HeadReader, others: list[_Worker]) -> None:
        questions, ask = os.pipe()
        answer, answers = os.pipe()
        self.descriptors: tuple[int, int] = ask, answer
        self._pid = os.fork()
        if not self._pid:
            for fd in (ask, answer, *(fd for other in others for fd in other.descriptors)):
                os.close(fd)
            _serve(reader, questions, answers)
        os.close(questions)
        os.close(answers)
        self._ask = os.fdopen(ask, "wb")
        self._answer = os.fdopen(answer, "rb")

    def ask(self, portion: Portion) -> None:
        """Give it work."""
        marshal.dump((portion.root, portion.paths), self._ask)
        self._ask.flush()

    def answer(self) -> list[Rows | None]:
        """Wait for what it found. Raises OSError."""
        try:
            found = marshal.load(self._answer)  # noqa: S302 - written by our own child
        except (EOFError, ValueError) as error:
            raise OSError(f"a process that read files has ended: {error}") from error
        return [Rows(levels, ()) if levels else None for levels in found]

    def end(self) -> None:
        """Let it go."""
        self._ask.close()
        self._answer.close()
        os.waitpid(self._pid, 0)


def _serve(reader: HeadReader, questions: int, answers: int) -> None:
    """The life of a reader; it ends with the pipe, or with the process that asks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all of us; the parent ends us
    status = 1
    try:
        with os.fdopen(questions, "rb") as asked, os.fdopen(answers, "wb") as told:
            while True:
                root, paths = marshal.load(asked)  # noqa: S302 - written by our own parent
                rows = [read_head(reader, root + path) for path in paths]
                marshal.dump([None if row is None else row.levels for row in rows], told)
                told.flush()
    except (EOFError, BrokenPipeError):
        status = 0
    finally:
        os._exit(status)
