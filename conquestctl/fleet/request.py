"""What `create` is asked for: from the words of a command line to one checked request per instance. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from conquestctl.errors import ConflictError, InvalidError, UsageError
from conquestctl.fleet.database import Database
from conquestctl.fleet.names import LAST_PORT, check_ae_title, check_bind, check_name, check_port, default_ae_title
from conquestctl.fleet.settings import DEFAULT_BIND, DEFAULT_IMAGE, canonical_key, checked

IN_A_FILE = Database()
"""The default: SQLite."""
MOST = 1000
"""More instances than fit the fleet's network are a typing error."""


@dataclass(frozen=True, slots=True)
class Request:
    """One instance to be made."""

    name: str
    ae_title: str = ""
    """Empty: the name in capitals."""
    port: int | None = None
    """None: the first free one."""
    bind: str = DEFAULT_BIND
    image: str = DEFAULT_IMAGE
    run_as: str = ""
    """Empty: the owner of the folder."""
    database: Database = IN_A_FILE
    host_network: bool = False
    """In the machine's own network."""

    def checked(self) -> Request:
        """Return it with every value in its usual spelling. Raises `InvalidError` for the first bad one."""
        name = check_name(self.name)
        try:
            return replace(
                self,
                ae_title=check_ae_title(self.ae_title or default_ae_title(name)),
                port=None if self.port is None else check_port(self.port),
                bind=check_bind(self.bind),
                image=checked("IMAGE", self.image),
                run_as=checked("RUN_AS", self.run_as) if self.run_as else "",
                database=_checked_database(self.database),
            )
        except InvalidError as error:
            raise InvalidError(error.message, hint=error.hint, instance=name) from None


def _checked_database(database: Database) -> Database:
    return replace(database, image=checked("DATABASE_IMAGE", database.image)) if database.own else database


def requests_for(
    names: Sequence[str],
    *,
    count: int | None = None,
    values: Mapping[str, str | None],
    extra: Mapping[str, str],
    database: Database = IN_A_FILE,
    host_network: bool = False,
) -> list[Request]:
    """Return a checked request for each instance meant.

    With `count`, NAME means NAME1 to NAMEn, always these; an AE title given is numbered like the names, and a port
    given is the first of a row. `values` are options by key (`PORT`, `AETITLE`, `BIND`, `IMAGE`), `extra` what came
    as `--set KEY=VALUE`. Raises `UsageError`, `InvalidError`, and `ConflictError` for two with one name or AE title.
    """
    settings = _merged(values, extra)
    title, first = settings.get("AETITLE"), settings.get("PORT")
    if title is not None and len(names) > 1:
        raise UsageError("one AE title was given for several names", hint="Create them one by one, or leave it out.")
    numbers = _numbers(count)
    wanted = [(name + number, number) for name in names for number in numbers]
    ports = _ports(first, len(wanted))
    if not database.local and len(wanted) > 1:
        raise UsageError("one database was given for several instances", hint="Each needs its own: one by one.")
    requests = [
        Request(
            name=name,
            ae_title=_numbered_title(title, number) if title is not None else "",
            port=port,
            bind=settings.get("BIND", DEFAULT_BIND),
            image=settings.get("IMAGE", DEFAULT_IMAGE),
            run_as=settings.get("RUN_AS", ""),
            database=database,
            host_network=host_network,
        ).checked()
        for (name, number), port in zip(wanted, ports, strict=True)
    ]
    refuse_repeats(requests)
    return requests


def _merged(values: Mapping[str, str | None], extra: Mapping[str, str]) -> dict[str, str]:
    """Options and `--set` as one. Raises `UsageError` when both say something about the same key."""
    settings = {key: value for key, value in values.items() if value is not None}
    for word, value in extra.items():
        key = canonical_key(word)
        if key in settings:
            raise UsageError(f"{key} was given twice", hint="Once as an option or once with --set is enough.")
        settings[key] = value
    return settings


def _numbers(count: int | None) -> list[str]:
    if count is None:
        return [""]
    if not 1 <= count <= MOST:
        raise UsageError(f"--count {count} is not a number from 1 to {MOST}")
    return [str(number) for number in range(1, count + 1)]


def _numbered_title(title: str, number: str) -> str:
    """Check the title alone first, or a blank one with a number would pass."""
    return check_ae_title(title) + number


def _ports(first: str | None, count: int) -> list[int | None]:
    if first is None:
        return [None] * count
    port = check_port(first)
    if port + count - 1 > LAST_PORT:
        raise InvalidError(f"{count} ports from {port} on would go beyond {LAST_PORT}")
    return [port + offset for offset in range(count)]


def refuse_repeats(requests: Sequence[Request]) -> None:
    """Raise `ConflictError` if two of the requests want the same name or AE title."""
    name, times = Counter(request.name for request in requests).most_common(1)[0] if requests else ("", 0)
    if times > 1:
        raise ConflictError(f"{name} was named {times} times")
    owners: dict[str, str] = {}
    for request in requests:
        refuse_title(request, owners)
        owners[request.ae_title] = request.name


def refuse_title(request: Request, owners: Mapping[str, str]) -> None:
    """Raise `ConflictError` if somebody has the AE title already; says so when cutting a long name led to it."""
    owner = owners.get(request.ae_title)
    if owner is None:
        return
    cut = request.ae_title == default_ae_title(request.name) and len(request.name) > len(request.ae_title)
    why = f", the beginning of the name {request.name}," if cut else ""
    raise ConflictError(
        f"AE title {request.ae_title}{why} is taken by instance {owner}",
        hint="Give another one with --ae-title.",
        instance=request.name,
    )
