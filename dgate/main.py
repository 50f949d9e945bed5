"""The program: carries out what the command line asks for (conquest-server.md section 11.1)."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dgate.config.inifile import IniFile
from dgate.config.settings import Settings, load_settings
from dgate.options import HELP, SHOWN, Options, UsageError, parse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dgate.log import FileLog

LOOPBACK = "127.0.0.1"
INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it: 128 and the number of SIGINT."""


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
    try:
        return _act(options, settings)
    except KeyboardInterrupt:
        return INTERRUPTED


def _act(options: Options, settings: Settings) -> int:
    if options.action == "echo":
        return _echo(options, settings)
    if options.action == "send":
        from dgate.commands.client import send

        return send(settings, options.host or LOOPBACK, settings.port, options.argument)
    if options.action == "status":
        from dgate.commands.client import show

        return show(settings, options.host or LOOPBACK, settings.port, options.argument)
    if options.action == "uid":
        return _uid(settings)
    if options.action == "lua":
        from dgate.lua.alone import run_alone

        return run_alone(settings, options.argument)
    return _with_log(options, settings)


def _with_log(options: Options, settings: Settings) -> int:
    log = _log(options, settings)
    if options.action == "serve":
        from dgate.server import serve

        return serve(settings, log, listen=options.host)
    try:
        if options.action in SHOWN.values():
            return _show(options.action, settings, log)
        return _change(options, settings, log)
    finally:
        log.close()


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
    settings, faults = load_settings(
        ini,
        folder or ".",
        port=options.port,
        ae_title=options.ae_title,
        debug_level=options.debug_level,
        file_name=name,
    )
    for fault in faults:
        _say(f"{'***' if fault.fatal else 'Warning: '}{fault}")
    return None if any(fault.fatal for fault in faults) else settings


def _log(options: Options, settings: Settings) -> FileLog:
    """The log that the options ask for. A name without a `/` lies in the instance directory, as with dicom.ini's."""
    from dgate.config.reader import resolve
    from dgate.log import CONSOLE_PORT, FileLog

    log = FileLog(verbose=options.verbose, trouble_path=settings.trouble_log, user_path=settings.user_log)
    for file in options.log_files:
        path = resolve(settings.base_dir, file.path)
        if not os.path.isdir(os.path.dirname(path) or "."):
            _say(f"Warning: {path}: the folder does not exist; lines are lost until it does")
        log.add_file(path, debug=file.debug, stamped=file.stamped)
    if options.console is not None:
        host, port = settings.operator_console or LOOPBACK, options.console or CONSOLE_PORT
        try:
            log.add_console(host, port, settings.pacs_name)
        except OSError as fault:
            _say(f"Warning: OperatorConsole {host}:{port}: {fault.strerror or fault}; no lines are sent there")
    return log


def _uid(settings: Settings) -> int:
    from dgate.index.uidmods import GENERATED, NoRoomError, uid_below

    try:
        sys.stdout.write(uid_below(settings.uid_prefix, GENERATED) + "\n")
    except NoRoomError as fault:
        _say(f"***{fault}")
        return 1
    return 0


def _echo(options: Options, settings: Settings) -> int:
    from dgate.net.scu import EchoError, echo

    host, _, port = options.argument.rpartition(":")
    host = host or options.host or LOOPBACK
    number = int(port) if port else settings.port
    try:
        echo(host, number, calling=settings.ae_title, called=settings.ae_title)
    except EchoError as fault:
        _say(f"{settings.ae_title} is DOWN: {fault}")
        return 1
    sys.stdout.write(f"{settings.ae_title} is UP\n")
    return 0


def _show(what: str, settings: Settings, log: FileLog) -> int:
    """`-d`, `-m`, `-k`, `-o`, `-t`: lines for the log, as in the original."""
    from dgate.index.index import DatabaseError

    try:
        for line in _lines(what, settings, log):
            log.console(line)
    except DatabaseError as fault:
        log.console(f"***{fault}")
        _say(f"***{fault}")
        return 1
    return 0


def _lines(what: str, settings: Settings, log: FileLog) -> Iterable[str]:
    from dgate import listing

    if what == "freestore":
        return listing.free_space(settings)
    if what == "database":
        return listing.test_database(settings)
    if what == "amap":
        from dgate.config.live import LiveConfig

        return listing.ae_titles(LiveConfig(settings, log.console).amap)
    if what == "kfactor":
        from dgate.server import load_kfactor

        kfactor = load_kfactor(settings.kfactor_file, log)
        return listing.database_columns(kfactor) if kfactor is not None else ()
    return ("This is a test of the log",)


def _change(options: Options, settings: Settings, log: FileLog) -> int:
    """`-r`, `-i`, and the server commands that are carried out here, without a server."""
    from dgate.index.index import DatabaseError
    from dgate.server import load_kfactor

    kfactor = load_kfactor(settings.kfactor_file, log)
    if kfactor is None:
        return 1
    try:
        if options.action == "local":
            from dgate.commands.local import run

            return run(options.name, options.argument, settings, kfactor, log)
        if options.action == "regenerate":
            from dgate.archive.regenerate import regenerate

            regenerate(settings, kfactor, log, options.mode, say=_say)
        else:
            from dgate.archive.alone import alone
            from dgate.config.archiveoptions import options_from
            from dgate.index.schema import initialise

            with alone(options_from(settings), log):
                initialise(settings, kfactor, log, options.mode, say=_say)
    except (OSError, DatabaseError) as fault:
        _say(f"***{fault}")
        return 1
    return 0


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
