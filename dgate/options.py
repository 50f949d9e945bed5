"""The options of the command line (conquest-server.md 11.1), read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dgate.config.identity import MAX_AE_TITLE
from dgate.record import dataclass, replace

HELP = """\
Usage: dgate [-v] [-wDIR] [options]

  -wDIR, -wFILE.ini  instance directory, or its configuration file (default: the directory of the program)
  -v                 log to stdout; without any log option the program is silent
  -^FILE, -#FILE     log to a file with time stamps (#: everything, debug lines too)
  -lFILE, -LFILE     log to a file without time stamps (L: everything)
  -!, -!PORT, -uPORT log by UDP to the OperatorConsole (port 1111)
  -b                 debug: -v with DebugLevel 4
  -pPORT -hAE        override TCPPort and MyACRNema
  -qHOST             address to serve on, or the host that --commands go to

  -r, -r1, -r2       make the tables anew and enter all stored files (1: without keys and indices, 2: worklist only)
  -i, -i1, -i2       make the tables anew, empty
  -d -m -k           show free space, AE titles, database columns (with -v)
  -o -t              test the database, the log (with -v)
  -fu                print a new UID
  -faFILE[,ID]       add a file; -feFILE: enter it into the database where it lies
  -frDEV,DIR -arDEV  enter the files of a folder of a device, or of the whole device, into the database
  -zID, -fpID        delete a patient

  --echo[:host:port] send a C-ECHO to the server; exit status 0 when it answers
  --status[:json]    show what the running server has done and how it is
  --command:args     send a command to the running server
  -?                 this help

Without any of the options of the last two groups the program serves until SIGTERM or SIGINT; SIGHUP makes it read
its configuration again.
"""

CONSOLE_PORT = 0
"""`-!` without a number: the port that the console has by default."""


class UsageError(Exception):
    """An option that is not understood."""


@dataclass(frozen=True, slots=True)
class LogFile:
    """A file to log to."""

    path: str
    debug: bool
    """Debug lines too."""
    stamped: bool
    """With the time before each line."""


@dataclass(frozen=True, slots=True)
class Options:
    """The command line."""

    where: str
    verbose: bool = False
    port: int | None = None
    ae_title: str | None = None
    host: str = ""
    debug_level: int | None = None
    log_files: tuple[LogFile, ...] = ()
    console: int | None = None
    """The UDP port of the operator's console, `CONSOLE_PORT` for the usual one; None if nothing is sent there."""
    action: str = "serve"
    """`serve`, `regenerate`, `initialise`, `echo`, `status`, `send`, `lua`, `uid`, `local`, or a name in `SHOWN`."""
    mode: int = 0
    """Of `regenerate` and `initialise`."""
    name: str = ""
    """Of `local`: the server command that does the same."""
    argument: str = ""
    """Of `echo`: `host:port`, or empty. Of `send`, `status`: the command. Of `local`, `lua`: what comes behind it."""


SHOWN = {"-d": "freestore", "-m": "amap", "-k": "kfactor", "-o": "database", "-t": "log"}
_LOCAL = {
    "-z": "deletepatient",
    "-fp": "deletepatient",
    "-fa": "addimagefile",
    "-fe": "regenfile",
    "-fr": "regendir",
    "-ar": "regendevice",
}
_LOG_FILES = {"-^": (False, True), "-#": (True, True), "-l": (False, False), "-L": (True, False)}


def parse(words: Sequence[str], default_where: str) -> Options:
    """Read the options, left to right; the last one of a kind counts. Raises `UsageError`."""
    options = Options(default_where)
    for word in words:
        options = replace(options, **_option(word, options))
    return options


def _option(word: str, before: Options) -> dict[str, Any]:
    """What one word sets. Raises `UsageError`."""
    if word.startswith("--"):
        return _command(word[2:])
    if word[:2] in _LOG_FILES and len(word) > 2:
        return {"log_files": (*before.log_files, LogFile(word[2:], *_LOG_FILES[word[:2]]))}
    if word[:2] in ("-!", "-u"):
        return {"console": CONSOLE_PORT if word == "-!" else _port(word[2:])}
    found = _action(word) or _override(word)
    if not found:
        raise UsageError(word)
    return found


def _command(text: str) -> dict[str, Any]:
    """`--echo[:host:port]`, `--status[:json]`, and commands, which all have a colon. Raises `UsageError`."""
    name, colon, argument = text.partition(":")
    if name == "status" and argument in ("", "json"):
        return {"action": "status", "argument": "status_json:" if argument else "display_status:"}
    if name == "echo" and (not colon or argument.rpartition(":")[2].isdecimal()):
        return {"action": "echo", "argument": argument}
    if not name or not colon:
        raise UsageError(text)
    if name == "dolua":
        return {"action": "lua", "argument": argument}
    return {"action": "send", "argument": text}


def _action(word: str) -> dict[str, Any]:
    """What is to be done instead of serving; empty when the word does not say so."""
    if word[:2] in ("-r", "-i") and word[2:] in ("", "1", "2"):
        return {"action": "regenerate" if word[1] == "r" else "initialise", "mode": int(word[2:] or 0)}
    if word in SHOWN:
        return {"action": SHOWN[word]}
    if word == "-fu":
        return {"action": "uid"}
    for option, name in _LOCAL.items():
        if word.startswith(option) and len(word) > len(option):
            return {"action": "local", "name": name, "argument": word[len(option) :]}
    return {}


def _override(word: str) -> dict[str, Any]:
    """How to go about it; empty for anything else. Raises `UsageError`."""
    if word == "-v":
        return {"verbose": True}
    if word == "-b":
        return {"verbose": True, "debug_level": 4}
    name, value = word[:2], word[2:]
    if name == "-p":
        return {"port": _port(value)}
    field = {"-w": "where", "-h": "ae_title", "-q": "host"}.get(name)
    if field is None or not value:
        return {}
    return {field: value[:MAX_AE_TITLE] if field == "ae_title" else value}


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= len(text) <= 5 and 1 <= int(text) <= 65535):
        raise UsageError(text)
    return int(text)
