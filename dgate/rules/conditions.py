"""Conditions (conquest-converters.md 5). Pure, but for the clock that `between` looks at."""

from __future__ import annotations

import operator
import time
from collections.abc import Callable

from dgate.dataset.formatting import leading_integer


def matches(text: str, pattern: str) -> bool:
    """`ifmatch`: case is ignored; a star counts only at the beginning and at the end of the pattern."""
    text, pattern = text.rstrip(" ").lower(), pattern.lower()
    if pattern == "*":
        return True
    if pattern.startswith("*") and pattern.endswith("*"):
        return pattern[1:-1] in text
    if pattern.startswith("*"):
        return text.endswith(pattern[1:])
    if pattern.endswith("*"):
        return text.startswith(pattern[:-1])
    return text == pattern


def between(first: int, last: int, hour: int) -> bool:
    """Whether an hour lies in a span that may go over midnight."""
    if first <= last:
        return first <= hour < last
    return hour >= first or hour < last


def _numbers(compare: Callable[[int, int], bool]) -> Callable[[str, str], bool]:
    return lambda a, b: compare(leading_integer(a), leading_integer(b))


def _now_between(a: str, b: str) -> bool:
    return between(leading_integer(a), leading_integer(b), time.localtime().tm_hour)


TESTS: dict[str, Callable[[str, str], bool]] = {
    'ifequal "': operator.eq,
    'ifnotequal "': operator.ne,
    'ifempty "': lambda a, _b: not a,
    'ifnotempty "': lambda a, _b: bool(a),
    'ifmatch "': matches,
    'ifnotmatch "': lambda a, b: not matches(a, b),
    'ifnumequal "': _numbers(operator.eq),
    'ifnumnotequal "': _numbers(operator.ne),
    'ifnumgreater "': _numbers(operator.gt),
    'ifnumless "': _numbers(operator.lt),
    'between "': _now_between,
}
"""Whether a condition is true, by the command it begins with: a function of its two texts."""
