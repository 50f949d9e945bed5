"""Commands that change what is stored: by a script, to another patient, to nobody, several into one."""

from __future__ import annotations

from collections.abc import Iterator

import pydicom
import pytest
from pydicom import dcmread

from tests.dgate.archive.support import TABLES, UID
from tests.dgate.commands.conftest import Site

PATIENT = "PAT 001.A"


def objects(site: Site) -> list[pydicom.FileDataset]:
    return [dcmread(site.root / "data" / name) for name in site.files()]


def kinds(found: list[pydicom.FileDataset]) -> list[int]:
    """How many series and studies they belong to."""
    return [len({o.SeriesInstanceUID for o in found}), len({o.StudyInstanceUID for o in found})]


def rows(site: Site) -> set[tuple[str, ...]]:
    """What the index says of every image, joined from top to bottom."""
    return set(
        site.rows(
            "SELECT DICOMPatients.PatientID, DICOMStudies.StudyInsta, DICOMSeries.SeriesInst, SOPInstanc, ObjectFile "
            "FROM DICOMImages JOIN DICOMSeries ON DICOMImages.SeriesInst = DICOMSeries.SeriesInst "
            "JOIN DICOMStudies ON DICOMSeries.StudyInsta = DICOMStudies.StudyInsta "
            "JOIN DICOMPatients ON DICOMStudies.PatientID = DICOMPatients.PatientID"
        )
    )


def check_consistent(site: Site) -> None:
    """Each file has its row, each row its file, and both say the same; no row is without images."""
    told = {
        (str(o.PatientID), str(o.StudyInstanceUID), str(o.SeriesInstanceUID), str(o.SOPInstanceUID), name)
        for name, o in zip(site.files(), objects(site), strict=True)
    }
    assert rows(site) == told
    for column, table in enumerate(TABLES):
        assert site.rows(f"SELECT COUNT(*) FROM {table}") == [(len({row[column] for row in told}),)]  # noqa: S608 - names from above


@pytest.fixture
def study(site: Site) -> Iterator[Site]:
    """A study of two series with two images each."""
    for series in (1, 2):
        for image in (1, 2):
            site.store(
                t0020000e=f"{UID}.{series}".encode(),
                t00080018=f"{UID}.{series}.{image}".encode(),
                t00200011=str(series).encode(),
                t00200013=str(image).encode(),
            )
    yield site
    check_consistent(site)
    assert [name for name in (site.root / "data" / ".spool").iterdir() if name.suffix == ".tmp"] == []


def test_an_image_is_changed_where_it_lies(study: Site) -> None:
    before = study.files()
    assert study.command(f"modifyimage:{before[0]},set 0010,0010 to 'New^Name'; delete 0008,1030") == "0"
    assert study.files() == before
    changed = dcmread(study.root / "data" / before[0])
    assert (changed.PatientName, "StudyDescription" in changed) == ("New^Name", False)
    assert changed.PixelData == bytes(range(64))
    assert [o.PatientName for o in objects(study)].count("New^Name") == 1
    assert study.rows("SELECT PatientNam FROM DICOMPatients") == [("New^Name",)]


def test_apostrophes_stay_in_a_script_with_quotes(study: Site) -> None:
    assert study.command(f'modifyimage:{study.files()[0]},set 0010,0010 to "O\'Neil"') == "0"
    assert "O'Neil" in [o.PatientName for o in objects(study)]


@pytest.mark.parametrize(
    ("command", "changed"),
    [
        (f"modifystudy:{PATIENT},{UID},", 4),
        (f"modifystudy:{PATIENT},,", 4),
        (f"modifystudy:,{UID},", 4),
        (f"modifyseries:{PATIENT},{UID}.2,", 2),
    ],
)
def test_a_study_or_series_is_changed(study: Site, command: str, changed: int) -> None:
    assert study.command(command + 'set 0008,1030 to "a, b"') == "0"
    assert [o.StudyDescription for o in objects(study)].count("a, b") == changed


