"""Scripts that change what is stored: `newdicomdelete`, `newdicommodify`, `newdicomcopy`, `listoldestpatients`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pydicom
import pytest

from tests.dgate.lua.scripts import CT
from tests.dgate.rules.bench import UIDS, changed

if TYPE_CHECKING:
    from tests.dgate.lua.scripts import Bench

QUERY = "q = DicomObject:new() q.PatientID = '1CT1' "


@pytest.fixture
def stored(bench: Bench) -> Bench:
    """Two images of one study are in the archive."""
    assert bench.instance.store() == 0
    assert bench.instance.store(changed(CT, t00080018=b"1.2.3.4")) == 0
    return bench


def datasets(bench: Bench) -> list[pydicom.FileDataset]:
    return sorted((pydicom.dcmread(file) for file in bench.instance.files()), key=lambda each: each.SOPInstanceUID)


def test_what_matches_is_deleted(stored: Bench) -> None:
    assert stored.say(f"{QUERY} q.SOPInstanceUID = '1.2.3.4' newdicomdelete(q, 1)") == []
    assert [str(each.SOPInstanceUID) for each in datasets(stored)] == [UIDS["image"]]


@pytest.mark.parametrize("name", ["newdicomdelete", "newdicommodify", "newdicomcopy"])
def test_nothing_named_is_nothing_done(stored: Bench, name: str) -> None:
    (line,) = stored.say(f"{name}(DicomObject:new(), 'nop')")
    assert "nothing names the objects that are meant" in line
    assert len(datasets(stored)) == 2


def test_objects_are_changed_where_they_are(stored: Bench) -> None:
    before = [(each.SOPInstanceUID, each.PixelData) for each in datasets(stored)]
    stored.say(f"""{QUERY} newdicommodify(q, 'set 0008,103e to "changed"', 7)""")
    found = datasets(stored)
    assert [each.SeriesDescription for each in found] == ["changed", "changed"]
    assert [(each.SOPInstanceUID, each.PixelData) for each in found] == before
    assert stored.value("#dbquery('DICOMImages', 'SOPInstanc')") == "2"


def test_a_script_may_change_them(stored: Bench) -> None:
    stored.say(f"{QUERY} newdicommodify(q, 'lua:Data.StudyDescription = Data.PatientID')")
    assert [each.StudyDescription for each in datasets(stored)] == ["1CT1", "1CT1"]


def test_objects_with_new_uids_take_the_place_of_the_old(stored: Bench) -> None:
    before = {each.SOPInstanceUID for each in datasets(stored)}
    stored.say(f"""{QUERY} newdicommodify(q, 'newuids; set 0010,0020 to "ANON"')""")
    found = datasets(stored)
    assert {each.PatientID for each in found} == {"ANON"}
    assert before.isdisjoint(each.SOPInstanceUID for each in found)
    assert len(found) == 2
    assert stored.value("#dbquery('DICOMPatients', 'PatientID')") == "1"


def test_a_whole_study_goes_to_another_patient(stored: Bench) -> None:
    before = [each.SOPInstanceUID for each in datasets(stored)]
    stored.say(f"""{QUERY} newdicommodify(q, 'set 0010,0020 to "OTHER"')""")
    found = datasets(stored)
    assert [each.SOPInstanceUID for each in found] == before
    assert {each.PatientID for each in found} == {"OTHER"}
    assert stored.value("dbquery('DICOMPatients', 'PatientID')[1][1]") == "OTHER"
    assert {file.parent.name for file in stored.instance.files()} == {"OTHER"}


def test_what_cannot_go_elsewhere_stays(stored: Bench) -> None:
    lines = stored.say(f"""{QUERY} q.SOPInstanceUID = '1.2.3.4' newdicommodify(q, 'set 0010,0020 to "OTHER"')""")
    assert "***newdicommodify: 1 objects cannot be stored, and are as they were" in lines
    found = datasets(stored)
    assert {each.PatientID for each in found} == {"1CT1"}
    assert len(found) == 2
    assert stored.value("#dbquery('DICOMImages', 'SOPInstanc')") == "2"


def test_what_a_line_destroys_stays_as_it_is(stored: Bench) -> None:
    stored.say(f"""{QUERY} newdicommodify(q, 'set 0008,103e to "x"; destroy')""")
    assert not any("SeriesDescription" in each for each in datasets(stored))
    assert len(datasets(stored)) == 2


def test_copies_get_new_uids(stored: Bench) -> None:
    stored.say(f"""{QUERY} newdicomcopy(q, 'newuids; set 0010,0020 to "COPY"')""")
    found = datasets(stored)
    assert sorted(each.PatientID for each in found) == ["1CT1", "1CT1", "COPY", "COPY"]
    assert len({each.SOPInstanceUID for each in found}) == 4
    assert stored.value("listoldestpatients(5, 'mag0', 'PatientID')[2]") == "COPY"
    assert stored.value("#listoldestpatients(1), #listoldestpatients(9, 'MAG7')") == "1\t0"
    assert stored.value("listoldestpatients(1)[1]") == "1CT1"


def test_a_copy_with_the_same_uid_is_none(stored: Bench) -> None:
    lines = stored.say(f"""{QUERY} newdicomcopy(q, 'set 0010,0020 to "COPY"')""")
    assert f"***newdicomcopy: {UIDS['image']}: a copy needs another SOP instance UID" in lines
    assert len(datasets(stored)) == 2
