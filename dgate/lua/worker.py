"""A thread that does one thing at a time for somebody who waits.

Lua's own functions call each other on the machine's stack, up to 200 deep with 8 KB and more for some of them. The
threads of associations have too little for that, and a thread cannot get more later.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

from dgate.threads import served, serving, start_thread

STACK = 16 * 1024 * 1024
"""Address space; what is not used costs no memory."""


class Worker:
    """The thread begins with the first piece of work and ends with `stop`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._done: SimpleQueue[BaseException | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._served = 0

    def do(self, work: Callable[[], None]) -> None:
        """Have it done, and wait. Raises what `work` raises, and `RuntimeError` when there can be no more threads."""
        if self._thread is threading.current_thread():
            work()
            return
        if self._thread is None:
            thread = threading.Thread(target=self._live, name=self._name, daemon=True)
            start_thread(thread, STACK)
            self._thread = thread
        self._served = served()
        self._work.put(work)
        fault = self._done.get()
        if fault is not None:
            raise fault

    def stop(self) -> None:
        """The thread ends, as soon as it has nothing to do. More work makes another one."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._work.put(None)

    def _live(self) -> None:
        while (work := self._work.get()) is not None:
            fault: BaseException | None = None
            try:
                with serving(self._served):
                    work()
            except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
                fault = error
            self._done.put(fault)
            del work, fault
