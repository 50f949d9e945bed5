from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
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


def test_the_health_check_of_the_image_leaves_no_line_and_others_do(start_server: StartServer) -> None:
    server = start_server()
    script = Path(__file__).parents[3] / "image" / "healthcheck"
    environ = {**os.environ, "AETITLE": "ORACLE", "PORT": str(server.port)}
    assert subprocess.run(["bash", str(script)], env=environ, timeout=30, check=False).returncode == 0
    server.wait_until_empty()
    assert server.log.lines == []
    with RawClient(server.port) as client:
        client.associate()
        client.release()
    server.wait_until_empty()
    assert server.log.lines == ["*** connection terminated"]
