"""Workloads that ask: C-FIND, C-MOVE and C-GET with prebuilt requests, and the count that proves a run."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.server import wire
from benchmarks.server.link import Link, LoadError, associate, status_of
from benchmarks.server.load import Target
from benchmarks.server.objects import FIRST_DAY, STUDIES_PER_DAY, Identity, Kind, identity
from benchmarks.server.sink import Sink

LEVEL, STUDY_UID, SERIES_UID, SOP_UID = 0x00080052, 0x0020000D, 0x0020000E, 0x00080018
PATIENT_ID, PATIENT_NAME, STUDY_DATE = 0x00100020, 0x00100010, 0x00080020
STUDY_KEYS = (STUDY_DATE, 0x00080030, 0x00080050, 0x00081030, PATIENT_NAME, PATIENT_ID, STUDY_UID, 0x00200010)
IMAGE_KEYS = (0x00080016, SOP_UID, STUDY_UID, SERIES_UID, 0x00200013)
DAYS = 3
"""Length of a date range."""
QUERIES = ("study by PatientID", "study by date range", "study by name wildcard", "images of one series")
_PENDING = {0xFF00, 0xFF01}


@dataclass(frozen=True, slots=True)
class Query:
    """A C-FIND-RQ and how many answers it must have."""

    request: bytes
    answers: int


def queries(name: str, kind: Kind, run: int, patients: int, count: int, seed: int) -> list[Query]:
    """`count` different queries of a sort, the same for every server."""
    chance = random.Random(f"{seed} {name}")  # noqa: S311 - deterministic on purpose
    make = dict(zip(QUERIES, (_by_id, _by_date, _by_name, _images), strict=True))[name]
    return [make(kind, run, chance.randrange(patients), patients) for _ in range(count)]


def _by_id(kind: Kind, run: int, patient: int, _: int) -> Query:
    return _study_query(PATIENT_ID, identity(run, patient, 0, 0, 0, kind.studies).patient_id, kind.studies)


def _by_date(kind: Kind, run: int, patient: int, patients: int) -> Query:
    days = patients * kind.studies // STUDIES_PER_DAY
    first = min(patient * kind.studies // STUDIES_PER_DAY, max(0, days - DAYS))
    earliest = identity(run, first * STUDIES_PER_DAY // kind.studies, 0, 0, 0, kind.studies).study_date
    last = min(first + DAYS, days) - 1
    latest = FIRST_DAY.fromordinal(FIRST_DAY.toordinal() + last)
    return _study_query(STUDY_DATE, f"{earliest}-{latest:%Y%m%d}", (last - first + 1) * STUDIES_PER_DAY)


def _by_name(kind: Kind, run: int, patient: int, patients: int) -> Query:
    tens = patient // 10
    name = identity(run, patient, 0, 0, 0, kind.studies).patient_name[:11]
    return _study_query(PATIENT_NAME, name + "*", min(10, patients - tens * 10) * kind.studies)


def _study_query(tag: int, text: str, answers: int) -> Query:
    keys = dict.fromkeys(STUDY_KEYS, "") | {LEVEL: "STUDY", tag: text}
    return Query(wire.query_request(wire.C_FIND, wire.STUDY_FIND, wire.identifier(list(keys.items()))), answers)


def _images(kind: Kind, run: int, patient: int, _: int) -> Query:
    return images_of(identity(run, patient, patient % kind.studies, 0, 0, kind.studies), kind.images)


def images_of(who: Identity, answers: int) -> Query:
    """All images of one series."""
    keys = dict.fromkeys(IMAGE_KEYS, "") | {LEVEL: "IMAGE", STUDY_UID: who.study, SERIES_UID: who.series}
    return Query(wire.query_request(wire.C_FIND, wire.STUDY_FIND, wire.identifier(list(keys.items()))), answers)


def find(target: Target, asked: Sequence[Query], *, prompt: bool = True) -> list[float]:
    """Milliseconds of each query on one association. Raises `LoadError` if an answer is missing or too much."""
    times: list[float] = []
    with associate(target.port, target.ae_title, [_context(wire.STUDY_FIND)], prompt=prompt) as link:
        for query in asked:
            start = time.monotonic()
            got = _answers(link, query.request)
            times.append((time.monotonic() - start) * 1000)
            if got != query.answers:
                raise LoadError(f"C-FIND gave {got} answers instead of {query.answers}")
    return times


def _answers(link: Link, request: bytes) -> int:
    link.sock.sendall(request)
    count = 0
    while True:
        status = link.response()
        if status not in _PENDING:
            break
        count += 1
    if status:
        raise LoadError(f"C-FIND ended with {status:04x}")
    return count


def count_images(target: Target, images: Iterable[Identity]) -> int:
    """How many images the server finds in the series of these."""
    series = {image.series: image for image in images}
    with associate(target.port, target.ae_title, [_context(wire.STUDY_FIND)]) as link:
        return sum(_answers(link, images_of(image, 0).request) for image in series.values())


def move(target: Target, sink: Sink, studies: Sequence[str], expected: int) -> float:
    """Objects per second by C-MOVE of whole studies to the lean receiver."""
    before = sink.received
    with associate(target.port, target.ae_title, [_context(wire.STUDY_MOVE)]) as link:
        start = time.monotonic()
        for study in studies:
            link.sock.sendall(wire.query_request(wire.C_MOVE, wire.STUDY_MOVE, _study(study), destination="BENCHSINK"))
            _finished(link, "C-MOVE")
        seconds = time.monotonic() - start
    if sink.received - before != expected:
        raise LoadError(f"C-MOVE brought {sink.received - before} objects instead of {expected}")
    return expected / seconds


def get(target: Target, sop_class: str, studies: Sequence[str], expected: int) -> float:
    """Objects per second by C-GET of whole studies on one association."""
    contexts = [_context(wire.STUDY_GET), wire.Proposal(3, sop_class, wire.EXPLICIT, provider=True)]
    got = 0
    with associate(target.port, target.ae_title, contexts) as link:
        start = time.monotonic()
        for study in studies:
            link.sock.sendall(wire.query_request(wire.C_GET, wire.STUDY_GET, _study(study)))
            got += _finished(link, "C-GET")
        seconds = time.monotonic() - start
    if got != expected:
        raise LoadError(f"C-GET brought {got} objects instead of {expected}")
    return expected / seconds


def _finished(link: Link, what: str) -> int:
    """Take stores and pending responses until the final one; how many stores there were. Raises `LoadError`."""
    stores = 0
    while True:
        context, command = link.message()
        request = wire.elements(command)
        if wire.number(request, wire.FIELD) == wire.C_STORE:
            stores += 1
            link.sock.sendall(wire.pdu(context, wire.COMMAND | wire.LAST, wire.store_response(request)))
            continue
        status = status_of(command)
        if status not in _PENDING:
            break
    failed = wire.number(request, wire.FAILED)
    if status or failed:
        raise LoadError(f"{what} ended with {status:04x}, {failed} failed")
    return stores


def _study(uid: str) -> bytes:
    return wire.identifier([(LEVEL, "STUDY"), (STUDY_UID, uid)])


def _context(sop_class: str) -> wire.Proposal:
    return wire.Proposal(1, sop_class, wire.IMPLICIT)