def test_a_study_goes_to_another_patient(study: Site) -> None:
    before = objects(study)
    assert study.command(f'modifystudy:{PATIENT},{UID},set 0010,0020 to "OTHER"; newuids') == "0"
    assert study.rows("SELECT PatientID FROM DICOMPatients") == [("OTHER",)]
    after = objects(study)
    assert {o.SOPInstanceUID for o in before}.isdisjoint(o.SOPInstanceUID for o in after)
    assert (len(after), len({o.SeriesInstanceUID for o in after}), len({o.StudyInstanceUID for o in after})) == (
        4,
        2,
        1,
    )


def test_what_would_tear_objects_apart_is_refused(study: Site) -> None:
    for statement in ("set 0010,0020 to 'OTHER'", "set 0020,000e to '1.2.3'", "set 0020,000d to '1.2.3'"):
        assert study.command(f"modifystudy:{PATIENT},{UID},{statement}") == "1 4 of 4 images could not be modified"
    assert "stays as it is: for another patient, study or series it needs new UIDs (newuids)" in study.log()
    assert {o.PatientID for o in objects(study)} == {PATIENT}


def test_no_image_takes_the_place_of_another(study: Site) -> None:
    answer = study.command(f"modifyseries:{PATIENT},{UID}.1,set 0008,0018 to '1.2.3'")
    assert answer == "1 1 of 2 images could not be modified"
    assert len(study.files()) == 4
    assert "there is an object with the UID 1.2.3 already" in study.log()


def test_a_script_can_leave_an_image_out(study: Site) -> None:
    answer = study.command(f'modifystudy:{PATIENT},{UID},ifequal "%V0020,0013", "2"; destroy; set 0008,1030 to "x"')
    assert answer == "1 2 of 4 images could not be modified"
    assert sorted(o.StudyDescription for o in objects(study)) == ["Brain, w/o: contrast"] * 2 + ["x"] * 2


def test_an_interrupted_change_is_finished_by_the_same_command(study: Site) -> None:
    """As after a crash between storing the new object and deleting the old one."""
    (first, *_), kept = study.files(), {}
    kept[first] = (study.root / "data" / first).read_bytes()
    script = 'set 0010,0020 to "OTHER"; newuids'
    assert study.command(f"modifyimage:{first},{script}") == "0"
    (study.root / "again.dcm").write_bytes(kept[first])
    assert study.command(f"addimagefile:{study.root}/again.dcm") == "0"
    assert len(study.files()) == 5
    assert study.command(f"modifystudy:{PATIENT},{UID},{script}") == "0"
    assert len(study.files()) == 4


def test_a_big_image_keeps_its_pixels(site: Site) -> None:
    pixels = bytes(range(256)) * 12000
    site.store(t7fe00010=pixels)
    (name,) = site.files()
    for value in ("Brain, w/o: contras2", "a much longer description than the one before"):
        assert site.command(f'modifyimage:{name},set 0008,1030 to "{value}"') == "0"
        changed = dcmread(site.root / "data" / name)
        assert (changed.StudyDescription, changed.PixelData == pixels) == (value, True)
    check_consistent(site)


def test_ignore_rewrite_does_not_keep_an_image_from_being_changed(site: Site) -> None:
    site.store()
    site.ini.write_text(site.ini.read_text() + "IgnoreRewrite = 1\n")
    site.command("read_ini:")
    assert site.archive.stores.options.ignore_rewrite
    assert site.command(f'modifystudy:{PATIENT},,set 0008,1030 to "x"') == "0"
    assert objects(site)[0].StudyDescription == "x"


def test_neither_import_converters_nor_filters_see_what_is_changed(site: Site) -> None:
    site.store()
    site.ini.write_text(site.ini.read_text() + 'ImportConverter0 = set 0008,1030 to "imported"\n')
    site.command("read_ini:")
    assert site.command(f'modifystudy:{PATIENT},,set 0010,0010 to "New"') == "0"
    assert (objects(site)[0].StudyDescription, objects(site)[0].PatientName) == ("Brain, w/o: contrast", "New")


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("modifystudy:,,nop", "***modifystudy: expected a patient, study or series\n"),
        (f"modifystudy:{PATIENT},{UID},", "***modifystudy: expected a script behind the last comma\n"),
        (f"modifystudy:{PATIENT},9.9,nop", "***modifystudy: there is no such image\n"),
        ("modifyimage:none.dcm,nop", "***modifyimage: no such file: none.dcm\n"),
        ("anonymize:X", "***anonymize: expected ID,FILE\n"),
        (f"mergeseries:{PATIENT},{UID}.1", "***mergeseries: expected ID,UID\\UID: an ID, and two or more UIDs\n"),
        (f"mergestudy:{PATIENT},{UID}\\9.9", "***mergestudy: the patient has no images with the UID 9.9\n"),
    ],
)
def test_what_is_missing_is_said(study: Site, command: str, answer: str) -> None:
    assert study.command(command) == answer


