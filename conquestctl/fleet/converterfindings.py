"""What is wrong with the converters of an instance: in converters.txt, in dicom.ini.j2, in its scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from conquestctl.errors import InvalidError
from conquestctl.fleet.convertercalls import Source, circles
from conquestctl.fleet.converters import FILE, LAST, TEMPLATE, read_file, rows_of
from conquestctl.fleet.instance import MOUNT, Instance
from conquestctl.fleet.luasyntax import can_check, syntax_fault
from conquestctl.fleet.storage import storage_errors
from dgate.config.converters.findings import EXPORT, IMPORT, Finding, Kind, Known, check_file, check_line
from dgate.config.converters.grammar import as_line, lines_of, split
from dgate.config.dictionary import load_dictionary
from dgate.config.inifile import Entry, IniFile
from dgate.config.rendering import RenderError, render_dicom_ini
from dgate.config.settings import Settings, load_settings

_KEY = re.compile(r"([A-Za-z]+Converter)(\d{1,9})")
_IMPORT, _EXPORT, _COMPRESSION = "importconverter", "exportconverter", "compressionconverter"
_SCRIPT = re.compile(r"(?:call )?([^\s\"%;(]+)(?:\(.*\))?", re.IGNORECASE | re.DOTALL)
MOST_CALLS = 16
IN_CONTAINER = "/conquest/"
NO_COMMENT = "the server knows no comments: this line is an error in its log at each image"


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing to know, and where."""

    file: str
    """Below the instance's folder."""
    line: int
    column: int
    message: str
    wrong: bool
    """It cannot be meant so; else it is a trap, or something that is only worth knowing."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {'error' if self.wrong else 'warning'}: {self.message}"


@dataclass(frozen=True, slots=True)
class _Files:
    """What is looked at."""

    instance: Instance
    converters: bytes
    template: bytes
    ini: IniFile
    settings: Settings
    known: Known


def check(instance: Instance) -> list[Remark]:
    """Everything that is to be said, file by file. Raises `StorageError`, `InvalidError` for no dicom.ini.j2."""
    files = _read(instance)
    remarks = [*_of_converters(files), *_of_template(files), *_of_scripts(files), *_of_circles(files)]
    return sorted(remarks, key=lambda one: (one.file, one.line, one.column))


def check_one(instance: Instance, line: str) -> list[Remark]:
    """The same for one import converter that is not in the file yet."""
    files = _read(instance)
    if line.startswith("#"):
        return [Remark(str(FILE), 1, 1, NO_COMMENT, wrong=False)]
    text = as_line(line)
    return [*_remarks(str(FILE), check_line(text, files.known)), *_of_references(files, str(FILE), 1, text)]


def not_checked() -> str:
    """What could not be looked at on this machine; nothing if all was."""
    return "" if can_check() else "Lua code was not checked: there is no Lua on this machine (pip install lupa)"


def _read(instance: Instance) -> _Files:
    converters, template = read_file(instance), read_file(instance, TEMPLATE)
    if not template:
        raise InvalidError(f"{instance.folder / TEMPLATE} is missing or empty", instance=instance.name)
    try:
        rendered = render_dicom_ini(template, converters, instance.ae_title, instance.port, template_name=str(TEMPLATE))
    except RenderError as error:
        raise InvalidError(str(error), instance=instance.name) from error
    ini = IniFile.parse(rendered)
    settings, _faults = load_settings(ini, str(instance.folder / TEMPLATE.parent))
    return _Files(instance, converters, template, ini, settings, _known(settings, ini))


def _known(settings: Settings, ini: IniFile) -> Known:
    try:
        dictionary = load_dictionary(settings.dictionary)
    except OSError:
        dictionary = None  # the server says so at its start, and doctor before it
    return Known(dictionary, frozenset(ini.section("scripts")))


def _remarks(file: str, found: list[Finding], *, line: int | None = None, shift: int = 0) -> Iterator[Remark]:
    for one in found:
        yield Remark(file, one.line if line is None else line, one.column + shift, one.message, one.wrong)


def _of_converters(files: _Files) -> Iterator[Remark]:
    name = str(FILE)
    yield from _remarks(name, check_file(files.converters, _with_files(files)))
    most = files.ini.find("ImportConverters")
    lines = files.converters.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    for row in rows_of(files.converters):
        if row.kind == "comment":
            yield Remark(name, row.number + 1, 1, NO_COMMENT, wrong=False)
        if row.kind != "converter":
            continue
        line, text = row.number + 1, as_line(row.text)
        yield from _of_references(files, name, line, text)
        entry = files.ini.find(f"ImportConverter{row.number}")
        if entry is not None and entry.line <= _lines_of(files.template):
            message = (
                f"never run: {TEMPLATE}:{entry.line} has ImportConverter{row.number} already, and the first one wins"
            )
            yield Remark(name, line, 1, message, wrong=True)
        elif most is None and row.number > LAST:
            yield Remark(
                name, line, 1, f"never run: lines count from 0 to {LAST} unless ImportConverters is set", wrong=True
            )
        elif _is_quoted(lines[row.number]):
            yield Remark(name, line, 1, "the quotes around the line are taken away by dicom.ini", wrong=True)


def _is_quoted(raw: bytes) -> bool:
    text = raw.strip(b" \t\r")
    return len(text) > 1 and text[:1] == text[-1:] and text[:1] in (b'"', b"'")


def _lines_of(template: bytes) -> int:
    return len(template.rstrip(b"\n").split(b"\n"))


def _of_template(files: _Files) -> Iterator[Remark]:
    """Keys of the server's section, of `[lua]` and of `[scripts]`."""
    for entry in files.ini:
        found = _KEY.fullmatch(entry.key)
        if found is not None and entry.line <= _lines_of(files.template):
            yield from _of_key(files, entry, found[1].lower(), int(found[2]))
    for section in ("lua", "scripts"):
        for key in files.ini.section(section):
            one = files.ini.find(key, section)
            if one is not None and section == "lua":
                yield from _of_chunk(files, one)
            elif one is not None:
                yield from _of_line(files, one, IMPORT)


