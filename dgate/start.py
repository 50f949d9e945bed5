"""What a container or a local process runs: make the folder ready, then serve.

`python3 -m dgate.start` with the working directory at the folder that holds `mount/`, and in the environment `AETITLE`,
`PORT` and optionally `LISTEN` (an IP address, all interfaces by default). See "Start of an instance" in
docs/architecture.md. Whatever keeps the server from starting is one line on stderr and exit status 1.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping

from dgate.config.amap import ensure_own_entry
from dgate.config.faults import Fault
from dgate.config.identity import ae_title_fault, port_fault
from dgate.config.inifile import IniFile
from dgate.config.kfactor import KFactor, parse_dicom_sql
from dgate.config.rendering import RenderError, render_dicom_ini
from dgate.config.settings import Settings, load_settings
from dgate.record import dataclass

MOUNT = "mount"
CONFIG = "mount/config"
RUN_FILE = "mount/logs/run.json"
ALL_INTERFACES = "0.0.0.0"
LOOPBACK = "127.0.0.1"


class StartError(ValueError):
    """The server cannot start with this folder or environment; the text is one line that says why and what to do."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this instance is, from the environment."""

    ae_title: str
    port: int
    listen: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """A folder that is ready to be served."""

    identity: Identity
    settings: Settings
    kfactor: KFactor


def main() -> int:
    """Prepare the folder in which we stand and serve until SIGTERM; the exit status."""
    try:
        prepared = prepare(os.environ)
        usable = _ensure_database(prepared)
    except StartError as error:
        _say(str(error))
        return 1
    return _serve(prepared, usable=usable)


def prepare(environ: Mapping[str, str]) -> Prepared:
    """Everything before the database: folders, dicom.ini, acrnema.map. Raises `StartError`."""
    identity = read_identity(environ)
    if not os.path.isdir(CONFIG):
        raise StartError(f"there is no folder {CONFIG} in {os.getcwd()}; start dgate in the folder that holds {MOUNT}/")
    try:
        for name in ("data", "dbase", "logs"):
            os.makedirs(os.path.join(MOUNT, name), exist_ok=True)
        _render(identity)
        settings = _load_settings(identity)
        _ensure_own_entry(settings.acrnema_map, identity)
    except OSError as error:
        raise StartError(f"{error.filename or MOUNT}: {error.strerror or error}") from error
    return Prepared(identity, settings, _load_kfactor(settings.kfactor_file))


def read_identity(environ: Mapping[str, str]) -> Identity:
    """AETITLE, PORT and LISTEN, validated. Raises `StartError`."""
    for name, fault_of in (("AETITLE", ae_title_fault), ("PORT", port_fault)):
        if name not in environ:
            raise StartError(f"the environment variable {name} is not set")
        fault = fault_of(environ[name])
        if fault:
            raise StartError(f"{name}={environ[name]!r} {fault}")
    listen = environ.get("LISTEN") or ALL_INTERFACES
    if not _is_address(listen):
        raise StartError(f"LISTEN={listen!r} is not an IP address")
    return Identity(environ["AETITLE"], int(environ["PORT"]), listen)


def write_atomically(path: str, data: bytes, *, durable: bool = True) -> None:
    """Put a file in place as a whole, with the rights of the one it replaces. Raises `OSError`.

    `durable` has it on disk first. What is made anew at each start need not wait for that.
    """
    temporary = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.{os.getpid()}")
    mode = os.stat(path).st_mode & 0o777 if os.path.exists(path) else 0o644
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if durable:
                os.fsync(descriptor)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _render(identity: Identity) -> None:
    template = os.path.join(CONFIG, "dicom.ini.j2")
    if not os.path.exists(template):
        raise StartError(f"{template} is missing; it is the template of dicom.ini")
    converters = _read(os.path.join(CONFIG, "converters.txt"))
    try:
        rendered = render_dicom_ini(
            _read(template), converters, identity.ae_title, identity.port, template_name=template
        )
    except RenderError as error:
        raise StartError(str(error)) from error
    _write_if_changed(os.path.join(CONFIG, "dicom.ini"), rendered, durable=False)


