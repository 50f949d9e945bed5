"""Making room: below MAGDeviceThreshHold the oldest patients of a device are deleted (conquest-server.md 2.2, 7.4).

That happens in a thread that lives as long as there is something to delete. A patient to whom something was stored in
the last minutes is never deleted, so that nobody loses what he is sending; better a store that fails.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from dgate.archive.delete import delete
from dgate.index.index import FAULTS
from dgate.index.tables import Level, Tables

if TYPE_CHECKING:
    from dgate.archive.delete import Deletable
    from dgate.archive.spool import Spool

RECENT = 600
"""Seconds in which a patient counts as being stored to."""
PAUSE = 60.0
"""Seconds until the next try where nothing could be deleted."""
_COLUMN = r"[A-Za-z_][A-Za-z0-9_.]*( +(asc|desc))?"
_ORDER = re.compile(rf"{_COLUMN}( *, *{_COLUMN})*", re.IGNORECASE)


class Cleaner:
    """Watches the free space of an archive's MAG devices whenever an object begins. Thread-safe."""

    def __init__(
        self,
        archive: Deletable,
        threshold: int,
        order: str,
        clock: Callable[[], float] = time.time,
        *,
        key: str = "MAGDeviceThreshHold",
    ) -> None:
        """`threshold` is in MB, 0 is never; `key` is where it comes from; `order` is LRUSort."""
        self._archive = archive
        self._key = key
        self.set_threshold(threshold, order)
        self._clock = clock
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopped = False
        self._due = 0.0

    def set_threshold(self, threshold: int, order: str) -> None:
        """Other settings, from now on."""
        self._threshold = threshold
        self._order = order

    def look(self) -> None:
        """Begin to delete if a device is below the threshold and nobody does so yet."""
        if not self._threshold or self._low() is None:
            return
        with self._lock:
            busy = self._thread is not None and self._thread.is_alive()
            if not busy and not self._stopped and self._clock() >= self._due:
                self._thread = threading.Thread(target=self.clean, name="cleaner", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Finish the patient in hand."""
        with self._lock:
            self._stopped = True
            thread = self._thread
        if thread is not None:
            thread.join()

    def _low(self, *, fresh: bool = False) -> Spool | None:
        devices = self._archive.stores.devices
        return next((home for home in devices.magnetic if devices.free(home, fresh=fresh) < self._threshold), None)

    def clean(self) -> None:
        """Delete until no device is below the threshold, or nothing is left that may go. Never raises."""
        log = self._archive.stores.log
        try:
            while not self._stopped and (home := self._low(fresh=True)) is not None:
                count = self._delete_oldest(home)
                if count is None:
                    log.console(f"***{home.name.decode()} is below {self._key}, and no old patient is on it")
                    break
                log.console(f"Deleted the oldest patient of {home.name.decode()}: {count} images")
            else:
                return
        except FAULTS as error:
            log.console(f"***Old patients cannot be deleted: {error}")
        self._due = self._clock() + PAUSE

    def _delete_oldest(self, home: Spool) -> int | None:
        """How many images went; None if there is no patient to delete."""
        stores = self._archive.stores
        sql = oldest_statement(stores.tables, self._order)
        limit = int(self._clock()) - RECENT
        with stores.writer.exclusive() as connection:
            found = connection.execute(sql, (limit, home.name)).fetchone()
        if found is None:
            return None
        return delete(self._archive, Level.PATIENT, {"patient_id": found[0]}, older_than=limit) or None


def oldest_statement(tables: Tables, order: str) -> str:
    """SELECT of the patient to delete first; the parameters are the newest time that counts as old, and the device.

    An `order` that is no list of columns is not used.
    """
    patients, images = tables.levels[Level.PATIENT], tables.levels[Level.IMAGE]
    chosen = _chosen(tables, order)
    return (
        f"SELECT {patients.key.name} FROM {patients.name} WHERE COALESCE(AccessTime, 0) < ? AND EXISTS "  # noqa: S608
        f"(SELECT 1 FROM {images.name} WHERE {images.columns[-2].name} = {patients.name}.{patients.key.name} "
        f"AND DeviceName = CAST(? AS TEXT)) ORDER BY {chosen}, {patients.key.name} LIMIT 1"
    )


def patients_by_age(tables: Tables, device: str, order: str, most: int) -> str:
    """SELECT of the patients that would be deleted first, of a device or of all; `order` as in `oldest_statement`."""
    patients, images = tables.levels[Level.PATIENT], tables.levels[Level.IMAGE]
    key = f"{patients.name}.{patients.key.name}"
    wanted = ""
    if device:
        name = device.replace("'", "''")
        wanted = (
            f" WHERE EXISTS (SELECT 1 FROM {images.name} WHERE {images.columns[-2].name} = {key} "  # noqa: S608
            f"AND DeviceName = '{name}')"
        )
    chosen = _chosen(tables, order)
    return f"SELECT {key} FROM {patients.name}{wanted} ORDER BY {chosen}, {key} LIMIT {max(most, 0)}"  # noqa: S608


def _chosen(tables: Tables, order: str) -> str:
    return order.strip() if _ORDER.fullmatch(order.strip()) else f"{tables.levels[Level.PATIENT].name}.AccessTime"
