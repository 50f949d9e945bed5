"""Changes of stored objects, with each of the databases."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest

from dgate.archive.delete import Names, delete
from dgate.archive.entry import Location
from dgate.archive.modify import Change, NotModifiedError, Stored, add_changed, modify
from dgate.dataset.structure import DataSetError
from dgate.index.tables import Level
from dgate.interfaces import Session
from dgate.rules.anonymizing import rename
from dgate.rules.instance import make_rules
from dgate.rules.interfaces import Association, Services
from dgate.rules.naming import replacements
from dgate.rules.outcome import Outcome
from dgate.rules.subject import Subject
from tests.dgate.archive.support import DICTIONARY_FILE, TABLES, UID, House, ct1

DESCRIPTION = 0x00081030


@pytest.fixture
def house(house: House) -> House:
    """With a dictionary, and two images of one series."""
    house.reopen(dictionary=str(DICTIONARY_FILE))
    for number in (b"1", b"2"):
        assert house.store(ct1(t00080018=UID.encode() + b".1." + number, t00200013=number)) == 0
    return house


@pytest.fixture
def services(house: House) -> Services:
    return make_rules(house.archive, house.log, lambda: house.settings).services


def images(house: House, **keys: bytes) -> list[Stored]:
    sql, values = Names(house.archive.stores.tables).images(keys)
    with house.archive.stores.writer.exclusive() as connection:
        rows = connection.execute(sql, values).fetchall()
    return [Stored(uid, Location(device, path)) for uid, path, device in rows]


def to_other(services: Services, patient: str) -> Change:
    def change(subject: Subject, _association: Association) -> Outcome:
        with replacements(services) as table:
            rename(subject, patient, lambda uid: table.replacement(uid.encode(), kind=b"test").decode())
        return Outcome.STORED

    return change


def describe(text: str) -> Change:
    def change(subject: Subject, _association: Association) -> Outcome:
        subject.data.set_text(DESCRIPTION, text)
        return Outcome.STORED

    return change


def test_a_study_is_found_by_any_of_its_keys(house: House) -> None:
    for keys in ({"patient_id": b"PAT 001.A"}, {"study_uid": UID.encode()}, {"series_uid": UID.encode() + b".1"}):
        assert len(images(house, **keys)) == 2
    assert images(house, patient_id=b"OTHER", study_uid=UID.encode()) == []


def test_in_place(house: House, services: Services) -> None:
    before = house.files()
    for stored in images(house, patient_id=b"PAT 001.A"):
        modify(house.archive, services, stored, describe("new"), Session())
    assert house.files() == before
    assert [pydicom.dcmread(house.data / name).StudyDescription for name in before] == ["new", "new"]
    assert house.rows("SELECT StudyDescr FROM DICOMStudies") == [(b"new",)]


def test_to_another_patient_and_again(house: House, services: Services) -> None:
    for stored in images(house, patient_id=b"PAT 001.A"):
        modify(house.archive, services, stored, to_other(services, "OTHER"), Session())
    assert [house.rows(f"SELECT COUNT(*) FROM {table}") for table in TABLES] == [[(1,)], [(1,)], [(1,)], [(2,)]]  # noqa: S608
    assert house.rows("SELECT PatientID FROM DICOMPatients") == [(b"OTHER",)]
    after = house.rows("SELECT SOPInstanc FROM DICOMImages ORDER BY SOPInstanc")
    # as after a crash between storing the new one and deleting the old one
    assert house.store(ct1(t00080018=UID.encode() + b".1.1", t00200013=b"1")) == 0
    (again,) = images(house, patient_id=b"PAT 001.A")
    modify(house.archive, services, again, to_other(services, "OTHER"), Session())
    assert house.rows("SELECT SOPInstanc FROM DICOMImages ORDER BY SOPInstanc") == after
    assert len(house.files()) == 2
    assert house.leftovers() == []


def test_what_fails_stays_as_it_was(house: House, services: Services) -> None:
    def broken(_subject: Subject, _association: Association) -> Outcome:
        raise DataSetError("of its own")

    before, contents = house.tables(), [(house.data / name).read_bytes() for name in house.files()]
    stored = images(house, patient_id=b"PAT 001.A")[0]
    with pytest.raises(NotModifiedError):
        modify(house.archive, services, stored, broken, Session())
    with pytest.raises(NotModifiedError, match="is no device of this server"):
        modify(house.archive, services, Stored(stored.uid, Location(b"MAG9", b"x")), describe("x"), Session())
    with pytest.raises(NotModifiedError, match="its file holds another object"):
        modify(house.archive, services, Stored(b"9.9", stored.location), describe("x"), Session())
    assert house.tables() == before
    assert [(house.data / name).read_bytes() for name in house.files()] == contents
    assert house.leftovers() == []


def test_the_index_is_away(house: House, services: Services) -> None:
    """Nothing is replaced that could not be entered."""
    stored = images(house, patient_id=b"PAT 001.A")[0]
    contents = [(house.data / name).read_bytes() for name in house.files()]
    house.change("DROP TABLE DICOMSeries")
    with pytest.raises(NotModifiedError):
        modify(house.archive, services, stored, describe("x"), Session())
    assert [(house.data / name).read_bytes() for name in house.files()] == contents


def test_a_file_comes_in_changed(house: House, services: Services, tmp_path: Path) -> None:
    source = house.data / house.files()[0]
    copy = tmp_path / "copy.dcm"
    copy.write_bytes(source.read_bytes())
    assert add_changed(house.archive, services, str(copy).encode(), to_other(services, "OTHER"))
    assert sorted(house.rows("SELECT PatientID FROM DICOMPatients")) == [(b"OTHER",), (b"PAT 001.A",)]
    assert len(house.files()) == 3


@pytest.mark.parametrize("renamed", [True, False])
def test_what_is_stored_meanwhile_is_not_lost(house: House, services: Services, *, renamed: bool) -> None:
    """An acknowledged object stays, whoever is just changing what it takes the place of."""
    stored = images(house, patient_id=b"PAT 001.A")[0]
    change = to_other(services, "OTHER") if renamed else describe("changed")

    def with_a_store_in_between(subject: Subject, association: Association) -> Outcome:
        assert house.store(ct1(t00080018=stored.uid, t00200013=b"77")) == 0
        return change(subject, association)

    with pytest.raises(NotModifiedError):
        modify(house.archive, services, stored, with_a_store_in_between, Session())
    path = house.rows("SELECT ObjectFile FROM DICOMImages WHERE ImageNumbe = '77'")[0][0].decode()
    assert pydicom.dcmread(house.data / path).InstanceNumber == 77
    assert len(house.files()) == (3 if renamed else 2)
    assert house.leftovers() == []


def test_what_is_deleted_meanwhile_does_not_come_back(house: House, services: Services) -> None:
    stored = images(house, patient_id=b"PAT 001.A")[0]

    def with_a_deletion_in_between(_subject: Subject, _association: Association) -> Outcome:
        assert delete(house.archive, Level.IMAGE, {"sop_uid": stored.uid}) == 1
        return Outcome.STORED

    with pytest.raises(NotModifiedError):
        modify(house.archive, services, stored, with_a_deletion_in_between, Session())
    assert len(house.files()) == 1
    assert house.rows("SELECT COUNT(*) FROM DICOMImages") == [(1,)]
