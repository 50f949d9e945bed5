"""Threads with a stack of their own size, and those that work for another one, which waits.

Python takes the size from one setting of the whole process, so two who start threads must not do so at once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()


def start_thread(thread: threading.Thread, stack: int) -> None:
    """Start a thread with so many bytes of stack. Raises `RuntimeError` when there can be no more threads."""
    with _lock:
        before = threading.stack_size(stack)
        try:
            thread.start()
        finally:
            threading.stack_size(before)


_working = threading.local()


def served() -> int:
    """The thread for which this one works: itself, unless another one waits for it."""
    return getattr(_working, "served", 0) or threading.get_ident()


@contextmanager
def serving(thread: int) -> Iterator[None]:
    """Work for that one."""
    before, _working.served = getattr(_working, "served", 0), thread
    try:
        yield
    finally:
        _working.served = before
