"""Functions of scripts that need no database and no network (conquest-converters.md 11.2, 11.3, 11.5)."""

from __future__ import annotations

import os
import secrets
import time
from typing import TYPE_CHECKING

from dgate.dataset.digest import altered_md5, checksum
from dgate.lua.border import NOTHING, text, whole
from dgate.lua.host import as_bytes, as_log_text, as_script_text
from dgate.lua.methods import FROM_SCRIPT
from dgate.lua.objects import ScriptError
from dgate.net.dimse import MAX_UPLOAD
from dgate.rules.naming import generated
from dgate.rules.outcome import Status
from dgate.rules.shell import FOLDER, SECONDS, exit_status

if TYPE_CHECKING:
    from dgate.lua.border import Border, Command, Values
    from dgate.lua.state import Scalar

MAX_PRINTED = 64 * 1024
"""Bytes of one `print`."""
MAX_PRINTED_LINES = 1000
MAX_SLEEP = 3600.0


def _lines(printed: str) -> list[str]:
    """What is printed as log lines."""
    cut = printed if len(printed) <= MAX_PRINTED else f"{printed[:MAX_PRINTED]}..."
    return [as_log_text(line.removesuffix("\r")) for line in cut.split("\n")[:MAX_PRINTED_LINES]]


def print_(border: Border, line: str) -> Values:
    """`print(...)`: a line of the log, as it is."""
    for one in _lines(line):
        border.line.services.log.console(one)
    return NOTHING


def debuglog(border: Border, line: str) -> Values:
    """The same for who wants to see everything."""
    for one in _lines(line):
        border.line.services.log.debug(one)
    return NOTHING


def destroy(border: Border) -> Values:
    """`destroy()`: not stored, and the sender is told that all went well."""
    border.result = Status.DESTROY
    return NOTHING


def reject(border: Border) -> Values:
    """`reject()`: not stored, and the sender is told so."""
    border.result = Status.REJECT
    return NOTHING


def retry(border: Border) -> Values:
    """`retry()`: store a refused object once more."""
    border.line.subject.again = True
    return NOTHING


def script(border: Border, line: Scalar) -> Values:
    """`script(line)`: converter code, silently; how it ends is the result, whatever that was before."""
    run = border.line.below(FROM_SCRIPT)
    run.silent = True
    border.result = run.services.library.line(text(line, "a line")).run(run)
    return NOTHING


def dictionary(border: Border, first: Scalar, second: Scalar = None) -> Values:
    """`dictionary('PatientID')` and `dictionary(16, 32)`; nothing for what is unknown."""
    terms = border.terms
    if second is not None:
        keyword = terms.keyword(whole(first) << 16 | whole(second))
        return (keyword,) if keyword else NOTHING
    tag = terms.tag(text(first))
    return NOTHING if tag is None else (tag >> 16, tag & 0xFFFF)


def get_amap(border: Border, index: Scalar) -> Values:
    """`get_amap(i)`: AE title, host, port, compression of an entry of acrnema.map."""
    nodes, at = border.host.config.amap.nodes, whole(index)
    if not 0 <= at < len(nodes):
        return NOTHING
    node = nodes[at]
    return tuple(map(as_script_text, (node.ae, node.host, node.port, node.compression)))


def get_sqldef(border: Border, table: Scalar, index: Scalar) -> Values:
    """`get_sqldef(table, i)`: a line of dicom.sql."""
    kfactor = border.host.kfactor
    blocks = (kfactor.patient, kfactor.study, kfactor.series, kfactor.image, kfactor.worklist)
    number, at = whole(table), whole(index)
    if not (0 <= number < len(blocks) and 0 <= at < len(blocks[number])):
        return NOTHING
    column = blocks[number][at]
    return column.group, column.element, column.name, column.length, column.sql_type, f"DT_{column.dt}"


