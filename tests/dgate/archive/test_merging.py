"""`merge study` on each kind of database: one series afterwards, and the same when it is done once more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pydicom

from dgate.forward.merging import Merging
from dgate.rules.instance import make_rules
from tests.dgate.archive.support import UID, ct1

if TYPE_CHECKING:
    from dgate.forward.table import Work
    from tests.dgate.archive.support import House

PATIENT = "PAT 001.A"


def work(**clauses: str) -> Work:
    keys = {"patient_id": PATIENT, "study_uid": UID}
    return {"keys": keys, "clauses": clauses, "prefix": "Importconverter", "number": 0, "part": 0, "id": "1 2"}


def series(house: House) -> list[tuple[bytes, int]]:
    found = house.rows("SELECT SeriesInst, COUNT(*) FROM DICOMImages GROUP BY SeriesInst ORDER BY 2")
    return [(bytes(uid), int(count)) for uid, count in found]


def test_the_series_of_a_study_become_one(house: House) -> None:
    for number in (b"1", b"2", b"3"):
        changes = {"t00080018": b"1.2." + number, "t0020000e": b"1.3." + number}
        assert house.store(ct1(**changes)) == 0
    services = make_rules(house.archive, house.log, lambda: house.settings).services
    merging = Merging(house.archive, lambda: services)
    merging.merge(work())
    ((uid, count),) = series(house)
    assert count == 3
    assert len(house.files()) == 3
    assert {pydicom.dcmread(house.data / path).SeriesInstanceUID for path in house.files()} == {uid.decode()}
    before = house.files()
    merging.merge(work())
    assert series(house) == [(uid, 3)]
    assert house.files() == before
    assert house.store(ct1(t00080018=b"1.2.4", t0020000e=b"1.3.4")) == 0
    merging.merge(work(modality="CT"))
    assert series(house) == [(uid, 4)]
    merging.merge(work(modality="MR"))
    assert series(house) == [(uid, 4)]
    assert house.leftovers() == []
