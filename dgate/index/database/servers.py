"""What PostgreSQL and MariaDB have in common: where the server is, who we are there, and how marks are counted."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dgate.index.database.faults import DatabaseError
from dgate.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

    from dgate.config.archiveoptions import ArchiveOptions

CONNECT_SECONDS = 5
"""How long a server may take to let us in, before a store fails."""
LOCK_SECONDS = 5
"""How long a store waits for another process that writes, before it fails."""
STATEMENT_SECONDS = 60
"""A server that says nothing for so long is taken for dead."""
TRANSACTION_SECONDS = 60
"""The server ends a transaction in which it has heard nothing for so long: its client's machine is gone."""

_MARK = re.compile(r"CAST\(\? AS TEXT\)|\?")
_KEPT_TEXTS = 500
"""Statements of the archive itself are a few dozen; those with a list of UIDs are as many as there are requests."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    host: str
    """A name, an address, or the path of a socket (MariaDB) or of its folder (PostgreSQL)."""
    port: int

    @property
    def is_local(self) -> bool:
        """Whether it is a socket in the file system."""
        return self.host.startswith("/")


def address(text: str, default_port: int) -> Address:
    """SQLHost: `host`, `host:port`, `[IPv6 address]:port`, or a path. Raises `DatabaseError`."""
    text = text.strip()
    if text.startswith("/") or (text.count(":") > 1 and not text.startswith("[")):
        return Address(text, default_port)
    host, _, port = text.rpartition(":") if ":" in text.rpartition("]")[2] else (text, "", str(default_port))
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise DatabaseError(f"SQLHost = {text} is neither a host nor a host and a port (1 to 65535) behind a colon.")
    return Address(host.strip("[]"), int(port))


def password(options: ArchiveOptions) -> str:
    """The first line of PasswordFile, or Password. Raises `DatabaseError`."""
    if not options.password_file:
        return options.password
    try:
        with open(options.password_file, encoding="utf-8", errors="surrogateescape") as file:
            return file.readline().rstrip("\r\n")
    except OSError as error:
        raise DatabaseError(f"PasswordFile {options.password_file} cannot be read: {error.strerror}.") from error


def one_line(text: str) -> str:
    """The first line of a driver's message, without what stands before and behind it."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    return lines[0].removeprefix("ERROR:").removeprefix("FATAL:").strip().rstrip(".") if lines else "no reason given"


class Translator:
    """Makes a driver's texts out of the house's SQL; each one once."""

    def __init__(self, mark: Callable[[int], str]) -> None:
        """`mark` is given the number of a parameter, from 1."""
        self._mark = mark
        self._texts: dict[str, bytes] = {}

    def text(self, sql: str) -> bytes:
        """The statement with the driver's marks."""
        known = self._texts.get(sql)
        if known is None:
            parts = _MARK.split(sql)
            marked = [part + self._mark(number) for number, part in enumerate(parts[:-1], 1)]
            known = ("".join(marked) + parts[-1]).encode("utf-8", "surrogateescape")
            if len(self._texts) >= _KEPT_TEXTS:
                self._texts.clear()
            self._texts[sql] = known
        return known