def gpps(border: Border, section: Scalar, key: Scalar, default: Scalar = "") -> Values:
    """`gpps(section, key, default)`: a value of dicom.ini."""
    entry = border.line.services.settings().ini.find(text(key, "a key"), text(section, "a section"))
    return (text(default) if entry is None else as_script_text(entry.value),)


def genuid(border: Border) -> Values:
    """`genuid()`: a UID that nobody has."""
    return (generated(border.line),)


def tempfile(border: Border, extension: Scalar = "") -> Values:
    """`tempfile('.dcm')`: a name for a file that is not there."""
    root = border.line.services.devices().get("MAG0", "./")
    folder = os.path.join(root, FOLDER)
    os.makedirs(as_bytes(folder), exist_ok=True)
    return (os.path.join(folder, f"{int(time.time()):x}{secrets.token_hex(6)}{text(extension)}"),)


def tickcount(_border: Border) -> Values:
    """`tickcount()`: milliseconds of a clock that only goes forward."""
    return (int(time.monotonic() * 1000),)


def sleep(_border: Border, milliseconds: Scalar) -> Values:
    """`sleep(ms)`."""
    time.sleep(min(max(whole(milliseconds), 0) / 1000, MAX_SLEEP))
    return NOTHING


def mkdir(_border: Border, path: Scalar) -> Values:
    """`mkdir(path)`, with all above it."""
    os.makedirs(as_bytes(text(path, "a folder")), exist_ok=True)
    return NOTHING


def system(border: Border, command: Scalar) -> Values:
    """`system(cmd)`: the shell's exit status."""
    if border.sandbox:
        raise ScriptError("there is no system() here")
    border.line.services.log.flush()
    as_bytes(text(command, "a command"))
    status = exit_status(text(command, "a command"), {})
    if status is None:
        raise ScriptError(f"stopped after {SECONDS:.0f} seconds")
    return (status,)


def crc(_border: Border, value: Scalar) -> Values:
    """`crc(s)`: as `%A` shows it."""
    return (str(checksum(text(value).encode("latin-1", "replace"))),)


def md5(_border: Border, value: Scalar) -> Values:
    """`md5(s)`: Conquest's own kind of it, in hex."""
    return (altered_md5(text(value).encode("latin-1", "replace")).hex(),)


def servercommand(border: Border, command: Scalar, mode: Scalar = "") -> Values:
    """`servercommand('get_param:MyACRNema'[, mode])`: the answer; nothing comes from an unknown command.

    The mode `<FILE` sends a file along, `>FILE` has the answer written to one; others make no difference.
    """
    way = text(mode or "")
    upload = None
    if way.startswith("<"):
        with open(as_bytes(way[1:]), "rb") as file:
            upload = file.read(MAX_UPLOAD)
    answer = border.host.commands.run(text(command, "a command").encode("latin-1", "replace"), upload)
    if way.startswith(">"):
        with open(as_bytes(way[1:]), "wb") as file:
            file.write(answer)
        return NOTHING
    return (answer.decode("latin-1"),)


def dicomprint(border: Border, *_: Scalar) -> Values:
    """`dicomprint(...)`: the error that it ends with; this server knows no print service."""
    line = "***dicomprint: this server does not print"
    border.line.services.log.console(line)
    return (line,)


def heapinfo(_border: Border, *_: Scalar) -> Values:
    """`heapinfo()`."""
    return ("not available",)


COMMANDS: dict[str, Command] = {
    "print": print_,
    "debuglog": debuglog,
    "destroy": destroy,
    "reject": reject,
    "retry": retry,
    "script": script,
    "dictionary": dictionary,
    "get_amap": get_amap,
    "get_sqldef": get_sqldef,
    "gpps": gpps,
    "genuid": genuid,
    "tempfile": tempfile,
    "tickcount": tickcount,
    "sleep": sleep,
    "mkdir": mkdir,
    "system": system,
    "crc": crc,
    "md5": md5,
    "servercommand": servercommand,
    "heapinfo": heapinfo,
    "dicomprint": dicomprint,
}
