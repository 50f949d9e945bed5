"""The copy on MIRRORn of what is stored on MAGn (conquest-server.md 2.2, 7.4).

It is made before the object is acknowledged. A mirror that fails costs a line in the log, not the object.
"""

from __future__ import annotations

import os
import threading

from dgate.archive.spool import Spool
from dgate.index.rows import shown
from dgate.interfaces import Log

COUNT = 1 << 30
"""What one `sendfile` is asked for; it moves less at a time anyway."""

_turn = threading.Lock()
"""One copy at a time: of two for one object, the later one then copies what is there for good."""


def copy_to(mirror: Spool, home: Spool, path: bytes, log: Log) -> None:
    """Copy a file from its device to the mirror, under the same path. Never raises."""
    name = b""
    try:
        with _turn:
            name, target = mirror.create()
            try:
                source = home.open(path)
                try:
                    while os.sendfile(target, source, None, COUNT):
                        continue
                finally:
                    os.close(source)
            finally:
                os.close(target)
            mirror.put(name, path)
    except OSError as error:
        log.console(f"***No copy on {mirror.name.decode()} of {shown(path)}: {error.strerror}")
        if name:
            mirror.discard(name)
