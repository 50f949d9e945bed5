"""Spans of days around a date, as the clauses `now` and `age` give them (conquest-converters.md 7). Pure."""

from __future__ import annotations

import re
from datetime import date, timedelta

_DAYS = re.compile(r"([+-]?[0-9]{1,6})([+-][0-9]{1,6})?")
_DATE = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")


def days_around(text: str, middle: date) -> str:
    """`-d+d` as a range of dates. Raises ValueError for what is none."""
    found = _DAYS.fullmatch(text)
    if found is None:
        raise ValueError("expected days before and behind, -d+d")
    try:
        first, last = (middle + timedelta(int(days or 0)) for days in found.groups())
    except OverflowError as fault:
        raise ValueError("there are no such days") from fault
    return f"{_written(first)}-{_written(last)}"


def _written(day: date) -> str:
    return day.isoformat().replace("-", "")


def day_of(text: str) -> date:
    """A date of DICOM (PS3.5 6.2). Raises ValueError for what is none."""
    found = _DATE.fullmatch(text)
    if found is None:
        raise ValueError("the object has no study date")
    return date(*map(int, found.groups()))
