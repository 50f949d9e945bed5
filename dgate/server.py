"""Composition: settings, log, archive and listener become a running server."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from dgate.archive.archive import open_archive
from dgate.archive.index import DatabaseError
from dgate.config.kfactor import KFactor, parse_dicom_sql
from dgate.config.live import LiveConfig
from dgate.log import FileLog
from dgate.net.limits import Doorkeeper, Limits
from dgate.net.listener import Listener, bind
from dgate.net.node import Node

if TYPE_CHECKING:
    import socket

    from dgate.config.settings import Settings
    from dgate.interfaces import Archive, Log

VERSION = "1.5.0e"
"""The version of Conquest that this server can take the place of."""
STOP_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})
DRIVERS = {
    "sqlite": "built-in SQLite driver",
    "postgres": "native PostGres connection",
    "mysql": "native MySQL connection",
}


def serve(settings: Settings, *, listen: str, verbose: bool, ready: Callable[[], None] | None = None) -> int:
    """Serve until SIGTERM or SIGINT, finish what is in flight; the exit status.

    `listen` is an IP address, empty for all interfaces; `ready` is called once the port is bound. To be called in the
    main thread: the signals are blocked in all threads and waited for here, so no handler interrupts anything.
    """
    log = FileLog(verbose=verbose, trouble_path=settings.trouble_log, user_path=settings.user_log)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        return _serve(settings, listen, log, ready)
    finally:
        while signal.sigtimedwait(STOP_SIGNALS, 0):  # a second Ctrl-C asked for the same
            continue
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        log.close()


def _serve(settings: Settings, listen: str, log: FileLog, ready: Callable[[], None] | None) -> int:
    kfactor = load_kfactor(settings.kfactor_file, log)
    if kfactor is None:
        return 1
    sock = _bind(listen, settings.port, log)
    if sock is None:
        return 1
    with sock:
        archive = _open(settings, kfactor, log)
        if archive is None:
            return 1
        try:
            _run(settings, sock, archive, log, ready)
        finally:
            archive.close()
    return 0


def _run(
    settings: Settings, sock: socket.socket, archive: Archive, log: FileLog, ready: Callable[[], None] | None
) -> None:
    listener = Listener(sock, _node(settings, archive, log))
    listener.start()
    log.console(
        f"DGATE ({VERSION}, build {_build()}, bits {64 if sys.maxsize > 1 << 32 else 32}) is running as threaded server"
    )
    log.console(f"Database type: {DRIVERS[settings.driver]}")
    if ready is not None:
        ready()
    signal.sigwait(STOP_SIGNALS)
    listener.stop()


def _node(settings: Settings, archive: Archive, log: Log) -> Node:
    limits = Limits(idle=float(settings.tcpip_timeout)) if settings.tcpip_timeout > 0 else Limits()
    return Node(archive, log, limits, Doorkeeper(limits), LiveConfig(settings, log.console))


def load_kfactor(path: str, log: Log) -> KFactor | None:
    """dicom.sql; None when the server cannot work with it. The reasons are in the log and on stderr."""
    try:
        with open(path, "rb") as file:
            kfactor = parse_dicom_sql(file.read().decode("latin-1"), path)
    except OSError as fault:
        _complain(log, [f"***Error loading kfactor file:{path}", f"***{fault.strerror}"])
        return None
    fatal = [f"***{flaw}" for flaw in kfactor.faults if flaw.fatal]
    for flaw in kfactor.faults:
        if not flaw.fatal:
            log.console(f"Warning: {flaw}")
    if fatal:
        _complain(log, [f"***Error loading kfactor file:{path}", *fatal])
        return None
    return kfactor


def _bind(listen: str, port: int, log: Log) -> socket.socket | None:
    try:
        return bind(listen, port)
    except OSError as fault:
        why = os.strerror(fault.errno) if isinstance(fault.errno, int) and fault.errno > 0 else fault
        _complain(log, ["***Failed to Listen () - bind error", f"***{listen or '*'}:{port}: {why}"])
        return None


def _open(settings: Settings, kfactor: KFactor, log: Log) -> Archive | None:
    try:
        return open_archive(settings, kfactor, log)
    except (OSError, DatabaseError, sqlite3.Error) as fault:
        _complain(log, [f"***Unable to open database {settings.database}", f"***{fault}"])
        return None


def _complain(log: Log, lines: Iterable[str]) -> None:
    """What keeps the server from running: in the log, and on stderr even when the log is silent."""
    for line in lines:
        log.console(line)
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - a program without -v is silent otherwise


def _build() -> str:
    """When this server was made, in the shape the log shows."""
    try:
        return time.ctime(os.stat(__file__).st_mtime)
    except OSError:
        return "unknown"
