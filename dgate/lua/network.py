"""Functions of scripts that talk to other nodes (conquest-converters.md 11.5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dgate.dataset.model import DataSet
from dgate.dataset.structure import DataSetError
from dgate.encoding.elements import UNCOMPRESSED, encoding_of
from dgate.forward.statement import split_address
from dgate.lua.border import NOTHING, text
from dgate.lua.client import Answer, Peer, RequestError, UnreachableError, association
from dgate.lua.commandset import encoded, fields_of
from dgate.lua.host import as_log_text
from dgate.lua.objects import Fields, OwnSeries, ScriptError, Thing
from dgate.net import dimse
from dgate.net.echo import VERIFICATION
from dgate.rules.objects import whole_bytes
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
    ("get", "patient"): "1.2.840.10008.5.1.4.1.2.1.3",
    ("get", "study"): "1.2.840.10008.5.1.4.1.2.2.3",
}
STORAGE = "1.2.840.10008.5.1.4.1.1."
"""How the UIDs of storage SOP classes begin."""
USUAL = tuple(
    STORAGE + end
    for end in (
        "1", "1.1", "1.2", "2", "2.1", "3.1", "4", "4.1", "6.1", "6.2", "7", "7.1", "7.2", "7.3", "7.4", "11.1",
        "12.1", "12.2", "20", "66", "66.1", "66.4", "77.1.1", "77.1.4", "88.11", "88.22", "88.33", "88.59", "104.1",
        "128", "130", "481.1", "481.2", "481.3", "481.5",
    )
)  # fmt: skip
"""Those that are asked for where dgatesop.lst names none."""
LOCAL = "(local)"
LEVEL = 0x00080052
_LOWEST = ((0x00080018, "IMAGE"), (0x0020000E, "SERIES"), (0x0020000D, "STUDY"))


class UnknownError(RequestError):
    """A name that stands for no node."""


def _peer(border: Border, ae: Scalar) -> Peer:
    """A node of acrnema.map, this server itself, or `host:port`. Raises `UnknownError`."""
    name, settings = text(ae, "an AE title"), border.line.services.settings()
    border.line.services.log.flush()
    own = settings.ae_title
    node = border.host.config.amap.find(own if name == LOCAL else name)
    if node is not None and node.port_number is not None:
        return Peer(node.host, node.port_number, own, node.ae)
    if name in (LOCAL, own):
        return Peer("127.0.0.1", settings.port, own, own)
    address = split_address(name)
    if address is None:
        raise UnknownError(f"AE not found: {name}")
    return Peer(*address, own, name)


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
            things = [_taken(border, answer.data_set, client.transfer_syntax) for answer in answers if answer.data_set]
    except RequestError as fault:
        border.line.services.log.console(as_log_text(f"***dicomquery: {fault}"))
        return NOTHING
    return border.give(OwnSeries(border.terms, things))


def dicommove(
    border: Border,
    source: Scalar,
    destination: Scalar,
    number: Scalar,
    patient_root: Scalar = None,
    extra: Scalar = None,
) -> Values:
    """`dicommove(source, destination, object[, patient root[, extra]])`: nothing if all went well, else why it did not.

    The elements of `extra` go into the command, or take the place of what would be there.
    """
    keys = border.thing(number).data.copy()
    level = keys.text(LEVEL) or next((name for tag, name in _LOWEST if keys.text(tag)), "PATIENT")
    keys.set_text(LEVEL, level)
    model = MODELS["move", "patient" if patient_root or level == "PATIENT" else "study"]
    target = dimse.padded(text(destination, "an AE title"))
    more = {} if extra is None else _command_elements(border.thing(extra))
    try:
        with association(_peer(border, source), model, PLAIN) as client:
            request = {**dict(_request(dimse.C_MOVE, model, (dimse.MOVE_DESTINATION, target))), **more}
            data = keys.encode(encoding_of(client.transfer_syntax))
            status = _last(list(client.ask(sorted(request.items()), data))).command.number(dimse.STATUS)
    except UnknownError as fault:
        return _not_moved(border, str(fault))
    except UnreachableError:
        return _not_moved(border, f"could not connect to AE: {text(source)}")
    except (RequestError, dimse.DimseError):
        return _not_moved(border, "association lost")
    return NOTHING if status == dimse.SUCCESS else _not_moved(border, "remote DICOM error")


def _command_elements(thing: Thing) -> dict[int, bytes]:
    """What an object has for a command set: fields of group 0000, and what private elements it has."""
    found = {tag: encoded(tag, value) for tag, value in thing.subject.command_fields.items()}
    return found | {tag: thing.data.raw(tag) or b"" for tag in thing.data.tags()}


def _not_moved(border: Border, why: str) -> Values:
    """The log says it too."""
    line = f"***dicommove: {why}"
    border.line.services.log.console(as_log_text(line))
    return (line,)


def dicomget(border: Border, ae: Scalar, level: Scalar, number: Scalar) -> Values:
    """`dicomget(ae, level, object)`: the objects that match, by C-GET; nothing if there is no association."""
    kind = text(level, "a level").upper()
    keys = border.thing(number).data.copy()
    keys.set_text(LEVEL, kind)
    model = MODELS["get", "patient" if kind == "PATIENT" else "study"]
    try:
        with association(_peer(border, ae), model, PLAIN, _storage_classes(border)) as client:
            answers = list(client.ask(_request(dimse.C_GET, model), keys.encode(encoding_of(client.transfer_syntax))))
            stored = [answer for answer in answers if answer.command.field == dimse.C_STORE]
            status = _last(answers).command.number(dimse.STATUS)
            syntaxes = client.contexts
    except (RequestError, dimse.DimseError) as fault:
        border.line.services.log.console(as_log_text(f"***dicomget: {fault}"))
        return NOTHING
    if status != dimse.SUCCESS:
        border.line.services.log.console("***dicomget: remote DICOM error")
    things = [_taken(border, answer.data_set, syntaxes[answer.context]) for answer in stored]
    return border.give(OwnSeries(border.terms, things))


def _storage_classes(border: Border) -> tuple[str, ...]:
    """What this server itself would take."""
    listed = border.host.config.sop_list.abstract or ()
    return tuple(sorted(uid for uid in listed if uid.startswith(STORAGE))) or USUAL


def _taken(border: Border, data_set: bytes, syntax: str) -> Thing:
    return Thing(Subject(data_set, encoding_of(syntax), syntax, border.terms))


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
        border.line.services.log.console(as_log_text(f"***dicomstore: {fault}"))
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
    "dicomget": dicomget,
    "dicomecho": dicomecho,
    "dicomstore": dicomstore,
}
