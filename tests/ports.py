"""Ports for servers that a test starts itself: taken in order, from below those that the kernel hands out by itself.

Asking the kernel for a free one and closing it again is a race: any other socket may be given that number before the
server binds it, which happens now and then when two workers open thousands of sockets.
"""

from __future__ import annotations

import os
import socket
from itertools import count

FIRST, NUMBER = 10_000, 20_000
"""Linux hands out 32768 and up. Runs begin at different places, so that two at once seldom meet."""

_turns = count(os.getpid() * 541)


def free_port() -> int:
    """A port of loopback that nobody uses, and that this run has not handed out before."""
    for turn in _turns:
        port = FIRST + turn % NUMBER
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError("the count does not end")
