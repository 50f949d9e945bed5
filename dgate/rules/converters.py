"""The converters of a dicom.ini, ready to run (conquest-converters.md 1, 2 and 10).

They are made anew when the file has changed, all at once; what is running goes on with the ones it began with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgate.archive.filename import NAMING_KEY, naming_script
from dgate.config.converters.grammar import MAX_VALUE, as_line
from dgate.encoding.elements import PIXEL_GROUP
from dgate.record import dataclass
from dgate.rules.conditions import matches
from dgate.rules.hooks import COMPRESSION, NAMES, REJECTED, UNLISTED, compress_by_script, has_hook, run_hook
from dgate.rules.lines import Library
from dgate.rules.outcome import FINAL, Outcome, Status, outcome_of
from dgate.rules.run import Run, shown
from dgate.rules.scripts import Chunk, line_of
from dgate.rules.subject import MODALITY, RECEIVED, STATION
from dgate.rules.verbs import IMPORT_VERBS

if TYPE_CHECKING:
    from dgate.config.inifile import IniFile
    from dgate.config.settings import Settings
    from dgate.dataset.terms import TermsFile
    from dgate.rules.interfaces import Association, Services
    from dgate.rules.program import Line
    from dgate.rules.subject import Subject

LAST = 98
"""The last import converter that runs unless `ImportConverters` says how many there are: the manual says 99."""
MOST = 10_000


@dataclass(frozen=True, slots=True)
class Filters:
    """Which objects an import converter is for."""

    modality: str
    station: str
    calling_ae: str
    called_ae: str

    def admit(self, subject: Subject, association: Association) -> bool:
        """Whether this object is one of them. Raises `DataSetError`."""
        return (
            matches(subject.received(MODALITY), self.modality)
            and matches(subject.received(STATION), self.station)
            and matches(association.calling_ae.strip(" "), self.calling_ae)
            and matches(association.called_ae.strip(" "), self.called_ae)
        )


@dataclass(frozen=True, slots=True)
class Converter:
    """One import converter; without filters it is for every object."""

    number: int
    line: Line | Chunk
    filters: Filters | None


class Converters:
    """All lines of one dicom.ini."""

    def __init__(
        self, services: Services, imports: tuple[Converter, ...], hooks: dict[str, Line | Chunk], naming: str = ""
    ) -> None:
        """`naming` is the Lua expression that names files, if one does (`FileNameSyntax = lua:...`)."""
        self.services = services
        self.naming = naming
        self.imports = imports
        self.hooks = hooks
        self.tags = RECEIVED.union(*(converter.line.tags for converter in imports))
        """Top-level elements that the import converters show or change, as far as that is known beforehand."""
        hooked = any(key.startswith((REJECTED, UNLISTED, COMPRESSION)) for key in hooks)
        self.see_stores = bool(imports) or hooked or bool(naming)
        """Whether any line is for objects that are received, or for their names."""
        self.early = not hooked and not naming and all(converter.line.early for converter in imports)
        """Whether they need no more of an object than its elements up to the last of these."""
        self._wanted: tuple[frozenset[int], frozenset[int]] | None = None

    @property
    def for_dropped(self) -> bool:
        """Whether files that somebody drops into a folder go through them too."""
        return self.services.settings().import_export_drag_and_drop

    def wanted(self, others: frozenset[int]) -> frozenset[int]:
        """What is to be read of an object as it arrives, together with these.

        None that stands behind them all, unless all that the lines need is read then.
        """
        if self._wanted is None or self._wanted[0] is not others:
            last = PIXEL_GROUP if self.early else max(others, default=0)
            self._wanted = others, others | {tag for tag in self.tags if tag <= last} | RECEIVED
        return self._wanted[1]

    def run_import(self, subject: Subject, association: Association, code: str = "") -> Outcome:
        """Run the import converters on a received object, behind what its compression code runs. Never raises."""
        if code:
            compress_by_script(self.services, code, subject, association)
        subject.fix()
        run = Run("Importconverter", 0, subject, association, self.services)
        for converter in self.imports:
            if converter.filters is not None and not converter.filters.admit(subject, association):
                continue
            run.number = converter.number
            status = converter.line.run(run)
            if status is not Status.NEXT and status in FINAL:
                return outcome_of(status)
        return Outcome.STORED

    def has(self, hook: str) -> bool:
        """Whether there is a line for a hook."""
        return has_hook(self.services, hook)

    def run_hook(self, name: str, subject: Subject, association: Association) -> Outcome:
        """Run the line of a hook, if there is one. Never raises."""
        return run_hook(self.services, name, subject, association)


class Rules:
    """Makes `Converters` of settings. Not thread-safe: the caller sees to it that settings are taken in turn."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self._cut: frozenset[str] = frozenset()

    def at(self, settings: Settings) -> Converters | None:
        """The converters that these settings have; None if there are none."""
        cut: set[str] = set()
        imports = tuple(self._imports(settings.ini, cut))
        names = [f"{hook}0" for hook in NAMES] + [f"{COMPRESSION}{number}" for number in range(10)]
        lines = ((name, self._line(settings.ini, name, cut)) for name in names)
        hooks = {name: line for name, line in lines if line is not None}
        for name in sorted(cut - self._cut):
            self.services.log.console(shown(f"***Ini file item '{settings.ini.selected}:{name}' trucated"))
        self._cut = frozenset(cut)
        self.services.hooks = hooks
        naming = naming_script(settings.ini.get(NAMING_KEY))
        return Converters(self.services, imports, hooks, naming) if imports or hooks or naming else None

    def _imports(self, ini: IniFile, cut: set[str]) -> list[Converter]:
        found = []
        for number in range(_count(ini)):
            line = self._line(ini, f"ImportConverter{number}", cut)
            if line is not None:
                filters = None if isinstance(line, Chunk) else _filters(ini, number)
                found.append(Converter(number, line, filters))
        return found

    def _line(self, ini: IniFile, name: str, cut: set[str]) -> Line | Chunk | None:
        line = line_of(ini, name, self.services.library)
        entry = ini.find(name)
        if entry is not None and not isinstance(line, Chunk) and len(as_line(entry.value)) > MAX_VALUE:
            cut.add(name)
        return line


def _count(ini: IniFile) -> int:
    given = ini.get("ImportConverters").strip()
    return min(int(given), MOST) if given.isascii() and given.isdigit() and len(given) < 10 else LAST + 1


def _filters(ini: IniFile, number: int) -> Filters | None:
    keys = ("ImportModality", "ImportStationName", "ImportCallingAE", "ImportCalledAE")
    patterns = [as_line(ini.get(f"{key}{number}", "*")) for key in keys]
    return None if patterns == ["*"] * 4 else Filters(*patterns)


def make_library(terms: TermsFile) -> Library:
    """A library of lines with all commands of import converters."""
    return Library(terms, IMPORT_VERBS)
