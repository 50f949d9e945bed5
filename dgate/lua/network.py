"""Functions of scripts that talk to other nodes (conquest-converters.md 11.5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dgate.dataset.model import DataSet
from dgate.dataset.structure import DataSetError
from dgate.encoding.elements import UNCOMPRESSED, encoding_of
from dgate.lua.border import NOTHING, text
from dgate.lua.client import Answer, Peer, RequestError, association
from dgate.lua.commandset import fields_of
from dgate.lua.objects import Fields, OwnSeries, ScriptError, Thing, whole_bytes
from dgate.net import dimse
from dgate.net.echo import VERIFICATION
from dgate.rules.subject import SOP_CLASS, SOP_UID, Subject

if TYPE_CHECKING:
    from dgate.lua.border import Border, Command, Values
    from dgate.lua.state import Scalar

IMPLICIT, LITTLE = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
PLAIN = (IMPLICIT, LITTLE)
MODELS = {
    ("find", "patient"): "1.2.840.10008.5.1.4.1.2.1.1",
    ("find", "study"): "1.2.840.10008.5.1.4.1.2.2.1",
    ("find", "worklist"): "1.2.840.10008.5.1.4.31",
    ("move", "patient"): "1.2.840.10008.5.1.4.1.2.1.2",
    ("move", "study"): "1.2.840.10008.5.1.4.1.2.2.2",
}
LEVEL = 0x00080052
_LOWEST = ((0x00080018, "IMAGE"), (0x0020000E, "SERIES"), (0x0020000D, "STUDY"))


def _peer(border: Border, ae: Scalar) -> Peer:
    """A node of acrnema.map. Raises `RequestError`."""
    name = text(ae, "an AE title")
    node = border.host.config.amap.find(name)
    if node is None or node.port_number is None:
        raise RequestError(f"{name} is not in acrnema.map")
    border.line.services.log.flush()
    return Peer(node.host, node.port_number, border.line.services.settings().ae_title, node.ae)


def _request(field: int, sop_class: str, *more: tuple[int, bytes], data_set: bool = True) -> list[tuple[int, bytes]]:
    """A request with priority 0, elements in ascending order."""
    elements = [
        (dimse.AFFECTED_SOP_CLASS, sop_class.encode("latin-1")),
        (dimse.COMMAND_FIELD, dimse.ushort(field)),
        (dimse.MESSAGE_ID, dimse.ushort(1)),
        (dimse.DATA_SET_TYPE, dimse.ushort(dimse.WITH_DATA_SET if data_set else dimse.NO_DATA_SET)),
        *more,
    ]
    if field != dimse.C_ECHO:
        elements.append((dimse.PRIORITY, dimse.ushort(0)))
    return sorted(elements)


def dicomquery(border: Border, ae: Scalar, level: Scalar, number: Scalar) -> Values:
    """`dicomquery(ae, level, object)`: the answers to a C-FIND; nothing if there is no association."""
    kind = text(level, "a level").upper()
    root = {"PATIENT": "patient", "WORKLIST": "worklist"}.get(kind, "study")
    query = border.thing(number).data.copy()
    if root != "worklist":
        query.set_text(LEVEL, kind)
    model = MODELS["find", root]
    try:
        with association(_peer(border, ae), model, PLAIN) as client:
            encoding = encoding_of(client.transfer_syntax)
            answers = list(client.ask(_request(dimse.C_FIND, model), query.encode(encoding)))
            things = [
                Thing(Subject(answer.data_set, encoding, client.transfer_syntax, border.terms))
                for answer in answers
                if answer.data_set
            ]
    except RequestError as fault:
        border.line.services.log.console(f"***dicomquery: {fault}")
        return NOTHING
    return border.give(OwnSeries(border.terms, things))


def dicommove(
    border: Border,
    source: Scalar,
    destination: Scalar,
    number: Scalar,
    patient_root: Scalar = None,
    _extra: Scalar = None,
) -> Values:
    """`dicommove(source, destination, object[, patient root])`: nothing if all went well, else why it did not."""
    keys = border.thing(number).data.copy()
    level = keys.text(LEVEL) or next((name for tag, name in _LOWEST if keys.text(tag)), "PATIENT")
    keys.set_text(LEVEL, level)
    model = MODELS["move", "patient" if patient_root or level == "PATIENT" else "study"]
    target = dimse.padded(text(destination, "an AE title"))
    try:
        with association(_peer(border, source), model, PLAIN) as client:
            request = _request(dimse.C_MOVE, model, (dimse.MOVE_DESTINATION, target))
            data = keys.encode(encoding_of(client.transfer_syntax))
            status = _last(list(client.ask(request, data))).command.number(dimse.STATUS)
    except (RequestError, dimse.DimseError):
        return ("***dicommove: could not connect or no answer",)
    return NOTHING if status == dimse.SUCCESS else ("***dicommove: remote DICOM error",)


def _last(answers: Sequence[Answer]) -> Answer:
    if not answers:
        raise RequestError("no answer")
    return answers[-1]


def dicomecho(border: Border, ae: Scalar, *_: Scalar) -> Values:
    """`dicomecho(ae)`: the response; nothing if there is none."""
    try:
        with association(_peer(border, ae), VERIFICATION, (IMPLICIT,)) as client:
            answers = list(client.ask(_request(dimse.C_ECHO, VERIFICATION, data_set=False)))
            return border.give(Fields(fields_of(_last(answers).command)))
    except RequestError:
        return NOTHING


def dicomstore(border: Border, ae: Scalar, number: Scalar) -> Values:
    """`dicomstore(ae, object or array)`: the last response; nothing where an object could not be sent."""
    found = border.object(number)
    things = found.things if isinstance(found, OwnSeries) else [border.thing(number)]
    answer = None
    try:
        for thing in things:
            answer = _store(border, _peer(border, ae), thing.subject)
    except RequestError as fault:
        border.line.services.log.console(f"***dicomstore: {fault}")
        return NOTHING
    return NOTHING if answer is None else border.give(Fields(fields_of(answer.command)))


def _store(_border: Border, peer: Peer, subject: Subject) -> Answer:
    sop_class, sop_instance = subject.attribute(SOP_CLASS), subject.attribute(SOP_UID)
    if not sop_class or not sop_instance:
        raise ScriptError("the object has no SOP class or no SOP instance UID")
    own = subject.transfer_syntax
    offered = tuple(dict.fromkeys((own, *PLAIN))) if own in UNCOMPRESSED else (own,)
    with association(peer, sop_class, offered) as client:
        content = whole_bytes(subject)
        if client.transfer_syntax != own:
            content = _converted(subject, content, client.transfer_syntax)
        request = _request(dimse.C_STORE, sop_class, (dimse.AFFECTED_SOP_INSTANCE, sop_instance.encode("latin-1")))
        return _last(list(client.ask(request, content)))


def _converted(subject: Subject, content: bytes, transfer_syntax: str) -> bytes:
    try:
        return DataSet.parse(content, subject.encoding, subject.terms).encode(encoding_of(transfer_syntax))
    except DataSetError as fault:
        raise ScriptError(str(fault)) from fault


COMMANDS: dict[str, Command] = {
    "dicomquery": dicomquery,
    "dicommove": dicommove,
    "dicomecho": dicomecho,
    "dicomstore": dicomstore,
}
