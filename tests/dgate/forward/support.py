"""Servers with converters, and receivers that come and go."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pynetdicom import AE, evt

from dgate.commands.client import request
from dgate.config.inifile import IniFile
from dgate.config.settings import load_settings
from tests.dgate.archive.support import CT1, dataset
from tests.dgate.hostile.client import Client
from tests.dgate.hostile.site import Site
from tests.dgate.net.conftest import wait_for
from tests.dgate.net.raw import CT, EVLE, IVLE
from tests.ports import free_port

MOVE_ORIGIN = "1.2.826.0.1.3680043.8.498.77.9."
TIMES = {"handshake": 2.0, "pdu": 5.0, "message": 5.0, "send": 5.0, "linger": 0.3, "grace": 5.0}


def uid(number: int) -> bytes:
    return f"{MOVE_ORIGIN}{number}".encode()


def an_object(number: int = 0, **changes: bytes) -> bytes:
    """The example object with a UID of its own and other values: `t00100020=b"X"`."""
    elements = {**CT1, 0x00080018: (b"UI", uid(number))}
    for name, value in changes.items():
        tag = int(name[1:], 16)
        elements[tag] = (elements.get(tag, (b"LO", b""))[0], value)
    return dataset(elements)


def store(site: Site, *objects: bytes) -> None:
    """Over one association."""
    with Client(site.port) as client:
        for data in objects:
            assert client.store(data) == 0
        client.release()


def make_site(folder: Path, ini: str, *nodes: str) -> Site:
    """A server that is not started yet; `nodes` are lines of acrnema.map."""
    folder.mkdir(exist_ok=True)
    made = Site(folder, times=TIMES, ini=ini)
    (folder / "acrnema.map").write_text("".join(f"{line}\n" for line in nodes))
    return made


@dataclass
class Receiver:
    """What a pynetdicom node was sent."""

    port: int
    title: str = "RECV"
    uids: list[str] = field(default_factory=list)
    patients: list[str] = field(default_factory=list)
    data: list[tuple[str, bytes]] = field(default_factory=list)
    callers: list[tuple[str, str]] = field(default_factory=list)
    proposed: list[list[tuple[str, list[str]]]] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    status: Callable[[int], int] = lambda _: 0
    lock: Any = field(default_factory=threading.Lock)

    @property
    def numbers(self) -> list[int]:
        return [int(text.removeprefix(MOVE_ORIGIN)) for text in self.uids]

    def wait_for(self, count: int, seconds: float = 20.0, context: Callable[[], str] = str) -> None:
        wait_for(lambda: len(self.uids) >= count, seconds, lambda: f"{self.uids} {context()}")


@contextmanager
def receiving(port: int = 0, *classes: str, status: Callable[[int], int] = lambda _: 0) -> Iterator[Receiver]:
    received = Receiver(port or free_port(), status=status)

    def stored(event: evt.Event) -> int:
        with received.lock:
            received.uids.append(str(event.request.AffectedSOPInstanceUID))  # type: ignore[union-attr]
            received.patients.append(str(event.dataset.get("PatientID")))
            received.data.append((str(event.context.transfer_syntax), event.request.DataSet.getvalue()))  # type: ignore[union-attr]
            received.events.append("store")
            return received.status(len(received.uids))

    def requested(event: evt.Event) -> None:
        primitive: Any = event.assoc.requestor.primitive
        received.events.append("open")
        received.callers.append((primitive.calling_ae_title, primitive.called_ae_title))
        contexts = event.assoc.requestor.requested_contexts
        received.proposed.append([(str(c.abstract_syntax), [str(s) for s in c.transfer_syntax]) for c in contexts])

    def released(_event: evt.Event) -> None:
        received.events.append("release")

    ae = AE("RECV")
    ae.maximum_associations = 100
    for sop_class in classes or (CT,):
        ae.add_supported_context(sop_class, [IVLE, EVLE])
    ae.add_supported_context("1.2.840.10008.1.1", [IVLE])
    handlers: list[Any] = [
        (evt.EVT_C_STORE, stored), (evt.EVT_REQUESTED, requested), (evt.EVT_RELEASED, released),
    ]  # fmt: skip
    scp: Any = ae.start_server(("127.0.0.1", received.port), block=False, evt_handlers=handlers)
    try:
        yield received
    finally:
        for association in scp.active_associations:
            if association.is_established:  # pynetdicom cannot abort one that has not begun
                association.abort()
        scp.shutdown()


def paths(site: Site) -> dict[bytes, str]:
    rows = site.rows("SELECT SOPInstanc, ObjectFile FROM DICOMImages")
    return {key: f"{site.data}/{path.decode()}" for key, path in rows}


def exported(site: Site) -> list[str]:
    """The lines that export converters caused."""
    beginnings = ("Exportconverter", "ExportConverter", "*** Export", "Queue", "*** Queue")
    return [line for line in site.log().splitlines() if line.startswith(beginnings)]


def queue_is_empty(site: Site) -> bool:
    return site.rows("SELECT COUNT(*) FROM ForwardQueue") == [(0,)]


def command(site: Site, text: str) -> str:
    settings, _ = load_settings(IniFile.parse((site.folder / "dicom.ini").read_bytes()), str(site.folder))
    return request(settings, "127.0.0.1", site.port, text.encode()).decode()


def states(site: Site) -> list[bytes]:
    return [state for (state,) in site.rows("SELECT State FROM ForwardQueue ORDER BY ID")]
