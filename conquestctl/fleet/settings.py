"""The keys of an instance's `.env`: what each means, what it may hold, and the `Instance` they make."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from conquestctl import __version__
from conquestctl.errors import InvalidError
from conquestctl.fleet.database import KINDS
from conquestctl.fleet.envfile import EnvFile
from conquestctl.fleet.instance import HOST_NETWORK, Instance
from conquestctl.fleet.names import check_ae_title, check_bind, check_name, check_port

DEFAULT_BIND = "127.0.0.1"
DEFAULT_IMAGE = f"conquestctl/dgate:{__version__}"
"""Built from `image/` on first use; never pulled unless asked."""

_CUSTOM = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]*")
_PROJECT = re.compile(r"[a-z0-9][a-z0-9_-]*")
_RUN_AS = re.compile(r"\d+:\d+")


def _pattern(pattern: re.Pattern[str], what: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        value = text.strip()
        if not pattern.fullmatch(value):
            raise InvalidError(f"{value!r} is not {what}")
        return value

    return check


_image = _pattern(_IMAGE, "the name of an image")
_owner = _pattern(_RUN_AS, "uid:gid in numbers")


def _subnet(text: str) -> str:
    import ipaddress

    try:
        return str(ipaddress.ip_network(text.strip()))
    except ValueError as error:
        raise InvalidError(f"not a subnet: {error}") from None


def _database(text: str) -> str:
    if text.strip() not in KINDS:
        raise InvalidError(f"{text.strip()!r} is not one of {', '.join(KINDS)}")
    return text.strip()


@dataclass(frozen=True, slots=True)
class Key:
    """One key: the check of its value, which returns the usual spelling, and whether `set` changes it."""

    name: str
    check: Callable[[str], str]
    editable: bool
    example: str
    optional: bool = False
    """Whether only some instances have it."""


KEYS: Mapping[str, Key] = {
    key.name: key
    for key in (
        Key("AETITLE", check_ae_title, editable=True, example="CT1"),
        Key("PORT", lambda text: str(check_port(text)), editable=True, example="5678"),
        Key("BIND", check_bind, editable=True, example=DEFAULT_BIND),
        Key("NETWORK", _pattern(re.compile(HOST_NETWORK), HOST_NETWORK), editable=False, example="host", optional=True),
        Key("IMAGE", _image, editable=True, example=DEFAULT_IMAGE),
        Key("RUN_AS", _owner, editable=True, example="1000:1000"),
        Key(
            "COMPOSE_PROJECT_NAME", _pattern(_PROJECT, "a project name"), editable=False, example="conquest-1a2b3c-ct1"
        ),
        Key("FLEET_NETWORK", _pattern(_PROJECT, "a network name"), editable=False, example="conquest-1a2b3c"),
        Key("FLEET_SUBNET", _subnet, editable=False, example="10.213.0.0/22"),
        Key("DATABASE", _database, editable=False, example="postgres", optional=True),
        Key("DATABASE_IMAGE", _image, editable=True, example="postgres:17", optional=True),
        Key("DATABASE_RUN_AS", _owner, editable=True, example="999:999", optional=True),
        Key("DATABASE_SUBNET", _subnet, editable=True, example="10.213.255.248/29", optional=True),
    )
}
"""Every key an instance has or may have, in the order of the file. `docs/architecture.md` says what each means."""

EDITABLE = tuple(key.name for key in KEYS.values() if key.editable and not key.optional)
_ALIASES = {"AE": "AETITLE", "AE_TITLE": "AETITLE"}


def canonical_key(text: str, present: Collection[str] = (), *, force: bool = False) -> str:
    """Return the key meant by what a person typed: `port`, `ae-title`, or a key of their own that the file has.

    `force` lets new keys in. Raises `InvalidError` naming the near one and all others.
    """
    word = text.strip()
    spelled = word.upper().replace("-", "_")
    key = _ALIASES.get(spelled, spelled)
    known = key in KEYS and (not KEYS[key].optional or key in present)
    if known and (KEYS[key].editable or force):
        return key
    if known:
        raise InvalidError(
            f"{key} ties the instance to its containers and network; it is not changed while the instance exists",
            hint="With --force it is; take the instance down first.",
        )
    if own := next((name for name in (word, spelled) if name in present), None):
        return own
    if force and _CUSTOM.fullmatch(word):
        return word
    raise InvalidError(f"there is no setting {word!r}", hint=_known_keys(key, present))


def _known_keys(key: str, present: Collection[str]) -> str:
    known = [*EDITABLE, *(name for name in present if name not in KEYS)]
    near = difflib.get_close_matches(key, [*known, *_ALIASES], n=1)
    guess = f"Did you mean {_ALIASES.get(near[0], near[0])}? " if near else ""
    return f"{guess}Known: {', '.join(known)}. A key of your own needs --force the first time."


def parse_assignments(words: Collection[str]) -> dict[str, str]:
    """Split `KEY=VALUE` words. Raises `InvalidError` for a word without `=` and for a key given twice."""
    values: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key.strip():
            raise InvalidError(f"{word!r} is not KEY=VALUE", hint="For example: port=5680")
        if key in values:
            raise InvalidError(f"{key} is given twice")
        values[key] = value
    return values


def checked(key: str, value: str) -> str:
    """Return the value in its usual spelling. Raises `InvalidError` naming the key. Own keys may hold anything."""
    if key not in KEYS:
        return value
    try:
        return KEYS[key].check(value)
    except InvalidError as error:
        raise InvalidError(f"{key}: {error.message}", hint=error.hint) from None


def instance_from(name: str, folder: Path, file: EnvFile) -> Instance:
    """Return the instance a `.env` describes. Raises `InvalidError` with file and line for the first bad value."""
    check_name(name)
    value = {key: _checked_in_file(key, file) for key in KEYS if key in file.values or not KEYS[key].optional}
    return Instance(
        name=name,
        folder=folder,
        ae_title=value["AETITLE"],
        port=int(value["PORT"]),
        bind=value["BIND"],
        image=value["IMAGE"],
        project=value["COMPOSE_PROJECT_NAME"],
        network=value["FLEET_NETWORK"],
        settings=file.values,
    )


def _checked_in_file(key: str, file: EnvFile) -> str:
    if key not in file.values:
        raise InvalidError(
            f"{file.source}: there is no line {key}=…", hint=f"Add it, for example: {key}={KEYS[key].example}"
        )
    try:
        return KEYS[key].check(file.values[key])
    except InvalidError as error:
        raise InvalidError(f"{file.where(key)}: {key}: {error.message}", hint=error.hint) from None
