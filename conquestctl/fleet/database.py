"""Where the index of an instance is kept: an SQLite file, a database server of its own, or somebody else's server."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from urllib.parse import unquote, urlsplit

from conquestctl.errors import InvalidError, StorageError, UsageError
from conquestctl.fleet.addresses import Reader, is_own_host, seen_by
from conquestctl.fleet.mountinfo import NETWORKED, Mount, mount_of

SQLITE, POSTGRES, MARIADB = KINDS = ("sqlite", "postgres", "mariadb")
DEFAULT_IMAGES = {POSTGRES: "postgres:17", MARIADB: "mariadb:11"}
SERVICE = "db"
"""Service and host name of a server of one's own; no instance can be called so."""
NAME = "conquest"
"""Name of the user and of the database on a server of one's own."""
FOLDER = "db"
"""Folder of an instance that holds its server's files."""
SECRETS = "secrets"
PASSWORD_FILE = f"{SECRETS}/database_password"
"""Relative to the folder that holds `mount/`, in a container as on the host."""
SERVER_USER = (999, 999)
"""Who the official images make themselves when they are started as root: database servers refuse to run as root."""

_SCHEMES = {"postgresql": POSTGRES, "postgres": POSTGRES, "mariadb": MARIADB, "mysql": MARIADB}
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]+")
_WORD = re.compile(r"[^\s\x00-\x1f\x7f]+")
_EXAMPLE = "It looks like postgresql://user@host:5432/name or mariadb://user@host/name."
_INI_BLOCK = re.compile(
    rb"^SQLite .*\nSQLServer .*\nDoubleBackSlashToDB .*\nUseEscapeStringConstants .*\n", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Database:
    """What `create` is asked for."""

    kind: str = SQLITE
    image: str = ""
    """Of a server of one's own; empty without one."""
    host: str = SERVICE
    """`host` or `host:port`, as dicom.ini has it."""
    user: str = NAME
    name: str = NAME
    password: str = field(default="", repr=False)
    """Of somebody else's server; that of one's own is made by `create`."""

    @property
    def own(self) -> bool:
        """Whether the stack has a server of its own."""
        return bool(self.image)

    @property
    def local(self) -> bool:
        """Whether its files are in the instance's folder."""
        return self.own or self.kind == SQLITE


def of_options(kind: str | None, image: str | None) -> Database:
    """What `--database` and `--database-image` ask for. Raises `UsageError`."""
    kind = kind or SQLITE
    if kind not in KINDS:
        raise UsageError(f"there is no database {kind!r}", hint=f"Use one of: {', '.join(KINDS)}.")
    if kind == SQLITE and image:
        raise UsageError("SQLite is a part of the server and has no image", hint="With it: --database postgres")
    return Database(kind, image="" if kind == SQLITE else image or DEFAULT_IMAGES[kind])


def of_url(text: str) -> Database:
    """A server that is there already. Raises `InvalidError`, also for a URL with a password, which all could read."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise InvalidError(f"--database-url: {error}", hint=_EXAMPLE) from None
    if parts.password is not None:
        raise InvalidError(
            "--database-url: a password on the command line can be read by everybody on this machine",
            hint="Leave it out: it is asked for, or comes from --database-password-file FILE.",
        )
    user, name = unquote(parts.username or ""), unquote(parts.path.removeprefix("/"))
    problem = _problem(parts.scheme, host, user, name) or ("it has a query" if parts.query or parts.fragment else "")
    if problem:
        raise InvalidError(f"--database-url: {problem}", hint=_EXAMPLE)
    return Database(_SCHEMES[parts.scheme], host=_with_port(host, port), user=user, name=name)


def _problem(scheme: str, host: str, user: str, name: str) -> str:
    checks = (
        (scheme not in _SCHEMES, f"{scheme or 'nothing'} is no database server that is known"),
        (not _HOST.fullmatch(host), "there is no host in it" if not host else f"{host!r} is no host"),
        (not _WORD.fullmatch(user), "there is no user in it" if not user else f"{user!r} is no user"),
        (not _WORD.fullmatch(name) or "/" in name, "it does not end with the name of a database"),
    )
    return next((problem for wrong, problem in checks if wrong), "")


def _with_port(host: str, port: int | None) -> str:
    shown = f"[{host}]" if ":" in host else host
    return shown if port is None else f"{shown}:{port}"


def seen_from(host: str, *, container: bool) -> str:
    """Return `host` or `host:port` as the server has to write it: loopback is another machine inside a container."""
    parts = urlsplit(f"//{host}")
    name = parts.hostname or ""
    seen = seen_by(Reader.CONTAINER, name, is_own_host) if container else name
    return host if seen == name else _with_port(seen, parts.port)


def ini_with(template: bytes, database: Database) -> bytes:
    """`dicom.ini.j2` for a database server, in the place of its lines for SQLite."""
    escapes = 1 if database.kind == POSTGRES else 0
    lines = (
        f"{'PostGres' if database.kind == POSTGRES else 'MySQL':24} = 1",
        f"{'SQLHost':24} = {database.host}",
        f"{'SQLServer':24} = {database.name}",
        f"{'Username':24} = {database.user}",
        "; the original server does not know PasswordFile: there the password itself goes into a line Password = ...",
        f"{'PasswordFile':24} = ./{PASSWORD_FILE}",
        f"{'DoubleBackSlashToDB':24} = 1",
        f"{'UseEscapeStringConstants':24} = {escapes}",
    )
    block = "".join(f"{line}\n" for line in lines).encode()
    filled, times = _INI_BLOCK.subn(lambda _: block, template)
    if times != 1:
        raise InvalidError("the template of dicom.ini has no block of lines for SQLite to replace")
    return filled


def refuse_shared_folder(folder: Path, mounts: Sequence[Mount]) -> None:
    """Raise `StorageError` for a folder on a file system that other machines write as well."""
    mount = mount_of(PurePath(folder.resolve()), mounts)
    if mount is None or mount.kind not in NETWORKED:
        return
    raise StorageError(
        f"{folder} is on {mount.kind} (mounted at {mount.point}): on a network or shared file system the locks of a "
        "database cannot be trusted and its files break",
        hint="Choose a folder on a local disk with --root, or keep the index elsewhere: --database-url.",
    )


def read_password(file: Path) -> str:
    """The first line of a file. Raises `StorageError`, and `InvalidError` when it is empty."""
    try:
        with file.open(encoding="utf-8") as opened:
            password = opened.readline().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise StorageError(f"--database-password-file: cannot read {file}: {reason}") from None
    if not password:
        raise InvalidError(f"--database-password-file: the first line of {file} is empty")
    return password
