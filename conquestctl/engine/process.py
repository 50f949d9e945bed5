"""Instances as local processes: no Docker, no root. The embedded default where no Docker engine answers.

The engine's whole memory is `mount/logs/dgate.pid` of each instance, so any later run finds what an earlier one
started. Each process runs in its own session: a Ctrl-C in our terminal is not meant for it.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from threading import Lock

from conquestctl.engine.base import Captured, Observed, PublishedPort, State
from conquestctl.engine.holder import port_holder
from conquestctl.engine.logfile import follow_from, rotate, tail_offset
from conquestctl.engine.pidfile import Record, is_alive, pid_file, process_identity, read_record, write_record
from conquestctl.errors import ConflictError, ConquestError, EngineError, InvalidError, NotFoundError, StorageError
from conquestctl.fleet.instance import Instance

SERVER = (sys.executable, "-P", "-m", "dgate.start")
"""`-P`: what lies in an instance's folder must not be imported in place of the real thing."""
PASSED_ON = ("HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
CONSOLE_LOG = "console.log"
STOP_GRACE = 20.0
"""Seconds for what is being received when a process is told to stop: those of the compose file that we write."""
KILL_GRACE = 5.0
"""Seconds within which the kernel must have ended a process after SIGKILL."""


class ProcessEngine:
    """`Engine` on local processes. `command` is what an instance runs; tests pass something smaller."""

    name = "process"

    def __init__(self, environ: Mapping[str, str] = os.environ, command: Sequence[str] = SERVER) -> None:
        self._environ = environ
        self._command = tuple(command)
        self._children: dict[Path, subprocess.Popen[bytes]] = {}
        """Processes this run started, by pid file. Only their parent learns how they ended."""
        self._known: dict[Path, str] = {}
        """Instances this engine was asked about: all it can say ports of."""
        self._lock = Lock()

    def prepare(self, instances: Sequence[Instance]) -> None:
        """Check that processes can be told apart on this system; nothing is shared, so nothing is made."""
        del instances
        if process_identity(os.getpid()) is None:
            raise EngineError("cannot tell which local processes run: neither /proc nor ps shows this one")

    def observe(self, instances: Sequence[Instance]) -> dict[str, Observed]:
        """The state of each; a process that ended leaves `exited`, with its exit code where we saw it end."""
        return {instance.name: self._observe(instance) for instance in instances}

    def spec_hash(self, instance: Instance) -> str:
        """Hash of what the process is given; everything else is read from the folder at each start.

        Raises `InvalidError` for an instance whose database is a container.
        """
        if instance.has_server:
            raise InvalidError(
                f"the database of {instance.name} is a container of its stack, which a local process cannot reach",
                hint=f"conquestctl --engine docker up {instance.name}; a local process needs a server that is there "
                "already: create --database-url.",
                instance=instance.name,
            )
        values = {"AETITLE": instance.ae_title, "PORT": str(instance.port), "LISTEN": instance.bind}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    def create(self, instance: Instance) -> None:
        """Note that the instance is to run as its folder says now. Raises `ConflictError` when there is one."""
        path = self._path(instance)
        if read_record(path) is not None:
            raise ConflictError(f"{instance.name} exists already", instance=instance.name)
        write_record(path, Record(self.spec_hash(instance), _address(instance)))

    def start(self, instance: Instance) -> None:
        """Start the process. Raises `ConflictError` when its port is taken, `StorageError`, `EngineError`."""
        path = self._path(instance)
        record = read_record(path)
        if record is None:
            raise EngineError(f"{instance.name} was not created", instance=instance.name)
        if is_alive(record):
            return
        require_free(instance)
        child = self._spawn(instance)
        with self._lock:
            self._children[path] = child
        # The child is not reaped before the next observe, so its pid is still its own here, even if it has ended.
        identity = process_identity(child.pid) or ""
        write_record(path, replace(record, pid=child.pid, identity=identity, exit_code=None))

    def stop(self, instance: Instance, timeout: float | None = None) -> None:
        """SIGTERM, then SIGKILL after `timeout` seconds; the record keeps the exit code. Data stays."""
        timeout = STOP_GRACE if timeout is None else timeout
        path = self._path(instance)
        record = read_record(path)
        if record is None or record.pid is None:
            return
        if is_alive(record):
            _signal(record, signal.SIGTERM)
            if not self._ended(path, record, timeout):
                _signal(record, signal.SIGKILL)
                if not self._ended(path, record, KILL_GRACE):
                    raise EngineError(f"process {record.pid} did not end, not even by SIGKILL", instance=instance.name)
        self._settled(path, record)

    def remove(self, instance: Instance) -> None:
        """Forget a stopped process. Raises `ConflictError` when it runs."""
        path = self._path(instance)
        record = read_record(path)
        if record is not None and is_alive(record):
            raise ConflictError(f"{instance.name} is running", hint="Stop it first.", instance=instance.name)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"cannot remove {path}: {error.strerror}", instance=instance.name) from error
        with self._lock:
            self._children.pop(path, None)

    def logs(self, instance: Instance, *, tail: int | None = None, follow: bool = False) -> Iterator[bytes]:
        """What the process wrote, across its starts; with `follow` until the process has ended."""
        log = instance.mount / "logs" / CONSOLE_LOG
        path = self._path(instance)
        start = 0 if tail is None else tail_offset(log, tail)

        def runs() -> bool:
            record = read_record(path)
            return follow and record is not None and self._alive(path, record)

        return follow_from(log, start, runs)

    def execute(self, instance: Instance, command: Sequence[str]) -> int:
        """Run a command in the instance's folder with its environment. It need not be running."""
        return _exit_code(self._run(instance, command, capture=False))

    def capture(self, instance: Instance, command: Sequence[str]) -> Captured:
        """The same without input, and what the command wrote."""
        done = self._run(instance, command, capture=True)
        return Captured(_exit_code(done), done.stdout, done.stderr)

    def published_ports(self) -> list[PublishedPort]:
        """Ports of the running ones among the instances this engine was asked about so far."""
        with self._lock:
            known = list(self._known.items())
        records = [(name, read_record(path)) for path, name in known]
        return [_published(name, record) for name, record in records if record is not None and is_alive(record)]

    def _run(self, instance: Instance, command: Sequence[str], *, capture: bool) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(
                command,
                cwd=instance.folder,
                env=environment(instance, self._environ),
                stdin=subprocess.DEVNULL if capture else None,
                capture_output=capture,
                check=False,
            )
        except FileNotFoundError as error:
            raise NotFoundError(f"no such command: {command[0]}", instance=instance.name) from error
        except OSError as error:
            raise EngineError(f"cannot run {command[0]}: {error.strerror}", instance=instance.name) from error

    def _path(self, instance: Instance) -> Path:
        path = pid_file(instance.mount)
        with self._lock:
            self._known[path] = instance.name
        return path

    def _observe(self, instance: Instance) -> Observed:
        path = self._path(instance)
        record = read_record(path)
        if record is None:
            return Observed(instance.name)
        if record.pid is None:
            return Observed(instance.name, State.CREATED, spec_hash=record.spec_hash)
        handle = str(record.pid)
        if self._alive(path, record):
            return Observed(instance.name, State.RUNNING, handle, record.spec_hash, address=record.address)
        code = self._settled(path, record)
        return Observed(instance.name, State.EXITED, handle, record.spec_hash, code)

    def _alive(self, path: Path, record: Record) -> bool:
        with self._lock:
            child = self._children.get(path)
            if child is not None and child.pid == record.pid:
                return child.poll() is None  # reaps it, or it would stay a zombie as long as we run
        return is_alive(record)

    def _settled(self, path: Path, record: Record) -> int | None:
        """The exit code of one that ended, kept in the record for those who come later."""
        with self._lock:
            child = self._children.get(path)
        if record.exit_code is None and child is not None and child.pid == record.pid and child.poll() is not None:
            code = child.returncode if child.returncode >= 0 else 128 - child.returncode
            write_record(path, replace(record, exit_code=code))
            return code
        return record.exit_code

    def _ended(self, path: Path, record: Record, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        pause = 0.005
        while self._alive(path, record):
            if time.monotonic() >= deadline:
                return False
            time.sleep(pause)
            pause = min(pause * 1.5, 0.1)
        return True

    def _spawn(self, instance: Instance) -> subprocess.Popen[bytes]:
        log = instance.mount / "logs" / CONSOLE_LOG
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            rotate(log)
            with log.open("ab") as output:
                return subprocess.Popen(
                    self._command,
                    cwd=instance.folder,
                    env=environment(instance, self._environ),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
        except OSError as error:
            where = error.filename or self._command[0]
            raise StorageError(f"cannot start {where}: {error.strerror}", instance=instance.name) from error


def _exit_code(done: subprocess.CompletedProcess[bytes]) -> int:
    """The shell's convention for a command that a signal ended."""
    return done.returncode if done.returncode >= 0 else 128 - done.returncode


def environment(instance: Instance, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of an instance's process: its own three, and the few that any program needs."""
    passed_on = {key: environ[key] for key in PASSED_ON if key in environ}
    own = Path(sys.executable).parent
    path = os.pathsep.join([str(own), environ.get("PATH", os.defpath)])
    own_values = {"AETITLE": instance.ae_title, "PORT": str(instance.port), "LISTEN": instance.bind}
    return {**passed_on, "PATH": path, **_python_path(), **own_values}


def _python_path() -> dict[str, str]:
    """Where `dgate` is when it is not installed (a checkout); nothing when the interpreter finds it anyway."""
    spec = find_spec("dgate")
    if spec is None or spec.origin is None:
        return {}
    parent = Path(spec.origin).resolve().parent.parent
    installed = {Path(sysconfig.get_path(kind)).resolve() for kind in ("purelib", "platlib")}
    return {} if parent in installed else {"PYTHONPATH": str(parent)}


def require_free(instance: Instance) -> None:
    """Raise when the instance's address cannot be listened on: `ConflictError` for a taken port, naming the holder."""
    family = socket.AF_INET6 if ":" in instance.bind else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # As the server does: closed connections that still linger don't hold the port.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((instance.bind, instance.port))
    except OSError as error:
        raise _bind_failure(instance, error) from error


def _bind_failure(instance: Instance, error: OSError) -> ConquestError:
    where = _address(instance)
    change = f"conquestctl set {instance.name}"
    if error.errno == errno.EADDRINUSE:
        holder = port_holder(instance.port) or "another program"
        hint = f"Stop that, or choose another port: {change} PORT=..."
        return ConflictError(
            f"{instance.name} cannot use {where}: taken by {holder}", hint=hint, instance=instance.name
        )
    if error.errno == errno.EACCES:
        hint = f"Ports below 1024 belong to root; choose another: {change} PORT=..."
        return StorageError(f"{instance.name} may not use {where}", hint=hint, instance=instance.name)
    hint = f"Use an address of this machine: {change} BIND=127.0.0.1"
    return InvalidError(f"{instance.name} cannot use {where}: {error.strerror}", hint=hint, instance=instance.name)


def _address(instance: Instance) -> str:
    host = f"[{instance.bind}]" if ":" in instance.bind else instance.bind
    return f"{host}:{instance.port}"


def _published(name: str, record: Record) -> PublishedPort:
    host, _, port = record.address.rpartition(":")
    return PublishedPort(host.strip("[]"), int(port), f"instance {name} (process {record.pid})")


def _signal(record: Record, number: signal.Signals) -> None:
    """Signal the process; SIGKILL goes to its whole session's group, so that nothing it started is left."""
    assert record.pid is not None  # noqa: S101 -- callers checked that it is alive
    try:
        if number is signal.SIGKILL:
            os.killpg(record.pid, number)
        else:
            os.kill(record.pid, number)
    except ProcessLookupError:
        return  # it ended in between, which is what was wanted
    except PermissionError as error:
        raise EngineError(f"process {record.pid} belongs to another user") from error
