"""Having the archive for oneself: no server of ours may receive or change rows while the tables are made anew.

A running server holds a shared lock on the spool folder of each of its devices. Who holds them all exclusively is
alone; a server that starts meanwhile waits at its first device until the lock is gone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dgate.archive.devices import MAG, MIRROR, not_enough_rights
from dgate.archive.spool import Spool
from dgate.index.index import DatabaseError

if TYPE_CHECKING:
    from dgate.config.archiveoptions import ArchiveOptions
    from dgate.interfaces import Log


class InUseError(DatabaseError):
    """Another process uses the archive; the text says which device shows it."""


def open_spools(options: ArchiveOptions, log: Log) -> tuple[list[Spool], list[Spool]]:
    """The MAG and the MIRROR devices; one that cannot be written is left out with a line in the log."""
    return _opened(MAG, options.devices, log), _opened(MIRROR, options.mirrors, log)


def _opened(kind: bytes, roots: tuple[bytes, ...], log: Log) -> list[Spool]:
    spools = []
    for position, root in enumerate(roots):
        name = b"%s%d" % (kind, position)
        try:
            spools.append(Spool(name, root))
        except OSError:
            log.console(not_enough_rights(name))
    return spools


@contextlib.contextmanager
def alone(options: ArchiveOptions, log: Log) -> Iterator[list[Spool]]:
    """Hold every device that can be written for oneself. Raises `InUseError`."""
    magnetic, mirrors = open_spools(options, log)
    spools = magnetic + mirrors
    try:
        for spool in spools:
            if not spool.lock_alone():
                name = spool.name.decode()
                raise InUseError(f"{name} is in use by another process: stop the server, then try again.")
        yield spools
    finally:
        for spool in spools:
            spool.close()
