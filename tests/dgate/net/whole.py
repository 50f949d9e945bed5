"""A whole server for the tests of retrieval - real archive, listener and acrnema.map - and who talks to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dgate.config.live import LiveConfig
from dgate.net import dimse, pdu
from dgate.net.limits import Doorkeeper, Limits
from dgate.net.listener import Listener, bind
from dgate.net.node import Node
from tests.dgate.archive.support import CT1, House, dataset, make_house

from .conftest import PATIENT, MemoryLog, wait_for
from .raw import IVLE, RawClient, request

MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
GET = "1.2.840.10008.5.1.4.1.2.2.3"
RETRIEVE_CONTEXT = 1
STUDY = CT1[0x0020000D][1]
MR = "1.2.840.10008.5.1.4.1.1.4"


@dataclass
class Whole:
    """The server and what a test looks at."""

    house: House
    listener: Listener
    door: Doorkeeper
    log: MemoryLog
    config: LiveConfig

    @property
    def port(self) -> int:
        return self.listener.port

    def know(self, *lines: str) -> None:
        """Replace acrnema.map."""
        (self.house.root / "acrnema.map").write_text("".join(line + "\n" for line in lines))
        self.config.reload()

    def fill(self, count: int, *, sop_class: str = "", start: int = 0) -> list[bytes]:
        """Store so many objects of one series; their UIDs."""
        uids = [b"1.2.826.0.1.3680043.8.498.77.9.%d" % number for number in range(start, start + count)]
        for uid in uids:
            elements = {**CT1, 0x00080018: (b"UI", uid)}
            if sop_class:
                elements[0x00080016] = (b"UI", sop_class.encode())
            assert self.house.store(elements) == 0
        return uids

    def path_of(self, uid: bytes) -> Path:
        found = dict(self.house.rows("SELECT SOPInstanc, ObjectFile FROM DICOMImages"))
        return self.house.data / os.fsdecode(found[uid])

    def wait_until_empty(self) -> None:
        wait_for(lambda: self.door.counts() == (0, 0), context=lambda: f"log: {self.log.lines[-20:]}")


@contextmanager
def whole_server(root: Path, limits: Limits = PATIENT) -> Iterator[Whole]:
    house = make_house(root)
    ini = "[sscscp]\nMicroPACS = sscscp\nMyACRNema = ORACLE\nSQLite = 1\nSQLServer = conquest.db3\nMAGDevice0 = data\n"
    (root / "dicom.ini").write_text(ini)
    (root / "acrnema.map").touch()
    log, door = MemoryLog(), Doorkeeper(limits)
    config = LiveConfig(house.settings, log.console)
    listener = Listener(bind("127.0.0.1", 0), Node(house.archive, log, limits, door, config))
    listener.start()
    try:
        yield Whole(house, listener, door, log, config)
    finally:
        listener.stop()
        assert listener.threads == 0
        house.archive.close()


def retrieve_command(
    field: int, sop: str, *, destination: str | None = None, message_id: int = 7, data_set: bool = True
) -> bytes:
    elements = [
        (dimse.AFFECTED_SOP_CLASS, sop.encode()),
        (dimse.COMMAND_FIELD, dimse.ushort(field)),
        (dimse.MESSAGE_ID, dimse.ushort(message_id)),
        (dimse.PRIORITY, dimse.ushort(0)),
        (dimse.DATA_SET_TYPE, dimse.ushort(dimse.WITH_DATA_SET if data_set else dimse.NO_DATA_SET)),
    ]
    if destination is not None:
        elements.insert(3, (dimse.MOVE_DESTINATION, dimse.padded(destination)))
    return dimse.encode_command(elements)


def cancel_message(message_id: int = 7) -> bytes:
    cancel = dimse.encode_command(
        (
            (dimse.COMMAND_FIELD, dimse.ushort(dimse.C_CANCEL)),
            (dimse.RESPONDED_TO, dimse.ushort(message_id)),
            (dimse.DATA_SET_TYPE, dimse.ushort(dimse.NO_DATA_SET)),
        )
    )
    return dimse.encode_message(RETRIEVE_CONTEXT, cancel, None, 0)


def keys(level: bytes = b"STUDY", study: bytes = STUDY) -> bytes:
    return dataset({0x00080052: (b"CS", level), 0x0020000D: (b"UI", study)}, IVLE)


def retrieving_client(
    port: int, sop: str, *storage: pdu.ProposedContext, receive_buffer: int = 0, max_length: int = 16384
) -> RawClient:
    """A client with an association for C-MOVE or C-GET."""
    client = RawClient(port, receive_buffer=receive_buffer)
    contexts = [pdu.ProposedContext(RETRIEVE_CONTEXT, sop, (IVLE,)), *storage]
    client.associate(request(contexts, max_length=max_length))
    return client


@dataclass
class Answers:
    """All responses to one request."""

    pending: list[tuple[int, int, int, int]]
    final: dimse.Command

    @property
    def status(self) -> int:
        return self.final.number(dimse.STATUS)

    @property
    def counts(self) -> tuple[int, int, int, int]:
        return counts(self.final)

    @property
    def comment(self) -> str:
        return self.final.elements.get(dimse.ERROR_COMMENT, b"").decode().rstrip(" ")


def counts(answer: dimse.Command) -> tuple[int, int, int, int]:
    """Remaining, completed, failed, warning."""
    remaining, completed, failed, warning = (
        answer.number(tag) for tag in (dimse.REMAINING, dimse.COMPLETED, dimse.FAILED, dimse.WARNING)
    )
    return remaining, completed, failed, warning


def move(client: RawClient, destination: str | None, identifier: bytes | None = None, sop: str = MOVE) -> Answers:
    """Ask for a C-MOVE and take all answers."""
    data = keys() if identifier is None else identifier
    client.send(
        dimse.encode_message(RETRIEVE_CONTEXT, retrieve_command(dimse.C_MOVE, sop, destination=destination), data, 0)
    )
    return answers(client)


def answers(client: RawClient) -> Answers:
    pending: list[tuple[int, int, int, int]] = []
    while True:
        answer, identifier = client.response()
        assert identifier is None
        if answer.number(dimse.STATUS) != dimse.PENDING:
            return Answers(pending, answer)
        pending.append(counts(answer))


def move_from(server: Whole, destination: str | None, identifier: bytes | None = None) -> Answers:
    """One C-MOVE on an association of its own."""
    with retrieving_client(server.port, MOVE) as client:
        found = move(client, destination, identifier)
        client.release()
    return found
