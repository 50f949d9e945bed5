"""The housekeeping thread, which a server has that logs to a file with time stamps (conquest-server.md 11.3).

At ZipTime the logs and the configuration are packed and the logs begin anew, at 01:00 room is made, at 03:00 the script
`nightly` of section `[lua]` runs, once a second its script `background`.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dgate.archive.clean import Cleaner
    from dgate.archive.delete import Deletable
    from dgate.config.settings import Settings
    from dgate.interfaces import Log

LOOK_EVERY = 1.0
CLEANING, NIGHTLY = time(1), time(3)
_ZIP_TIME = re.compile(r"(\d\d):(?:(\d\d):?)?\Z")


class Housekeeping:
    """Looks at the clock once a second. `script` runs a script of section `[lua]`, if there is one of that name."""

    def __init__(
        self, archive: Deletable, log: Log, settings: Callable[[], Settings], script: Callable[[str], None]
    ) -> None:
        self._archive = archive
        self._log = log
        self._settings = settings
        self._script = script
        self._last = now()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)
        self._stopped = threading.Event()
        self._cleaner: Cleaner | None = None

    def start(self) -> None:
        """Begin."""
        self._thread.start()
        self._log.console("Started zip and cleanup thread")

    def stop(self) -> None:
        """Finish what is in hand."""
        self._stopped.set()
        with self._lock:
            cleaner = self._cleaner
        if cleaner is not None:
            cleaner.stop()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(LOOK_EVERY):
            self.look(now())

    def look(self, current: datetime) -> None:
        """Do what has come due since the last look."""
        last, self._last = self._last, current
        settings = self._settings()
        zip_time = zip_moment(settings.zip_time)
        if zip_time is not None and passed(last, current, zip_time):
            from dgate.logpacking import pack_logs

            pack_logs(settings.base_dir, current, self._log, self._stopped.wait)
        if settings.nightly_clean_threshold > 0 and passed(last, current, CLEANING):
            self._clean(settings)
        if passed(last, current, NIGHTLY):
            self._script("nightly")
        self._script("background")

    def _clean(self, settings: Settings) -> None:
        from dgate.archive.clean import Cleaner

        threshold, order = settings.nightly_clean_threshold, settings.lru_sort
        cleaner = Cleaner(self._archive, threshold, order, key="NightlyCleanThreshHold")
        with self._lock:
            self._cleaner = cleaner
        if not self._stopped.is_set():
            cleaner.clean()


def now() -> datetime:
    """Local time, as the log has it."""
    return datetime.now()  # noqa: DTZ005 - ZipTime and the nights are local


def zip_moment(text: str) -> time | None:
    """`HH:` or `HH:MM:`; None for what is no time of day."""
    found = _ZIP_TIME.match(text.strip())
    if found is None or int(found[1]) > 23 or int(found[2] or 0) > 59:
        return None
    return time(int(found[1]), int(found[2] or 0))


def passed(last: datetime, current: datetime, moment: time) -> bool:
    """Whether the clock has come to this time of day since; not if it was set back."""
    today = datetime.combine(current.date(), moment)
    return any(last < due <= current for due in (today, today - timedelta(days=1)))
