"""C-MOVE of one patient from a node to another that the first one knows, and whether a node has that patient."""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import monotonic, sleep
from typing import TYPE_CHECKING

from conquestctl.dicom.association import Link, association
from conquestctl.dicom.target import CALLING, EchoTarget
from conquestctl.dicom.verdict import verdict

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

PATIENT_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.1.1"
PATIENT_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.1.2"
IMPLICIT_LITTLE = "1.2.840.10008.1.2"
PENDING = (0xFF00, 0xFF01)
UNKNOWN_DESTINATION = (0xA801, 0xC003)
"""PS3.4 table C.4-2, and what Conquest says instead (conquest-server.md 9.3)."""
TIMEOUT = 30.0
RELOAD = 2.0
"""Seconds within which a server has read a map that has just been written: it looks once a second."""
PAUSE = 0.1


@dataclass(frozen=True, slots=True)
class Moved:
    """What came of a C-MOVE."""

    failure: str = ""
    """What failed, in words; empty when everything arrived."""
    unknown: bool = False
    """It failed because the source does not know the destination."""


def move_when_known(source: EchoTarget, patient_id: str, destination: str, *, timeout: float = TIMEOUT) -> Moved:
    """The same as `move_patient`, again while the source may not have read its map yet."""
    until = monotonic() + RELOAD
    moved = move_patient(source, patient_id, destination, timeout=timeout)
    while moved.unknown and monotonic() < until:
        sleep(PAUSE)
        moved = move_patient(source, patient_id, destination, timeout=timeout)
    return moved


def move_patient(
    source: EchoTarget, patient_id: str, destination: str, *, calling: str = CALLING, timeout: float = TIMEOUT
) -> Moved:
    """Have `source` send a patient to an AE title of its map."""
    from pynetdicom.presentation import build_context

    link = Link(source, calling, timeout)
    with association(link, [build_context(PATIENT_ROOT_MOVE, IMPLICIT_LITTLE)]) as (assoc, recorder):
        answer: Dataset | None = None
        if assoc is not None:
            try:
                for answer, _ in assoc.send_c_move(_keys(patient_id), destination, PATIENT_ROOT_MOVE):
                    if answer.get("Status") not in PENDING:
                        break
            except RuntimeError:
                answer = None  # the association ended between its acceptance and our question
        status = answer.get("Status") if answer is not None else None
        layer, detail = verdict(replace(recorder.facts(), status=status), "C-MOVE")
    if status in UNKNOWN_DESTINATION:
        return Moved(f"{source.ae_title} does not know {destination} (0x{status:04X})", unknown=True)
    return Moved(f"{layer.value}: {detail}" if layer else _shortfall(answer))


def has_patient(node: EchoTarget, patient_id: str, *, calling: str = CALLING, timeout: float = TIMEOUT) -> bool | None:
    """Return whether a node's index has the patient; None when it cannot be asked."""
    from pynetdicom.presentation import build_context

    found, status = False, None
    with association(Link(node, calling, timeout), [build_context(PATIENT_ROOT_FIND, IMPLICIT_LITTLE)]) as (assoc, _):
        if assoc is None:
            return None
        try:
            for answer, _match in assoc.send_c_find(_keys(patient_id), PATIENT_ROOT_FIND):
                status = answer.get("Status")
                found = found or status in PENDING
        except RuntimeError:
            return None
    return found if status == 0 else None


def _shortfall(answer: Dataset | None) -> str:
    """What a final answer counts as not arrived; a node that says nothing about it is believed."""
    failed = answer.get("NumberOfFailedSuboperations") if answer is not None else None
    completed = answer.get("NumberOfCompletedSuboperations") if answer is not None else None
    if failed:
        return f"{failed} of its C-STOREs failed"
    return "nothing was sent" if completed == 0 else ""


def _keys(patient_id: str) -> Dataset:
    from pydicom.dataset import Dataset

    keys = Dataset()
    keys.QueryRetrieveLevel = "PATIENT"
    keys.PatientID = patient_id
    return keys
