"""`${X}` in a compose file, filled in the way docker-compose 1.29 does it.

One difference, on purpose: a variable without value and without default is an error here, where docker-compose warns
and puts nothing in its place. An empty port or AE title would only fail later and further away.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFERENCE = re.compile(
    r"\$(?:(?P<dollar>\$)"
    r"|(?P<plain>[A-Za-z_][A-Za-z0-9_]*)"
    r"|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?:(?P<operator>:?[-?])(?P<word>[^}]*))?\}"
    r"|(?P<broken>))"
)


class InterpolationError(ValueError):
    """A reference that cannot be filled in; the text says which and why."""


def interpolate(text: str, values: Mapping[str, str]) -> str:
    """Replace every `$X`, `${X}`, `${X:-default}`, `${X-default}`, `${X:?message}`, `${X?message}`; `$$` is one dollar.

    The colon forms treat an empty value like a missing one. A default is taken as it stands: references are not nested.
    Raises `InterpolationError`.
    """
    if "$" not in text:
        return text
    return _REFERENCE.sub(lambda match: _replacement(match, text, values), text)


def _replacement(match: re.Match[str], text: str, values: Mapping[str, str]) -> str:
    if match["dollar"]:
        return "$"
    if match["broken"] is not None:
        raise InterpolationError(f"cannot read the $ in {text!r}; write $$ for a dollar sign")
    name = match["plain"] or match["name"]
    value, operator = values.get(name), match["operator"] or ""
    if value is not None and (value or not operator.startswith(":")):
        return value
    return _substitute(name, operator, match["word"] or "")


def _substitute(name: str, operator: str, word: str) -> str:
    """What stands for a missing (or, with a colon, empty) value."""
    if operator.endswith("-"):
        return word
    if operator.endswith("?"):
        raise InterpolationError(f"{name} needs a value in .env: {word or name}")
    raise InterpolationError(f"{name} has no value in .env; write ${{{name}:-}} if it may be empty")
