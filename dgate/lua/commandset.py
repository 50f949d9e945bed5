"""A DIMSE command set as a script sees it: every field is text (PS3.7 annex E)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dgate.dataset.formatting import leading_integer

if TYPE_CHECKING:
    from dgate.net.dimse import Command

_TEXTS = {
    0x0002: "AffectedSOPClassUID", 0x0003: "RequestedSOPClassUID", 0x0600: "MoveDestination",
    0x0902: "ErrorComment", 0x1000: "AffectedSOPInstanceUID", 0x1001: "RequestedSOPInstanceUID",
    0x1030: "MoveOriginatorApplicationEntityTitle",
}  # fmt: skip
_NUMBERS = {
    0x0100: "CommandField", 0x0110: "MessageID", 0x0120: "MessageIDBeingRespondedTo", 0x0700: "Priority",
    0x0800: "CommandDataSetType", 0x0900: "Status", 0x1008: "ActionTypeID", 0x1020: "NumberOfRemainingSuboperations",
    0x1021: "NumberOfCompletedSuboperations", 0x1022: "NumberOfFailedSuboperations",
    0x1023: "NumberOfWarningSuboperations", 0x1031: "MoveOriginatorMessageID",
}  # fmt: skip


def encoded(tag: int, text: str) -> bytes:
    """A field of group 0000 as a command set holds it."""
    if tag & 0xFFFF in _NUMBERS:
        return (leading_integer(text) & 0xFFFF).to_bytes(2, "little")
    return text.encode("latin-1", "replace")


def fields_of(command: Command) -> Mapping[str, str]:
    """Names in lower case, as look-ups ignore case."""
    found: dict[str, str] = {}
    for tag, value in command.elements.items():
        element = tag & 0xFFFF
        if element in _TEXTS:
            found[_TEXTS[element].lower()] = value.rstrip(b"\0 ").decode("latin-1")
        elif element in _NUMBERS:
            found[_NUMBERS[element].lower()] = str(int.from_bytes(value[:2], "little"))
    return found