def test_anonymize(site: Site) -> None:
    site.store(t00100040=b"M", t00081010=b"STATION", t00091001=b"private", t00081050=b"Doctor^Who", t00189999=b"x")
    (before,) = site.files()
    uids = (UID, f"{UID}.1", f"{UID}.1.1")
    assert site.command(f"anonymize:ANON1,{before}") == "0"
    (made,) = objects(site)
    assert (made.PatientID, made.PatientName, made.PatientBirthDate, made.PatientSex) == ("ANON1", "ANON1", "", "")
    assert (made.StudyDate, made.PatientIdentityRemoved) == ("20200229", "YES")
    assert not {0x00081010, 0x00091001, 0x00081050, 0x00081030} & {int(element.tag) for element in made}
    new = (made.StudyInstanceUID, made.SeriesInstanceUID, made.SOPInstanceUID)
    assert [site.command(f"changeuidback:{uid}") for uid in new] == list(uids)
    assert b"Doe" not in (site.root / "data" / site.files()[0]).read_bytes()
    check_consistent(site)


def test_anonymize_with_a_script_of_the_instance(site: Site) -> None:
    site.store()
    (site.root / "anonymize_script.cq").write_text('set 0010,0010 to "NOBODY"\nset 0008,1030 to "kept"\n')
    assert site.command(f"anonymize:ANON1,{site.files()[0]}") == "0"
    (made,) = objects(site)
    assert (made.PatientID, made.PatientName, made.StudyDescription, made.PatientBirthDate) == (
        "ANON1", "NOBODY", "kept", "19701231",
    )  # fmt: skip
    assert made.SOPInstanceUID == site.command(f"changeuid:{UID}.1.1")


def test_series_become_one(study: Site) -> None:
    assert study.command(f"mergeseries:{PATIENT},{UID}.1\\{UID}.2") == "0"
    made = objects(study)
    assert (len(made), len({o.SeriesInstanceUID for o in made}), {o.StudyInstanceUID for o in made}) == (4, 1, {UID})
    assert made[0].SeriesInstanceUID not in (f"{UID}.1", f"{UID}.2")
    assert len({o.SOPInstanceUID for o in made}) == 4


def test_the_converter_for_merged_series_sees_each_object(study: Site) -> None:
    study.ini.write_text(study.ini.read_text() + 'MergeSeriesConverter0 = set 0020,0011 to "9"\n')
    study.command("read_ini:")
    assert study.command(f"mergeseries:{PATIENT},{UID}.1\\{UID}.2") == "0"
    assert {o.SeriesNumber for o in objects(study)} == {9}


def test_studies_become_one(study: Site) -> None:
    study.store(t0020000d=b"1.2.9", t0020000e=b"1.2.9.1", t00080018=b"1.2.9.1.1")
    assert study.command(f"mergeseries:{PATIENT},{UID}.1\\1.2.9.1").startswith(
        "***mergeseries: the series belong to dif"
    )
    assert study.command(f"mergestudy:{PATIENT},{UID}\\1.2.9") == "0"
    made = objects(study)
    assert [len(made), *kinds(made)] == [5, 3, 1]
    # an image that came late goes the way of the others
    study.store(t0020000d=b"1.2.9", t0020000e=b"1.2.9.1", t00080018=b"1.2.9.1.2")
    assert study.command(f"mergestudy:{PATIENT},{UID}\\1.2.9") == "0"
    assert len({o.StudyInstanceUID for o in objects(study)}) == 1
