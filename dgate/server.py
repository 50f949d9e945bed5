"""Composition: settings, log, archive and listener become a running server."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from dgate import preflight
from dgate.archive.archive import open_archive
from dgate.archive.watch import Watch
from dgate.commands.context import Context
from dgate.commands.dispatch import ServerCommands
from dgate.config.kfactor import KFactor, parse_dicom_sql
from dgate.config.live import LiveConfig
from dgate.forward.forwarding import Forwarding
from dgate.index.index import FAULTS
from dgate.lua.instance import ScriptsOf
from dgate.net.counters import Counters
from dgate.net.limits import Doorkeeper, Limits
from dgate.net.listener import Listener, bind
from dgate.net.node import Node
from dgate.record import dataclass
from dgate.rules.instance import ConvertersOf

if TYPE_CHECKING:
    import socket

    from dgate.archive.archive import DiskArchive
    from dgate.config.settings import Settings
    from dgate.housekeeping import Housekeeping
    from dgate.interfaces import Log, Others
    from dgate.log import FileLog
    from dgate.lua.host import Host
    from dgate.rules.interfaces import Services

VERSION = "1.5.0e"
"""The version of Conquest that this server can take the place of."""
SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
"""SIGHUP reads the configuration again; the others end the server."""
DRIVERS = {
    "sqlite": "built-in SQLite driver",
    "postgres": "native PostGres connection",
    "mysql": "native MySQL connection",
}


@dataclass(frozen=True, slots=True)
class Hooks:
    """What whoever starts the server does at certain moments."""

    ready: Callable[[], None] = lambda: None
    """The port is bound and served."""
    refresh: Callable[[], None] = lambda: None
    """The configuration is about to be looked at: see `LiveConfig`."""


class House:
    """The housekeeping thread, which is loaded when it is wanted."""

    def __init__(
        self, archive: DiskArchive, log: Log, settings: Callable[[], Settings], script: Callable[[str], None]
    ) -> None:
        self._what = archive, log, settings, script
        self._lock = threading.Lock()
        self._made: Housekeeping | None = None

    def start(self) -> None:
        """Begin, unless it has begun."""
        with self._lock:
            if self._made is None:
                from dgate.housekeeping import Housekeeping

                self._made = Housekeeping(*self._what)
                self._made.start()

    def stop(self) -> None:
        """Finish what is in hand."""
        with self._lock:
            made = self._made
        if made is not None:
            made.stop()


NOTHING_MORE = Hooks()


def serve(settings: Settings, log: FileLog, *, listen: str, hooks: Hooks = NOTHING_MORE) -> int:
    """Serve until SIGTERM or SIGINT, finish what is in flight; the exit status. Closes the log.

    `listen` is an IP address, empty for all interfaces. To be called in the main thread: the signals are blocked in all
    threads and waited for here, so no handler interrupts anything.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        return _serve(settings, listen, log, hooks)
    finally:
        while signal.sigtimedwait(SIGNALS, 0):  # a second Ctrl-C asked for the same
            continue
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        log.close()


def _serve(settings: Settings, listen: str, log: FileLog, hooks: Hooks) -> int:
    kfactor = load_kfactor(settings.kfactor_file, log)
    if kfactor is None and os.path.exists(settings.kfactor_file):
        return 1
    _note_ignored(settings, log)
    if not os.path.exists(settings.dictionary):
        log.console(f"Dictionary file {settings.dictionary} is missing, some server functions will not work correctly")
    fatal = preflight.faults(settings)
    if fatal:
        _complain(log, [*preflight.words_of_the_original(settings, fatal), *(f"***{fault}" for fault in fatal)])
        return 1
    sock = _bind(listen, settings.port, log)
    if sock is None:
        return 1
    preflight.leave_access_test(settings)
    with sock:
        if kfactor is None:
            _run_without_index(settings, sock, log, hooks)
            return 0
        archive = _open(settings, kfactor, log)
        if archive is None:
            return 1
        try:
            with Watch(archive):
                _run(settings, kfactor, sock, archive, log, hooks)
        finally:
            archive.close()
    return 0


def _note_ignored(settings: Settings, log: Log) -> None:
    if settings.without_effect:
        log.console(f"Keys of {settings.path} without effect in this server: {', '.join(settings.without_effect)}")


