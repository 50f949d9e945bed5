"""The configuration of a running server: dicom.ini, dgatesop.lst and acrnema.map as they are on disk now.

Conquest looks at the modification time of dicom.ini once per second and reads dgatesop.lst for each association, but
goes on using values it has seen before (conquest-server.md 2.2, "Live changes"). Here a change counts from the next
look on, and only what was open since the start - port, database, devices, log files - waits for the next start.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

from dgate.config.amap import AcrNemaMap
from dgate.config.faults import Fault
from dgate.config.inifile import IniFile
from dgate.config.settings import FIXED_AT_START, Settings, key_of, load_settings
from dgate.config.soplist import EVERYTHING, SopList
from dgate.record import replace

CHECK_SECONDS = 1.0
"""How often the files are looked at, at most."""
SETTLED_NANOSECONDS = 2_000_000_000
"""A file written this shortly before it was read may be written again without a visible change of its time."""


class LiveConfig:
    """Settings, map and list of SOP classes for whoever needs them now. Thread-safe.

    A property costs one comparison of times; once per second one of the threads that ask looks at the three files. A
    file that cannot be used leaves everything as it was and costs one line in the log.
    """

    def __init__(
        self,
        settings: Settings,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        *,
        refresh: Callable[[], None] = lambda: None,
    ) -> None:
        """Read the files once; `say` takes a log line.

        `refresh` is called before each look: it makes anew what is made of other files, if those have changed. It may
        raise `OSError` or `ValueError`; then the files are looked at as they are.
        """
        self._say = say
        self._refresh = refresh
        self._clock = clock
        self._lock = threading.Lock()
        self._settings = settings
        self._amap = AcrNemaMap()
        self._sop_list = EVERYTHING
        self._warned: frozenset[Fault] | None = None  # the faults of the first reading are told by who starts us
        self._ini_file = _WatchedFile()
        self._amap_file = _WatchedFile()
        self._sop_file = _WatchedFile()
        self._due = 0.0
        self._look(again=False)

    @property
    def settings(self) -> Settings:
        """What dicom.ini says now; what is fixed at the start is as it was then."""
        if self._clock() >= self._due:
            self._check()
        return self._settings

    @property
    def amap(self) -> AcrNemaMap:
        """The table of acrnema.map."""
        if self._clock() >= self._due:
            self._check()
        return self._amap

    @property
    def sop_list(self) -> SopList:
        """dgatesop.lst, looked at each time. As in Conquest, a missing file accepts everything."""
        if self._clock() >= self._due:
            self._check()
        elif self._lock.acquire(blocking=False):
            try:
                self._look_at_sops(again=False)
            finally:
                self._lock.release()
        return self._sop_list

    def reload(self) -> tuple[Fault, ...]:
        """Read all files again, changed or not; what is wrong in them is in the log and in the result."""
        with self._lock:
            return self._look(again=True)

    def use_amap(self, amap: AcrNemaMap) -> None:
        """Take another map until the file changes or is read again."""
        with self._lock:
            self._amap = amap

    def use_debug_level(self, level: int) -> None:
        """Take this DebugLevel until the end, whatever the file says."""
        with self._lock:
            self._settings = replace(self._settings, debug_level=level, given_debug_level=level)

    def _check(self) -> None:
        """Look at the files, unless another thread is doing so."""
        if self._lock.acquire(blocking=False):
            try:
                self._look(again=False)
            finally:
                self._lock.release()

    def _look(self, *, again: bool) -> tuple[Fault, ...]:
        try:
            self._refresh()
        except (OSError, ValueError) as fault:
            self._say(f"***Configuration not made anew: {fault}")
        faults = [*self._look_at_ini(again=again), *self._look_at_amap(again=again), *self._look_at_sops(again=again)]
        self._due = self._clock() + CHECK_SECONDS
        return tuple(faults)

    def _look_at_ini(self, *, again: bool) -> tuple[Fault, ...]:
        path = self._settings.path
        try:
            data = self._ini_file.read(path, again=again)
        except OSError as error:
            return self._kept(path, error.strerror or str(error))
        if data is None:
            return ()
        old = self._settings
        new, faults = load_settings(
            IniFile.parse(data),
            old.base_dir,
            port=old.given_port,
            ae_title=old.given_ae_title,
            debug_level=old.given_debug_level,
            file_name=os.path.basename(path),
        )
        fatal = [fault for fault in faults if fault.fatal]
        if fatal:
            return self._kept(path, str(fatal[0]))
        self._settings = self._taken_over(old, new)
        known, self._warned = self._warned, frozenset(faults)
        for fault in [] if known is None else [fault for fault in faults if fault not in known]:
            self._say(f"Warning: {fault}")
        return faults

    def _taken_over(self, old: Settings, new: Settings) -> Settings:
        """The new settings with what is fixed at the start as it was then."""
        waiting = [name for name in FIXED_AT_START if getattr(old, name) != getattr(new, name)]
        if waiting:
            keys = ", ".join(key_of(name) for name in waiting)
            self._say(f"Warning: {new.path}: {keys}: changed, but only used from the next start on")
        return replace(new, **{name: getattr(old, name) for name in waiting})

    def _look_at_amap(self, *, again: bool) -> tuple[Fault, ...]:
        path = self._settings.acrnema_map
        try:
            data = self._amap_file.read(path, again=again)
        except OSError as error:
            self._say(f"***Error loading acr-nema map file:{path}")
            return (Fault(path, 0, "", f"{error.strerror or error}; the AE titles known before are kept", fatal=False),)
        if data is None:
            return ()
        self._amap = AcrNemaMap.parse(data)
        faults = self._amap.faults(path)
        for fault in faults:
            self._say(f"Warning: {fault}")
        return faults

    def _look_at_sops(self, *, again: bool) -> tuple[Fault, ...]:
        path = self._settings.sop_class_list
        try:
            data = self._sop_file.read(path, again=again)
        except FileNotFoundError:
            self._sop_list = EVERYTHING
            fault = Fault(path, 0, "", "not found; every SOP class and transfer syntax is accepted", fatal=False)
            self._say(f"Warning: {fault}")
            return (fault,)
        except OSError as error:
            return self._kept(path, error.strerror or str(error))
        if data is not None:
            self._sop_list = SopList.parse(data)
        return ()

    def _kept(self, path: str, why: str) -> tuple[Fault, ...]:
        """A file that cannot be used: say so, and that nothing has changed."""
        self._say(f"***{path} not used, the configuration stays as it was: {why}")
        return (Fault(path, 0, "", why, fatal=True),)


class _WatchedFile:
    """The last seen state of a file, be it good or bad."""

    def __init__(self) -> None:
        self._seen: object = None
        self._content: bytes | int | None = None

    def read(self, path: str, *, again: bool) -> bytes | None:
        """The content when it is new, or in any case `again`; None otherwise. Raises `OSError`, once per fault."""
        try:
            facts = os.stat(path)
            stamp = (path, facts.st_mtime_ns, facts.st_size, facts.st_ino)
            if stamp == self._seen and not again:
                return None
            with open(path, "rb") as file:
                content = file.read()
        except OSError as error:
            known, self._content, self._seen = self._content, error.errno, None
            if known == error.errno and not again:
                return None
            raise
        known, self._content = self._content, content
        settled = time.time_ns() - facts.st_mtime_ns > SETTLED_NANOSECONDS
        self._seen = stamp if settled else None
        return content if again or content != known else None