def _of_key(files: _Files, entry: Entry, name: str, number: int) -> Iterator[Remark]:
    most = {_IMPORT: LAST, _EXPORT: files.settings.export_converters - 1, _COMPRESSION: 9}.get(name, 0)
    if name == _IMPORT and "ImportConverters" in files.ini:
        most = number
    if number > most:
        why = f"ExportConverters is {most + 1}" if name == _EXPORT else f"the last one is number {most}"
        yield Remark(str(TEMPLATE), entry.line, 1, f"{entry.key} is never run: {why}", wrong=True)
    yield from _of_line(files, entry, EXPORT if name == _EXPORT else IMPORT)


def _of_line(files: _Files, entry: Entry, kind: Kind) -> Iterator[Remark]:
    text = as_line(entry.value)
    shift = _column_of_value(files.template, entry) - 1
    found = check_line(text, _with_files(files), kind=kind)
    yield from _remarks(str(TEMPLATE), found, line=entry.line, shift=shift)
    yield from _of_references(files, str(TEMPLATE), entry.line, text, shift)


def _of_chunk(files: _Files, entry: Entry) -> Iterator[Remark]:
    fault = syntax_fault(entry.value.encode("utf-8", "surrogateescape"))
    if fault is not None:
        yield Remark(str(TEMPLATE), entry.line, _column_of_value(files.template, entry), f"Lua: {fault[1]}", wrong=True)


def _column_of_value(template: bytes, entry: Entry) -> int:
    row = template.split(b"\n")[entry.line - 1]
    value = row.partition(b"=")[2]
    at = len(row) - len(value) + len(value) - len(value.lstrip(b" \t"))
    quoted = value.strip(b" \t\r") != entry.value.encode("utf-8", "surrogateescape")
    return at + 1 + quoted


def _with_files(files: _Files) -> Known:
    """Files of lines go by their names, too."""
    return Known(files.known.dictionary, files.known.scripts | frozenset(_line_files(files.instance)))


def _line_files(instance: Instance) -> Iterator[str]:
    for path in _paths(instance.mount / "scripts"):
        yield from _names(path)


