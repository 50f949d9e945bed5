"""WorkListMode against the real table."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pydicom
import pytest

from dgate.encoding.elements import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from tests.dgate.archive.support import House, ct1, make_house
from tests.dgate.archive.test_worklist import plan_procedures

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = make_house(tmp_path)
    plan_procedures(made)
    yield made
    made.archive.close()


def stored(house: House) -> pydicom.Dataset:
    ((name,),) = house.rows("SELECT ObjectFile FROM DICOMImages")
    return pydicom.dcmread(house.data / os.fsdecode(name))


@pytest.mark.parametrize("mode", [1, 2])
@pytest.mark.parametrize("syntax", [IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG])
def test_patient_and_study_come_from_the_worklist(house: House, mode: int, syntax: str) -> None:
    house.reopen(worklist_mode=mode)
    assert house.store(ct1(t00080050=b"A2"), syntax) == 0
    found = stored(house)
    assert (found.PatientID, found.PatientName) == ("P2", "Alpha^O'Neil_1%")
    assert (found.StudyInstanceUID, found.AccessionNumber) == ("1.2.3.2", "A2")
    assert (found.PatientBirthDate, found.PatientSex) == ("19701231", "M")  # the worklist does not know them
    assert house.rows("SELECT PatientID, StudyInsta, PatientNam FROM DICOMStudies") == [
        (b"P2", b"1.2.3.2", b"Alpha^O'Neil_1%")
    ]


def test_every_filled_attribute_has_its_own_vr(house: House) -> None:
    house.reopen(worklist_mode=1)
    assert house.store(ct1(t00080050=b"A1")) == 0
    found = stored(house)
    assert [(found[tag].VR, str(found[tag].value)) for tag in (0x00100030, 0x00100040, 0x00102000, 0x00102110)] == [
        ("DA", "19500102"),
        ("CS", "F"),
        ("LO", "Pacemaker"),
        ("LO", "Iodine"),
    ]


def test_without_the_mode_an_object_stays_as_it_is(house: House) -> None:
    assert house.store(ct1(t00080050=b"A2")) == 0
    assert stored(house).PatientID == "PAT 001.A"


@pytest.mark.parametrize("accession", [b"X9", b"", None, b"A*", b"A1\\A2"])
@pytest.mark.parametrize(("mode", "status"), [(1, 0), (2, 0x0110)])
def test_what_is_not_on_the_worklist(house: House, accession: bytes | None, mode: int, status: int) -> None:
    house.reopen(worklist_mode=mode)
    assert house.store(ct1(t00080050=accession)) == status
    assert len(house.files()) == (0 if status else 1)
    assert house.leftovers() == []
    refused = "***Object refused: its accession number is not on the worklist"
    assert (refused in house.log.lines) == bool(status)


def test_a_worklist_that_cannot_be_read_stores_nothing(house: House) -> None:
    house.reopen(worklist_mode=1, worklist_table="Elsewhere")
    assert house.store(ct1(t00080050=b"A2")) == 0x0110
    assert house.files() == house.leftovers() == []
    assert any("***Worklist cannot be read" in line for line in house.log.lines)
