"""`VirtualServerForN`: nodes whose archives count as part of this one (conquest-converters.md 10).

A query is passed on to them and their answers follow ours, but for those that we have too. Before a retrieval selects
what it sends, they send us what they have of it and we have not. So that nodes that are virtual servers of one another
do not ask in a circle, a query names those that have it already, and nobody is asked what they ask themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from dgate.config.converters.grammar import as_line
from dgate.dataset.model import DataSet
from dgate.dataset.structure import DataSetError
from dgate.encoding.elements import IMPLICIT_LITTLE, encoding_of
from dgate.lua.client import Peer, RequestError, association
from dgate.net import dimse
from dgate.net.limits import FETCHED
from dgate.record import dataclass
from dgate.rules.editing import fixed_from_kodak, fixed_to_kodak
from dgate.rules.hooks import run_hook
from dgate.rules.interfaces import Association
from dgate.rules.outcome import Outcome
from dgate.rules.run import shown
from dgate.rules.subject import PATIENT_ID, SOP_UID, Subject

if TYPE_CHECKING:
    from dgate.archive.archive import DiskArchive
    from dgate.config.settings import Settings
    from dgate.interfaces import Asker, QueryModel
    from dgate.lua.client import Client
    from dgate.net.node import Node
    from dgate.rules.asking import Find
    from dgate.rules.interfaces import Services

QUERY, RESULT = "VirtualServerQueryConverter", "VirtualServerQueryResultConverter"
NUMBERS = range(10)
FIND = {
    "patient": "1.2.840.10008.5.1.4.1.2.1.1",
    "study": "1.2.840.10008.5.1.4.1.2.2.1",
    "patient_study": "1.2.840.10008.5.1.4.1.2.3.1",
}
PATIENT_MOVE, STUDY_MOVE = "1.2.840.10008.5.1.4.1.2.1.2", "1.2.840.10008.5.1.4.1.2.2.2"
LEVEL, RETRIEVE_AE, VISITED = 0x00080052, 0x00080054, 0x99990803
"""The last one is ours, next to the keys of that group that the original has: who has this query already."""
KEYS = {"PATIENT": PATIENT_ID, "STUDY": 0x0020000D, "SERIES": 0x0020000E, "IMAGE": SOP_UID}
NOBODY_ELSE = "*"
"""In place of names: pass it on to nobody."""


@dataclass(frozen=True, slots=True)
class VirtualServer:
    """One of them."""

    number: int
    ae: str
    options: frozenset[str]
    """In capitals. The caches of the original have no counterpart here: what is asked is always asked."""


def servers_of(settings: Settings) -> tuple[VirtualServer, ...]:
    """Those that a dicom.ini has."""
    lines = ((number, settings.ini.get(f"VirtualServerFor{number}")) for number in NUMBERS)
    words = ((number, [as_line(word).strip() for word in line.split(",")]) for number, line in lines)
    return tuple(
        VirtualServer(number, ae, frozenset(word.upper() for word in options)) for number, (ae, *options) in words if ae
    )


class VirtualServers:
    """Implements `Others` of dgate.interfaces. Thread-safe."""

    def __init__(
        self, servers: tuple[VirtualServer, ...], node: Node, archive: DiskArchive, services: Callable[[], Services]
    ) -> None:
        self._servers = servers
        self._node = node
        self._archive = archive
        self._services = services

    def find(
        self, model: QueryModel, identifier: bytes, transfer_syntax: str, asker: Asker, search: Find
    ) -> Iterator[bytes]:
        """See `Others`."""
        seen: set[bytes] = set()
        encoding = encoding_of(transfer_syntax)
        for answer in search(model, identifier, transfer_syntax):
            seen.add(self._key(DataSet.parse(answer, encoding), answer))
            yield answer
        for server, keys in self._asked(identifier, transfer_syntax, asker):
            for found in self._answers(server, FIND[model], keys, asker):
                answer = found.encode(encoding)
                key = self._key(found, answer)
                if key not in seen:
                    seen.add(key)
                    yield answer

    def fetch(self, identifier: bytes, transfer_syntax: str, asker: Asker) -> None:
        """See `Others`."""
        for server, keys in self._asked(identifier, transfer_syntax, asker):
            if self._has_more(server, keys, asker):
                self._move(server, keys)

    # -- whom, and with what

    def _asked(self, identifier: bytes, transfer_syntax: str, asker: Asker) -> Iterator[tuple[VirtualServer, DataSet]]:
        """Who is asked, and the keys as their line leaves them."""
        encoding, terms = encoding_of(transfer_syntax), self._services().terms.get()
        try:
            visited = (DataSet.parse(identifier, encoding, terms).text(VISITED) or "").split("\\")
        except DataSetError:
            return  # our own search has said so
        mask, own = asker.session.servers, self._node.config.settings.ae_title
        for server in self._servers:
            left_out = mask is not None and not mask >> server.number & 1
            if left_out or NOBODY_ELSE in visited or server.ae in (*visited, own, asker.calling_ae.strip(" ")):
                continue
            subject = Subject(identifier, encoding, transfer_syntax, terms)
            outcome = run_hook(self._services(), QUERY, subject, _association(asker))
            if outcome is Outcome.DESTROYED:
                continue
            keys = subject.data.copy()
            if "FIXKODAK" in server.options:
                _replace(keys, fixed_to_kodak)
            marks = [*filter(None, visited), own] if "NONVIRTUAL" not in server.options else [NOBODY_ELSE]
            keys.set_value(VISITED, "\\".join(marks).encode("latin-1", "replace"), b"LO")
            yield server, keys

    def _peer(self, server: VirtualServer) -> Peer:
        entry = self._node.config.amap.find(server.ae)
        if entry is None or entry.port_number is None:
            raise RequestError("it is not in acrnema.map, or without a port there")
        self._node.log.flush()  # what waits for another node
        return Peer(entry.host, entry.port_number, self._node.config.settings.ae_title, entry.ae)

    def _complain(self, server: VirtualServer, fault: Exception) -> None:
        self._node.log.console(shown(f"***VirtualServerFor{server.number}: {server.ae}: {fault}"))

    # -- queries

    def _answers(self, server: VirtualServer, model: str, keys: DataSet, asker: Asker) -> Iterator[DataSet]:
        """What it has, as its line leaves it. What goes wrong is told, and costs its answers alone."""
        services = self._services()
        try:
            with association(self._peer(server), model, (IMPLICIT_LITTLE,)) as client:
                for data in _matches(client, model, keys):
                    subject = Subject(data, encoding_of(IMPLICIT_LITTLE), IMPLICIT_LITTLE, services.terms.get())
                    if run_hook(services, RESULT, subject, _association(asker)) is Outcome.DESTROYED:
                        continue
                    if "FIXKODAK" in server.options:
                        _replace(subject.data, fixed_from_kodak)
                    if RETRIEVE_AE in subject.data:  # whoever asks us for it gets it over us
                        subject.data.set_text(RETRIEVE_AE, self._node.config.settings.ae_title)
                    yield subject.data
        except (RequestError, DataSetError) as fault:
            self._complain(server, fault)

    def _key(self, answer: DataSet, whole: bytes) -> bytes:
        """What tells an answer from others: the unique key of its level, else all of it."""
        tag = KEYS.get((answer.raw(LEVEL) or b"").strip(b"\0 ").decode("latin-1"))
        value = answer.raw(tag) if tag is not None else None
        return whole if value is None else value.strip(b"\0 ")

    # -- retrievals

    def _has_more(self, server: VirtualServer, keys: DataSet, asker: Asker) -> bool:
        """Whether it has an object that we have not; also if it does not say."""
        wanted = keys.copy()
        wanted.set_text(LEVEL, "IMAGE")
        if SOP_UID not in wanted:
            wanted.set_text(SOP_UID, "")
        found = [answer.raw(SOP_UID) or b"" for answer in self._answers(server, FIND["study"], wanted, asker)]
        location = self._archive.stores.writer.location
        return any(location(uid.strip(b"\0 ")) is None for uid in found)

    def _move(self, server: VirtualServer, keys: DataSet) -> None:
        """Have it send all that matches to us."""
        model = PATIENT_MOVE if (keys.text(LEVEL) or "").strip() == "PATIENT" else STUDY_MOVE
        own = dimse.padded(self._node.config.settings.ae_title)
        try:
            with (
                association(self._peer(server), model, (IMPLICIT_LITTLE,)) as client,
                self._node.door.expecting(client.address),
            ):
                more = {dimse.MOVE_DESTINATION: own, dimse.MESSAGE_ID: dimse.ushort(FETCHED)}
                request = _request(dimse.C_MOVE, model, more)
                (*_, last) = client.ask(request, keys.encode(encoding_of(IMPLICIT_LITTLE)))
            status = last.command.number(dimse.STATUS)
        except (RequestError, DataSetError, dimse.DimseError, OSError) as fault:
            self._complain(server, fault)
            return
        if status != dimse.SUCCESS:
            self._complain(server, RequestError(f"the C-MOVE was answered with status {status:04X}"))


def _matches(client: Client, model: str, keys: DataSet) -> Iterator[bytes]:
    """The data sets of the answers to a C-FIND."""
    request = _request(dimse.C_FIND, model, {})
    for answer in client.ask(request, keys.encode(encoding_of(IMPLICIT_LITTLE))):
        if answer.data_set:
            yield answer.data_set
        elif answer.command.number(dimse.STATUS) != dimse.SUCCESS:
            status = answer.command.number(dimse.STATUS)
            raise RequestError(f"the C-FIND was answered with status {status:04X}")


def _request(field: int, model: str, more: Mapping[int, bytes]) -> list[tuple[int, bytes]]:
    elements = {
        dimse.AFFECTED_SOP_CLASS: model.encode(),
        dimse.COMMAND_FIELD: dimse.ushort(field),
        dimse.MESSAGE_ID: dimse.ushort(1),
        dimse.PRIORITY: dimse.ushort(0),
        dimse.DATA_SET_TYPE: dimse.ushort(dimse.WITH_DATA_SET),
    }
    return sorted({**elements, **more}.items())


def _replace(data: DataSet, change: Callable[[str], str]) -> None:
    """The patient ID as the other side has it."""
    patient = data.text(PATIENT_ID)
    if patient and change(patient) != patient:
        data.set_text(PATIENT_ID, change(patient))


def _association(asker: Asker) -> Association:
    return Association(asker.calling_ae, asker.called_ae, asker.session)
