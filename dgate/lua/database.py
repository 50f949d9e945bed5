"""Functions of scripts that use the index and the archive (conquest-converters.md 11.5)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dgate.archive.clean import patients_by_age
from dgate.archive.delete import delete
from dgate.commands.context import CommandError
from dgate.commands.database import select
from dgate.dataset.structure import DataSetError
from dgate.dataset.uidmap import hashed_uid
from dgate.encoding.elements import LITTLE
from dgate.encoding.part10 import NotDicomError
from dgate.index.database.dialect import BEGIN, COMMIT
from dgate.index.index import FAULTS, driver_for
from dgate.index.tables import Level
from dgate.interfaces import QueryFailure
from dgate.lua.border import NOTHING, packed, text, whole
from dgate.lua.host import as_log_text, as_script_text
from dgate.lua.objects import OwnSeries, ScriptError, Thing
from dgate.rules.naming import replacements, uid_mapper
from dgate.rules.objects import copy_of, load

if TYPE_CHECKING:
    from dgate.interfaces import StoredObject
    from dgate.lua.border import Border, Command, Values
    from dgate.lua.state import Scalar
    from dgate.rules.subject import Subject

EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
PATIENT_ID, STUDY_UID, SERIES_UID, SOP_UID = 0x00100020, 0x0020000D, 0x0020000E, 0x00080018
MAX_READ = 10_000
"""Objects that one `dicomread` gives."""


def changeuid(border: Border, old: Scalar, new: Scalar = None, stage: Scalar = "", kind: Scalar = "lua") -> Values:
    """`changeuid(old[, new[, stage[, type]]])`: what stands for a UID, from now on; a stage `#KEY` needs no table."""
    known, stage_name = text(old, "a UID"), text(stage)
    if stage_name.startswith("#") and not new:
        return (hashed_uid(border.line.services.settings().uid_prefix, known, stage_name),)
    if new:
        _remember(border, known, text(new), stage_name, text(kind))
        return (text(new),)
    with uid_mapper(border.line, stage_name, back=False) as mapper:
        return (mapper(known),)


def _remember(border: Border, old: str, new: str, stage: str, kind: str) -> None:
    """A replacement that the script has chosen, whatever there was before."""
    old_uid, new_uid, name, by = (value.encode("latin-1", "replace") for value in (old, new, stage, kind))
    with replacements(border.line.services) as table:
        table.choose(old_uid, new_uid, name, kind=by)


def changeuidback(border: Border, new: Scalar, stage: Scalar = "", _kind: Scalar = None) -> Values:
    """`changeuidback(new[, stage[, type]])`: the UID that it stands for, or nil."""
    with uid_mapper(border.line, text(stage), back=True) as mapper:
        return (mapper(text(new, "a UID")),)


def dbquery(border: Border, table: Scalar, columns: Scalar, where: Scalar = "", order: Scalar = "") -> Values:
    """`dbquery(table, columns, where[, order])`: rows of texts; nothing, and a log line, where it fails."""
    condition = f" WHERE {text(where)}" if where else ""
    sql = f"SELECT {text(columns)} FROM {text(table)}{condition}{f' ORDER BY {text(order)}' if order else ''}"  # noqa: S608 - the script's own
    try:
        found = select(border.host.archive.stores.options, as_log_text(sql))
    except (CommandError, *FAULTS) as fault:
        reason = str(fault).removeprefix("SQL error: ")
        border.line.services.log.console(f"***{_executes(border)} error: {reason}")
        return NOTHING
    return "r", packed(packed(map(as_script_text, row)) for row in found)


def listoldestpatients(border: Border, most: Scalar, device: Scalar = None, sort: Scalar = None) -> Values:
    """`listoldestpatients(max, device, sort)`: patient IDs, the one who waits longest first; from 1."""
    options = border.host.archive.stores.options
    on_device = text(device).upper() if device else ""
    statement = patients_by_age(border.host.archive.stores.tables, on_device, text(sort) if sort else "", whole(most))
    try:
        return "s", packed(as_script_text(row[0] or "") for row in select(options, statement))
    except (CommandError, *FAULTS) as fault:
        border.line.services.log.console(f"***{_executes(border)} error: {str(fault).removeprefix('SQL error: ')}")
        return NOTHING


def sql(border: Border, statement: Scalar) -> Values:
    """`sql(statement)`: 1; nothing, and a log line, where it fails."""
    code = as_log_text(text(statement, "a statement"))
    try:
        with border.host.archive.stores.writer.exclusive() as connection:
            connection.execute(BEGIN)
            connection.execute(code)
            connection.execute(COMMIT)
    except (*FAULTS, UnicodeEncodeError):
        border.line.services.log.console(f"***Failed {_executes(border)} : {code}")
        return NOTHING
    return (1,)


def _executes(border: Border) -> str:
    """What the log calls running a statement."""
    return driver_for(border.host.archive.stores.options).dialect.executes


def dicomread(border: Border, number: Scalar, _limit: Scalar = None) -> Values:
    """`dicomread(object)`: the stored objects that match its keys."""
    found = _selected(border, number)
    if len(found) > MAX_READ:
        raise ScriptError(f"more than {MAX_READ} objects match")
    things = []
    for stored in found:
        try:
            things.append(Thing(loaded(border, stored)))
        except (OSError, DataSetError, NotDicomError) as fault:
            border.line.services.log.console(f"***dicomread: {stored.sop_instance_uid}: {fault}")
    return border.give(OwnSeries(border.terms, things))


def loaded(border: Border, stored: StoredObject) -> Subject:
    """Raises OSError, `DataSetError`, `NotDicomError`."""
    descriptor, _ = border.host.archive.stores.devices.open_file(stored.device, stored.path)
    try:
        return copy_of(load(descriptor, border.terms))
    finally:
        os.close(descriptor)


def dicomdelete(border: Border, number: Scalar) -> Values:
    """`dicomdelete(object)`: delete what matches, rows and files. Without any UID or patient ID nothing does."""
    for stored in matching(border, number):
        delete(border.host.archive, Level.IMAGE, {"sop_uid": stored.sop_instance_uid.encode("latin-1")})
    return "v", True


def matching(border: Border, number: Scalar) -> list[StoredObject]:
    """What is about to be deleted or changed. Raises `ScriptError` where nothing says what: that would be all."""
    data = border.thing(number).data
    if not any(data.text(tag) for tag in (PATIENT_ID, STUDY_UID, SERIES_UID, SOP_UID)):
        raise ScriptError("nothing names the objects that are meant")
    return _selected(border, number)


def _selected(border: Border, number: Scalar) -> list[StoredObject]:
    identifier = border.thing(number).data.encode(LITTLE)
    try:
        return border.host.archive.select(identifier, EXPLICIT_LITTLE)
    except QueryFailure as fault:
        raise ScriptError(str(fault)) from fault


COMMANDS: dict[str, Command] = {
    "changeuid": changeuid,
    "changeuidback": changeuidback,
    "dbquery": dbquery,
    "sql": sql,
    "dicomread": dicomread,
    "dicomdelete": dicomdelete,
    "listoldestpatients": listoldestpatients,
}
