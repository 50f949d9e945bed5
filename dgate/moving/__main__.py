"""`python3 -P -m dgate.moving TEMPLATE [KEY=VALUE...]`: copy the index into the database of another dicom.ini.j2.

Run in the folder that holds `mount/`, with AETITLE and PORT in the environment, while no server runs there. The old
database is the one of mount/config/dicom.ini.j2. The keys, `database`, `host` and `password_file`, say where the new
one is for the time being. What happens is told on stdout, a JSON document per line; the last one is `moved` with a row
count and a checksum per table, or `refused`. Exit status 0 or 1.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence

from dgate.config.archiveoptions import ArchiveOptions, options_from
from dgate.config.inifile import IniFile
from dgate.config.kfactor import parse_dicom_sql
from dgate.config.rendering import RenderError, render_dicom_ini
from dgate.config.settings import Settings, load_settings
from dgate.index.index import driver_for
from dgate.index.tables import Tables, make_tables
from dgate.moving.copying import RefusedError, move_index
from dgate.record import replace

CONFIG = "mount/config"
KEYS = frozenset({"database", "host", "password_file"})


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Copy, compare and tell; the exit status."""
    if not arguments or not all(word.partition("=")[0] in KEYS for word in arguments[1:]):
        _say({"event": "refused", "reason": "usage: python3 -P -m dgate.moving TEMPLATE [KEY=VALUE...]"})
        return 1
    try:
        moved = _move(arguments[0], dict(word.split("=", 1) for word in arguments[1:]), environ)
    except RefusedError as error:
        _say({"event": "refused", "reason": str(error)})
        return 1
    _say({"event": "moved", "tables": moved})
    return 0


def _move(template: str, elsewhere: dict[str, str], environ: Mapping[str, str]) -> list[dict[str, object]]:
    try:
        settings = _settings(f"{CONFIG}/dicom.ini.j2", environ)
        old = options_from(settings)
        new = replace(options_from(_settings(template, environ)), **elsewhere)  # type: ignore[arg-type]
        tables = _tables(settings, old)
    except OSError as error:
        raise RefusedError(f"{error.filename}: {error.strerror}") from error
    except (RenderError, KeyError, ValueError) as error:
        raise RefusedError(f"the settings cannot be read: {error}") from error
    moved = move_index(old, new, tables, _say)
    if new.driver == "sqlite":
        _sync(new)
    return [{"table": one.table, "rows": one.rows, "checksum": one.checksum} for one in moved]


def _settings(template: str, environ: Mapping[str, str]) -> Settings:
    """The settings that a start would read. Raises `OSError`, `RenderError`, `KeyError`, `ValueError`."""
    with open(template, "rb") as file:
        text = file.read()
    ini = render_dicom_ini(text, b"", environ["AETITLE"], int(environ["PORT"]), template_name=template)
    return load_settings(IniFile.parse(ini), CONFIG)[0]


def _tables(settings: Settings, options: ArchiveOptions) -> Tables:
    with open(settings.kfactor_file, "rb") as file:
        kfactor = parse_dicom_sql(file.read().decode("latin-1"), settings.kfactor_file)
    for fault in kfactor.faults:
        if fault.fatal:
            raise RefusedError(str(fault))
    return make_tables(kfactor, options)


def _sync(options: ArchiveOptions) -> None:
    """On the disk before anybody relies on it; a server has waited for its disk itself."""
    try:
        driver_for(options).sync()
    except OSError as error:
        raise RefusedError(f"the new database: {error.strerror or error}") from error


def _say(event: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
