"""What names, AE titles, ports and addresses may look like. Pure: nothing here looks at the disk or the network."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from conquestctl.errors import ConflictError, InvalidError

NAME_LENGTH = 40
AE_LENGTH = 16
"""Longest AE title: PS3.5 section 6.2, VR AE."""

FIRST_UNPRIVILEGED_PORT = 1024
LAST_PORT = 65535

RESERVED = frozenset(
    ["all", "aux", "con", "conquest", "db", "default", "fleet", "gateway", "host", "localhost", "none", "nul", "prn"],
)
"""Words that mean something else on the command line, in a compose file, to a resolver or to a Windows share."""

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?")
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")
_NAME_RULE = (
    f"A name has 1 to {NAME_LENGTH} characters of a-z, 0-9, - and _, and begins and ends with a letter or digit."
)


def check_name(name: str) -> str:
    """Return `name` if it can be a folder, a compose service and a host name at once.

    Raises `InvalidError`, with a name that would do as the hint where one can be guessed.
    """
    problem = _name_problem(name)
    if problem:
        raise InvalidError(f"{_shown(name)} cannot be an instance name: {problem}", hint=_name_hint(name))
    return name


def _name_problem(name: str) -> str:
    checks = (
        (not name.strip(), "it is empty"),
        ("/" in name or "\\" in name or name in {".", ".."}, "it is a path"),
        (name.startswith("-"), "it begins with a dash, like an option"),
        (any(c.isspace() for c in name), "it contains blanks"),
        (len(name) > NAME_LENGTH, f"it has {len(name)} characters, {NAME_LENGTH} are allowed"),
        (name != name.lower(), "capital letters are not allowed, because not every file system tells them apart"),
        (not _NAME.fullmatch(name), "it breaks the rule for names"),
        (bool(_NUMBER.fullmatch(name)), "a resolver would read it as an IP address"),
        (name in RESERVED, "the word is reserved"),
    )
    return next((problem for wrong, problem in checks if wrong), "")


def _name_hint(name: str) -> str:
    suggestion = suggested_name(name)
    return f"{_NAME_RULE} Try: {suggestion}" if suggestion else _NAME_RULE


def suggested_name(name: str) -> str:
    """Return a legal name close to `name`, or nothing when there is none."""
    text = re.sub(r"[^a-z0-9_-]+", "-", name.rpartition("/")[2].lower())[:NAME_LENGTH].strip("-_")
    if text and _name_problem(text):
        text = f"node-{text}"[:NAME_LENGTH].strip("-_")
    return "" if _name_problem(text) else text


def check_free(name: str, existing: Iterable[str]) -> None:
    """Raise `ConflictError` if a folder of that name is there, also if it differs in capital letters only."""
    for other in existing:
        if other == name:
            raise ConflictError(
                f"{name} exists already", hint="Choose another name; `conquestctl list` shows them all.", instance=name
            )
        if other.lower() == name:
            raise ConflictError(
                f"{name} differs from the existing folder {other} in capital letters only",
                hint="Choose another name: on many file systems the two would be the same folder.",
                instance=name,
            )


def check_ae_title(text: str) -> str:
    """Return the AE title without the blanks around it, which do not count (PS3.5 section 6.2).

    Raises `InvalidError` for anything VR AE does not allow.
    """
    title = text.strip(" ")
    if not title:
        raise InvalidError(f"AE title {_shown(text)} is blank", hint=f"It needs 1 to {AE_LENGTH} characters.")
    if "\\" in title:
        raise InvalidError(f"AE title {_shown(title)} contains a backslash, which separates values in DICOM")
    strange = [c for c in title if not " " <= c <= "~"]
    if strange:
        raise InvalidError(
            f"AE title {_shown(title)} contains {strange[0]!a}; only printable ASCII characters are allowed"
        )
    if len(title) > AE_LENGTH:
        raise InvalidError(
            f"AE title {_shown(title)} has {len(title)} characters; DICOM allows {AE_LENGTH}",
            hint=f"Try: {title[:AE_LENGTH].strip()}",
        )
    return title


def default_ae_title(name: str) -> str:
    """Return the AE title an instance gets when none is given: its name in capitals, cut to 16 characters."""
    return name.upper()[:AE_LENGTH].rstrip("-_")


def check_port(text: str | int) -> int:
    """Return the port as a number. Raises `InvalidError` unless it is 1 to 65535."""
    digits = str(text).strip()
    port = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= 9 else 0
    if not 1 <= port <= LAST_PORT:
        raise InvalidError(f"port {_shown(digits)} is not a number from 1 to {LAST_PORT}")
    return port


def port_advice(port: int) -> str:
    """Return what to know about a port below 1024, nothing for the others."""
    if port >= FIRST_UNPRIVILEGED_PORT:
        return ""
    return f"port {port} is below {FIRST_UNPRIVILEGED_PORT}: Docker can publish it, local processes need root for it."


def check_bind(text: str) -> str:
    """Return the IP address to publish on in its usual spelling. Raises `InvalidError` for names and odd addresses."""
    literal = text.strip().removeprefix("[").removesuffix("]")
    hint = "127.0.0.1 is this machine only, 0.0.0.0 every network it is on."
    try:
        address = ipaddress.ip_address(literal)
    except ValueError:
        raise InvalidError(f"{_shown(text)} is not an IP address to publish on", hint=hint) from None
    if address.is_multicast or "%" in literal:
        raise InvalidError(f"{literal} cannot be published on: it is not an address of one interface", hint=hint)
    return str(address)


def _shown(text: str) -> str:
    """Quote text for a message; control characters become visible and 300 characters do not fill the screen."""
    return repr(text if len(text) <= 60 else text[:57] + "...")