def _paths(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_file() and not path.name.startswith("."):
            yield path


def _names(path: Path) -> Iterator[str]:
    """What lines call a file in the folder of scripts by."""
    return (f"{before}scripts/{path.name}".lower() for before in ("../", "mount/", f"{IN_CONTAINER}mount/"))


def _of_references(files: _Files, name: str, line: int, text: str, shift: int = 0) -> Iterator[Remark]:
    """Scripts that a line runs, and that are not there; code in the line itself."""
    for statement in split(text):
        column = statement.column + shift
        code = _code_of(statement.text)
        fault = syntax_fault(code.encode("latin-1", "replace")) if code else None
        if fault is not None:
            yield Remark(name, line, column, f"Lua: {fault[1]}", wrong=True)
        found = _SCRIPT.fullmatch(statement.text)
        if found is None or not (statement.text.lower().startswith("call ") or ".lua" in found[1].lower()):
            continue
        if found[1].lower() not in files.known.scripts and not _is_there(files.instance, found[1]):
            yield Remark(
                name, line, column, f"there is no script {found[1]}: an error in the log at each image", wrong=True
            )
        elif found[1].startswith(IN_CONTAINER):
            anywhere = "../" + found[1].removeprefix(f"{IN_CONTAINER}mount/")
            message = f"{found[1]} is there in a container only, {anywhere} as a local process as well"
            yield Remark(name, line, column, message, wrong=False)


def _code_of(statement: str) -> str:
    """Lua code whose text is known beforehand."""
    if "%" in statement:
        return ""
    if statement.lower().startswith("lua:"):
        return statement[4:]
    return statement[5:-1].replace('""', "") if statement.lower().startswith('lua "') else ""


def _is_there(instance: Instance, name: str) -> bool:
    """As a server finds it: from the instance's folder, or from that of its dicom.ini."""
    if "\0" in name:
        return False
    path = Path(name.encode("latin-1").decode("utf-8", "surrogateescape"))
    if path.is_absolute():
        below = name.removeprefix(IN_CONTAINER) if name.startswith(IN_CONTAINER) else None
        return path.is_file() or (below is not None and (instance.folder / below).is_file())
    return (instance.folder / path).is_file() or (instance.folder / TEMPLATE.parent / path).is_file()


def _of_circles(files: _Files) -> Iterator[Remark]:
    """Keys and files of lines that call themselves in the end."""
    keys = (files.ini.find(key, "scripts") for key in files.ini.section("scripts"))
    sources = [
        Source(
            str(TEMPLATE), frozenset({entry.key.lower()}), ((entry.line, as_line(entry.value)),),
            _column_of_value(files.template, entry) - 1,
        )
        for entry in keys if entry is not None
    ]  # fmt: skip
    folder = files.instance.mount / "scripts"
    with storage_errors(f"cannot read {folder}", files.instance.name):
        for path in sorted(_paths(folder)):
            if path.suffix.lower() != ".lua":
                lines = tuple(lines_of(path.read_bytes()))
                sources.append(Source(f"{MOUNT}/scripts/{path.name}", frozenset(_names(path)), lines))
    for one in circles(sources):
        message = f"{one.called} leads back to here: an error in the log at each image once {MOST_CALLS} calls are open"
        yield Remark(one.source.file, one.line, one.column, message, wrong=True)


def _of_scripts(files: _Files) -> Iterator[Remark]:
    """Lua files, and files of lines that a line speaks of."""
    folder = files.instance.mount / "scripts"
    with storage_errors(f"cannot read {folder}", files.instance.name):
        for path in sorted(_paths(folder)):
            name = f"{MOUNT}/scripts/{path.name}"
            if path.suffix.lower() == ".lua":
                fault = syntax_fault(path.read_bytes())
                if fault is not None:
                    yield Remark(name, fault[0], 1, f"Lua: {fault[1]}", wrong=True)
            elif f"scripts/{path.name}".encode() in files.converters + files.template:
                yield from _remarks(name, check_file(path.read_bytes(), _with_files(files), called=True))