class _Sources:
    """The files that dicom.ini is made of: an edit of one of them counts in a running server too."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._seen = self._look()

    def refresh(self) -> None:
        """Make dicom.ini anew if one of them has changed. Raises `StartError`, `OSError`, once per change."""
        found = self._look()
        if found != self._seen:
            self._seen = found
            _render(self._identity)

    @staticmethod
    def _look() -> list[tuple[int, int, int] | None]:
        return [_stamp(os.path.join(CONFIG, name)) for name in ("dicom.ini.j2", "converters.txt")]


def _stamp(path: str) -> tuple[int, int, int] | None:
    """What tells one content of a file from another; None for no file."""
    try:
        facts = os.stat(path)
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size, facts.st_ino


def _load_settings(identity: Identity) -> Settings:
    """dicom.ini as just rendered. The environment is the statement of intent, so it goes before the file."""
    ini = IniFile.parse(_read(os.path.join(CONFIG, "dicom.ini")))
    settings, faults = load_settings(ini, CONFIG, port=identity.port, ae_title=identity.ae_title)
    _report(faults)
    for key, value in (("MyACRNema", identity.ae_title), ("TCPPort", str(identity.port))):
        entry = ini.find(key)
        if entry is not None and entry.value != value:
            _say(f"{CONFIG}/dicom.ini:{entry.line}: {key} = {entry.value} is overruled by the environment: {value}")
    return settings


def _ensure_own_entry(path: str, identity: Identity) -> None:
    """The own entry is only used by the server itself: loopback, unless it listens on one address alone."""
    host = LOOPBACK if identity.listen in (ALL_INTERFACES, "::") else identity.listen
    _write_if_changed(path, ensure_own_entry(_read(path), identity.ae_title, host, identity.port), durable=True)


def _load_kfactor(path: str) -> KFactor:
    try:
        with open(path, "rb") as file:
            text = file.read().decode("latin-1")
    except OSError as error:
        raise StartError(f"{path}: {error.strerror}; without it the server knows no database columns") from error
    kfactor = parse_dicom_sql(text, path)
    _report(kfactor.faults)
    return kfactor


def _ensure_database(prepared: Prepared) -> bool:
    """Create the tables where there are none; False where a server is not there yet. Raises `StartError`."""
    from dgate.index.database.faults import UnreachableError
    from dgate.index.index import DatabaseError
    from dgate.index.schema import ensure_database

    try:
        ensure_database(prepared.settings, prepared.kfactor)
    except UnreachableError as error:
        _say(f"database: {error} It is tried again until it can be used; stores and queries fail until then.")
        return False
    except (OSError, DatabaseError) as error:
        raise StartError(f"database: {error}") from error
    return True


def _serve(prepared: Prepared, *, usable: bool) -> int:
    from dgate.index.latecomer import Latecomer
    from dgate.log import FileLog
    from dgate.server import Hooks, serve

    identity, settings = prepared.identity, prepared.settings
    announced = False

    def ready() -> None:
        nonlocal announced
        announced = _announce(identity)
        if not usable:
            latecomer.start()

    log = FileLog(verbose=True, trouble_path=settings.trouble_log, user_path=settings.user_log)
    latecomer = Latecomer(settings, prepared.kfactor, log)
    hooks = Hooks(ready, refresh=_Sources(identity).refresh)
    status = serve(settings, log, listen=identity.listen, hooks=hooks)
    latecomer.stop()
    if announced:
        _withdraw()
    return status


def _announce(identity: Identity) -> bool:
    """Write run.json: who we are and since when. Called once the port is bound; a full disk does not stop us then."""
    import json
    import time

    facts = {
        "pid": os.getpid(),
        "started": round(time.time(), 3),
        "ae_title": identity.ae_title,
        "port": identity.port,
        "listen": identity.listen,
    }
    try:
        write_atomically(RUN_FILE, json.dumps(facts).encode() + b"\n", durable=False)
    except OSError as error:
        _say(f"{RUN_FILE}: {error.strerror}; the server runs, but its state cannot be shown")
        return False
    return True


def _withdraw() -> None:
    try:
        os.unlink(RUN_FILE)
    except OSError as error:
        _say(f"{RUN_FILE}: {error.strerror}; remove it by hand")


def _report(faults: Iterable[Fault]) -> None:
    """Say the harmless faults; raise `StartError` with the first fatal one."""
    for fault in faults:
        if fault.fatal:
            raise StartError(str(fault))
        _say(f"warning: {fault}")


def _write_if_changed(path: str, data: bytes, *, durable: bool) -> None:
    if not os.path.exists(path) or _read(path) != data:
        write_atomically(path, data, durable=durable)


def _read(path: str) -> bytes:
    """The file's bytes; none when it does not exist."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def _is_address(text: str) -> bool:
    import socket

    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, text)
        except (OSError, ValueError):
            continue
        return True
    return False


def _say(line: str) -> None:
    print(f"dgate: {line}", file=sys.stderr, flush=True)  # noqa: T201 - before there is a log


if __name__ == "__main__":
    sys.exit(main())
