"""Which commands there are, and in which module the function of that name is. A module is loaded with its first use."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import cast

from dgate.commands.context import Context

Function = Callable[[Context, str], str | bytes]
"""The arguments behind the colon in, the output out; raises `CommandError`, `OSError`, `DatabaseError`."""

MODULES: dict[str, tuple[str, ...]] = {
    "status": ("display_status", "status_json", "get_freestore"),
    "parameters": ("get_param", "get_ini_param", "get_ini", "put_param", "delete_param", "read_ini"),
    "nodes": ("get_amap", "get_amaps", "put_amap", "delete_amap", "write_amap", "read_amap", "echo"),
    "classes": ("get_sop", "get_transfer"),
    "queries": ("query", "query2"),
    "finders": ("patientfinder", "studyfinder", "seriesfinder", "imagefinder", "serieslister", "imagelister"),
    "uids": ("genuid", "changeuid", "changeuidback", "checksum"),
    "headers": ("count_frames", "dump_header"),
    "deleting": (
        "deletepatient", "deletestudy", "deletestudies", "deleteseries", "deleteimage", "deleteimagefile",
        "deleteimagefromdb", "makespace",
    ),
    "files": ("addimagefile", "addlocalfile", "loadanddeletedir"),
    "modifying": ("modifypatid", "modifyimage", "modifystudy", "modifyseries", "anonymize"),
    "merging": ("mergestudy", "mergeseries"),
    "regeneration": ("regen", "regendevice", "regendir", "regenfile", "initializetables"),
    "moving": ("movepatient", "movestudy", "moveseries", "movestudies", "move"),
    "devices": ("movedevice",),
    "logs": ("log_on", "debuglog_on", "debuglevel"),
    "queues": ("queue_list", "queue_retry", "queue_drop"),
    "stopping": ("quit", "safequit"),
    "scripting": ("lua", "luastart", "globallua"),
    "converting": (
        *("convert_to_json", "convert_to_dicom", "forward"),
        *("convert_to_bmp", "convert_to_gif", "convert_to_jpg"),
    ),
    "grabbing": ("grabimagesfromserver",),
}  # fmt: skip
_MODULE_OF = {name: module for module, names in MODULES.items() for name in names}


def lookup(name: str) -> Function | None:
    """The function of a command; None when there is no such command."""
    module = _MODULE_OF.get(name)
    if module is None:
        return None
    return cast("Function", getattr(import_module(f"dgate.commands.{module}"), f"{name}_command"))
