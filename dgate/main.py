"""The command line of the server, with Conquest's options (conquest-server.md section 11.1)."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from dgate.config.identity import MAX_AE_TITLE
from dgate.config.inifile import IniFile
from dgate.config.settings import Settings, load_settings

HELP = """\
Usage: dgate [-v] [-wDIR] [options]

  -wDIR, -wFILE.ini  instance directory, or its configuration file (default: the directory of the program)
  -v                 log to stdout; without it the program is silent
  -pPORT -hAE        override TCPPort and MyACRNema
  -qHOST             address to serve on, or the host that --echo talks to
  -r, -r1            make the tables anew and enter all stored files (1: without keys and indices)
  -i, -i1            make the tables anew, empty (1: without keys and indices)
  --echo[:host:port] send a C-ECHO to the server; exit status 0 when it answers
  -?                 this help

Without -r, -i or --echo the program serves until SIGTERM or SIGINT.
"""


class UsageError(Exception):
    """An option that is not understood."""


@dataclass(frozen=True, slots=True)
class Options:
    """The command line, read."""

    where: str
    verbose: bool = False
    port: int | None = None
    ae_title: str | None = None
    host: str = ""
    action: str = "serve"
    """`serve`, `regenerate`, `initialise` or `echo`."""
    mode: int = 0
    target: str = ""
    """Of `--echo`: `host:port`, or empty."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; the exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        options = parse(words, os.path.dirname(os.path.abspath(sys.argv[0])))
    except UsageError:
        sys.stderr.write(HELP)
        return 0  # as the original does
    settings = _settings(options)
    if settings is None:
        return 1
    if options.action == "echo":
        return _echo(options, settings)
    if options.action == "serve":
        from dgate.server import serve

        return serve(settings, listen=options.host, verbose=options.verbose)
    return _database(options, settings)


def parse(words: Sequence[str], default_where: str) -> Options:
    """Read the options, left to right; the last one of a kind counts. Raises `UsageError`."""
    options = Options(default_where)
    for word in words:
        options = replace(options, **_option(word))
    return options


def _option(word: str) -> dict[str, Any]:
    """What one word sets. Raises `UsageError`."""
    if word == "-v":
        return {"verbose": True}
    if word in {"-r", "-r1", "-i", "-i1"}:
        return {"action": "regenerate" if word[1] == "r" else "initialise", "mode": int(word[2:] or 0)}
    if word == "--echo" or word.startswith("--echo:"):
        return {"action": "echo", "target": word[len("--echo:") :]}
    name, value = word[:2], word[2:]
    if name == "-p":
        return {"port": _port(value)}
    field = {"-w": "where", "-h": "ae_title", "-q": "host"}.get(name)
    if field is None or not value:
        raise UsageError(word)
    return {field: value[:MAX_AE_TITLE] if field == "ae_title" else value}


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= len(text) <= 5 and 1 <= int(text) <= 65535):
        raise UsageError(text)
    return int(text)


def _settings(options: Options) -> Settings | None:
    """dicom.ini of the instance; None when there is none or it is unusable (stderr says why)."""
    is_file = options.where.lower().endswith(".ini")
    path = options.where if is_file else os.path.join(options.where, "dicom.ini")
    folder, name = os.path.split(path)
    try:
        with open(path, "rb") as file:
            ini = IniFile.parse(file.read())
    except OSError:
        _say(f"Configuration file {path} not found, but required.")
        return None
    settings, faults = load_settings(ini, folder or ".", port=options.port, ae_title=options.ae_title, file_name=name)
    for fault in faults:
        _say(f"{'***' if fault.fatal else 'Warning: '}{fault}")
    return None if any(fault.fatal for fault in faults) else settings


def _echo(options: Options, settings: Settings) -> int:
    from dgate.net.scu import EchoError, echo

    host, _, port = options.target.rpartition(":")
    host = host or (options.target if not port.isdigit() else "") or options.host or "127.0.0.1"
    number = int(port) if port.isdigit() else settings.port
    try:
        echo(host, number, calling=settings.ae_title, called=settings.ae_title)
    except EchoError as fault:
        _say(f"{settings.ae_title} is DOWN: {fault}")
        return 1
    sys.stdout.write(f"{settings.ae_title} is UP\n")
    return 0


def _database(options: Options, settings: Settings) -> int:
    from dgate.log import FileLog
    from dgate.server import load_kfactor

    log = FileLog(verbose=options.verbose, trouble_path=settings.trouble_log, user_path=settings.user_log)
    kfactor = load_kfactor(settings.kfactor_file, log)
    if kfactor is None:
        return 1
    from dgate.archive.index import DatabaseError

    try:
        if options.action == "regenerate":
            from dgate.archive.regenerate import regenerate

            regenerate(settings, kfactor, log, options.mode)
        else:
            from dgate.archive.schema import initialise

            initialise(settings, kfactor, log, options.mode)
    except (OSError, DatabaseError) as fault:
        _say(f"***{fault}")
        return 1
    return 0


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