def _run(
    settings: Settings, kfactor: KFactor, sock: socket.socket, archive: DiskArchive, log: FileLog, hooks: Hooks
) -> None:
    node, forwarding, house = _node(settings, kfactor, archive, log, hooks)
    archive.follow(lambda: node.config.settings)
    if isinstance(node.scripts, ScriptsOf) and not node.scripts.start(settings):
        log.console("***Stopped by the script at its start")
        return
    if log.is_stamped:
        house.start()
    forwarding.start()
    _listen(sock, node, hooks)
    house.stop()
    forwarding.stop()


def _run_without_index(settings: Settings, sock: socket.socket, log: FileLog, hooks: Hooks) -> None:
    """Without dicom.sql: echoes are answered, everything else is refused."""
    from dgate.archive.nowhere import Nowhere

    limits = _limits(settings)
    config = LiveConfig(settings, log.console, refresh=hooks.refresh)
    _listen(sock, Node(Nowhere(settings, log), log, limits, Doorkeeper(limits), config), hooks)


def _listen(sock: socket.socket, node: Node, hooks: Hooks) -> None:
    """Serve until a signal ends it."""
    log = node.log
    listener = Listener(sock, node)
    listener.start()
    log.console(
        f"DGATE ({VERSION}, build {_build()}, bits {64 if sys.maxsize > 1 << 32 else 32}) is running as threaded server"
    )
    log.console(f"Database type: {DRIVERS[node.config.settings.driver]}")
    hooks.ready()
    while signal.sigwait(SIGNALS) == signal.SIGHUP:
        _reload(node.config, log)
    listener.stop()


def _limits(settings: Settings) -> Limits:
    return Limits(idle=float(settings.tcpip_timeout)) if settings.tcpip_timeout > 0 else Limits()


def _reload(config: LiveConfig, log: Log) -> None:
    """Read everything again; associations go on, with the new values from their next look."""
    faults = config.reload()
    log.console(f"Configuration read again, {len(faults)} faults" if faults else "Configuration read again")


def _node(
    settings: Settings, kfactor: KFactor, archive: DiskArchive, log: FileLog, hooks: Hooks
) -> tuple[Node, Forwarding, House]:
    limits = _limits(settings)
    door, counters = Doorkeeper(limits), Counters()
    config = LiveConfig(settings, log.console, refresh=hooks.refresh)
    converters = ConvertersOf(archive, log, lambda: config.settings)
    forwarding = Forwarding(Node(archive, log, limits, door, config, counters), archive, converters.services)
    converters.forward_with(forwarding)
    archive.convert_with(converters)
    house = House(archive, log, lambda: config.settings, lambda name: scripts.run_moment(name, config.settings))
    archive.ask_also(lambda current: _others(current, archive, forwarding, converters.services))
    context = Context(
        config, kfactor, archive, log, door, counters, started=time.time(), stop=_stop, resume=forwarding.resume,
        rules=converters.services, keep_house=house.start,
    )  # fmt: skip
    commands = ServerCommands(context)
    scripts = ScriptsOf(lambda: _host(context, commands), converters.services)
    converters.script_with(scripts)
    commands.script_with(scripts)
    return Node(archive, log, limits, door, config, counters, commands, scripts), forwarding, house


def _others(
    settings: Settings, archive: DiskArchive, forwarding: Forwarding, services: Callable[[], Services]
) -> Others | None:
    """The virtual servers of a dicom.ini; nothing is loaded for none."""
    if not any(f"VirtualServerFor{number}" in settings.ini for number in range(10)):
        return None
    from dgate.forward.virtual import VirtualServers, servers_of

    servers = servers_of(settings)
    return VirtualServers(servers, forwarding.node, archive, services) if servers else None


def _host(context: Context, commands: ServerCommands) -> Host:
    """What scripts find."""
    from dgate.lua.host import Host

    return Host(context.archive, context.config, context.kfactor, context.counters, commands, VERSION)


def _stop() -> None:
    """End the server as SIGTERM does."""
    os.kill(os.getpid(), signal.SIGTERM)


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


def _open(settings: Settings, kfactor: KFactor, log: Log) -> DiskArchive | None:
    try:
        return open_archive(settings, kfactor, log)
    except (OSError, *FAULTS) as fault:
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
