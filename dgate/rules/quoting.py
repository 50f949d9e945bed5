"""Received values inside shell commands, Lua code, lines and file names: they are data there, never code.

The original pastes them in, so that whoever names a patient `$(reboot)` has it run. Here a value that could mean
anything to the shell goes to it through the environment, and one inside Lua code is escaped for the place it stands in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from dgate.rules.run import LITERAL, RECEIVED

Pieces = Iterable[tuple[str, int]]
"""A statement's texts in turn, and where each comes from."""

_HARMLESS = re.compile(r"[A-Za-z0-9_.,:/@%+=^-]*")
_SHELL = re.compile(r"\\.|['\"]", re.DOTALL)
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_NO_NAME = re.compile(r"[^A-Za-z0-9_.]+")
_LUA = re.compile(r"\\.|['\"]|\[(=*)\[|\](=*)\]", re.DOTALL)
_UNSAFE_IN_LINE = re.compile(r"[;\"%]")
_UNSAFE_IN_LUA = re.compile(r"[\\'\"\n\r\0]")


def for_shell(pieces: Pieces) -> tuple[str, dict[str, str]]:
    """A command for `sh -c` that names its values, and the environment with them."""
    command: list[str] = []
    environment: dict[str, str] = {}
    quote = ""
    for text, source in pieces:
        if source == LITERAL:
            quote = _shell_quote(text, quote)
            command.append(text)
        elif _HARMLESS.fullmatch(text):
            command.append(text)
        else:
            name = f"CONQUEST_{len(environment)}"
            environment[name] = text.replace("\0", "")
            reference = f"${{{name}}}"
            command.append({"": f'"{reference}"', '"': reference, "'": f"'\"{reference}\"'"}[quote])
    return "".join(command), environment


def _shell_quote(text: str, quote: str) -> str:
    """Inside which quotes the shell is behind this text."""
    for found in _SHELL.finditer(text):
        if found[0] == quote:
            quote = ""
        elif not quote and found[0] in "'\"":
            quote = found[0]
        elif quote == "'" and found[0] == "\\'":
            quote = ""  # a backslash means nothing in there
    return quote


def for_lua(pieces: Pieces) -> str:
    """Lua code with its values made harmless."""
    code: list[str] = []
    quote = ""
    for text, source in pieces:
        if source == LITERAL:
            quote = _lua_quote(text, quote)
            code.append(text)
        elif not quote:
            code.append(text if _NUMBER.fullmatch(text) else _NO_NAME.sub("", text))
        elif quote in "'\"":
            code.append(_UNSAFE_IN_LUA.sub(lambda found: f"\\{ord(found[0]):03d}", text))
        else:
            code.append(text.replace("]", ""))
    return "".join(code)


def _lua_quote(text: str, quote: str) -> str:
    """Inside which string Lua is behind this text: a quote, or the end of a long bracket."""
    for found in _LUA.finditer(text):
        mark = found[0]
        if not quote and mark in "'\"":
            quote = mark
        elif not quote and mark.startswith("["):
            quote = f"]{found[1]}]"
        elif mark == quote:
            quote = ""
    return quote


def for_line(pieces: Pieces) -> str:
    """A statement that holds another line, with received values that can neither end a statement nor begin an item."""
    return "".join(_UNSAFE_IN_LINE.sub("_", text) if source == RECEIVED else text for text, source in pieces)


def for_path(pieces: Pieces) -> str:
    """A statement that holds file names, as long as before: a received value stays in its folder."""
    return "".join(_inside(text) if source == RECEIVED else text for text, source in pieces)


def _inside(text: str) -> str:
    return text.replace("/", "_").replace("\0", "_") if text.strip(".") else "_" * len(text)
