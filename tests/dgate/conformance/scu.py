"""What peers do: pynetdicom associations that send bytes as they are, so that any object can be tried."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset
from pynetdicom import AE, build_role
from pynetdicom.dimse_primitives import C_STORE

if TYPE_CHECKING:
    from pynetdicom.association import Association

from .objects import CT, EVLE, Elements, encode, uid_of

FIND = {"patient": "1.2.840.10008.5.1.4.1.2.1.1", "study": "1.2.840.10008.5.1.4.1.2.2.1",
        "patient_study": "1.2.840.10008.5.1.4.1.2.3.1", "worklist": "1.2.840.10008.5.1.4.31"}  # fmt: skip
MOVE = {"patient": "1.2.840.10008.5.1.4.1.2.1.2", "study": "1.2.840.10008.5.1.4.1.2.2.2",
        "patient_study": "1.2.840.10008.5.1.4.1.2.3.2"}  # fmt: skip
GET = {"patient": "1.2.840.10008.5.1.4.1.2.1.3", "study": "1.2.840.10008.5.1.4.1.2.2.3",
       "patient_study": "1.2.840.10008.5.1.4.1.2.3.3"}  # fmt: skip
VERIFICATION = "1.2.840.10008.1.1"
IVLE = "1.2.840.10008.1.2"

Contexts = Sequence[tuple[str, Sequence[str]]]


@contextmanager
def associated(
    port: int, contexts: Contexts, *, calling: str = "TESTSCU", called: str = "ORACLE", **more: Any
) -> Iterator[Association]:
    """An association that was accepted; it is released at the end, if it is still there."""
    ae = AE(ae_title=calling)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = ae.connection_timeout = 20
    for abstract, transfers in contexts:
        ae.add_requested_context(abstract, list(transfers))
    association = ae.associate("127.0.0.1", port, ae_title=called, **more)
    try:
        assert association.is_established, association.acceptor.primitive
        yield association
    finally:
        if association.is_established:
            association.release()


@dataclass(frozen=True)
class Response:
    """What came back: the status (None: the association was closed instead), the command elements, the data set."""

    status: int | None
    message: Any = None


def send(association: Association, data: bytes, sop_class: str, uid: str, message_id: int = 1) -> Response:
    """One C-STORE with these bytes as its data set."""
    request = C_STORE()
    request.MessageID = message_id
    request.AffectedSOPClassUID = sop_class
    request.AffectedSOPInstanceUID = uid
    request.Priority = 0
    request.DataSet = BytesIO(data)
    context: Any = next(c for c in association.accepted_contexts if c.abstract_syntax == sop_class)
    association._reactor_checkpoint.clear()
    try:
        association.dimse.send_msg(request, context.context_id)
        _, message = association.dimse.get_msg(block=True)
    finally:
        association._reactor_checkpoint.set()
    return Response(None if message is None else message.Status, message)


def store(
    port: int, *objects: Elements, syntax: str = EVLE, sop_class: str = CT, calling: str = "TESTSCU",
    called: str = "ORACLE",
) -> list[int | None]:  # fmt: skip
    """Store objects over one association; their statuses."""
    with associated(port, [(sop_class, [syntax])], calling=calling, called=called) as association:
        return [
            send(association, encode(each, syntax), sop_class, uid_of(each) or "1.2.3.4").status for each in objects
        ]


def find(port: int, model: str, keys: Mapping[str, object], *, syntax: str = IVLE) -> tuple[int, list[Dataset]]:
    """A C-FIND: the final status and the answers. `keys` are keywords, or tags as eight hexadecimal digits."""
    with associated(port, [(FIND[model], [syntax])]) as association:
        *pending, last = association.send_c_find(dataset(keys), FIND[model])
    assert all(status.Status == 0xFF00 for status, _ in pending)
    return last[0].Status, [identifier for _, identifier in pending if identifier is not None]


def dataset(keys: Mapping[str, object]) -> Dataset:
    made = Dataset()
    for name, value in keys.items():
        if len(name) == 8 and all(digit in "0123456789abcdefABCDEF" for digit in name):
            made.add_new(int(name, 16), "LO", value)
        else:
            setattr(made, name, value)
    return made


def plain(identifiers: Iterable[Dataset]) -> list[dict[str, str]]:
    """Answers as text by keyword, level left out."""
    return [
        {(each.keyword or f"{int(each.tag):08x}"): _text(each.value) for each in found if each.tag != 0x00080052}
        for found in identifiers
    ]


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return "\\".join(str(each) for each in value)
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def both_roles(sop_class: str) -> Any:
    return build_role(sop_class, scu_role=True, scp_role=True)
