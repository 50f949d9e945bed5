from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from .conftest import StartServer
from .raw import RawClient

if TYPE_CHECKING:
    import pytest


def refuse(number: int) -> Callable[[threading.Thread], None]:
    """`Thread.start` that fails as on a system at its limit, for our threads but for the first `number`."""
    real, started = threading.Thread.start, []

    def start(thread: threading.Thread) -> None:
        if thread.name == "association":
            started.append(thread)
            if len(started) > number:
                raise RuntimeError("can't start new thread")
        real(thread)

    return start


def test_a_thread_that_never_ran_does_not_keep_the_server_from_stopping(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading.Thread, "start", refuse(1))
    server = start_server()
    with RawClient(server.port) as client:
        client.associate()
        server.wait_for(lambda: "***Cannot start a thread: can't start new thread" in server.log.lines)
        assert server.listener.threads == 1
        client.release()
    # the fixture stops the server: joining a thread that never ran would raise
