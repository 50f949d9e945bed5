"""Threads with a stack of their own size.

Python takes the size from one setting of the whole process, so two who start threads must not do so at once.
"""

from __future__ import annotations

import threading

_lock = threading.Lock()


def start_thread(thread: threading.Thread, stack: int) -> None:
    """Start a thread with so many bytes of stack. Raises `RuntimeError` when there can be no more threads."""
    with _lock:
        before = threading.stack_size(stack)
        try:
            thread.start()
        finally:
            threading.stack_size(before)
