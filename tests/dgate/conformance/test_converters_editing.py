"""conquest-converters.md section 6, the commands that change elements: set, setifempty, delete, newuids, scrub."""
# ruff: noqa: E501 - a case is a line

from __future__ import annotations

from functools import partial

import pydicom

from tests.dgate.conformance.converter_site import Case, ConverterSite, ct, hold, named, short

SEQUENCE, UID = "0008,1140", "0008,1155"


def raw(found: pydicom.Dataset, tag: int) -> bytes:
    """The value as it is in the file."""
    value = found.get_item(tag).value
    assert isinstance(value, bytes)
    return value


def has_comment(wanted: str, found: pydicom.Dataset) -> bool:
    return bool(found.PatientComments == wanted)


def uids(found: pydicom.Dataset) -> list[str]:
    return [item.get("ReferencedSOPInstanceUID", "") for item in found.ReferencedImageSequence]


def with_items() -> pydicom.Dataset:
    made = ct()
    items = []
    for number in range(2):
        item = pydicom.Dataset()
        item.ReferencedSOPInstanceUID = f"1.2.{number}"
        items.append(item)
    made.ReferencedImageSequence = items
    return made


def sets(text: str, **more: object) -> Case:
    """A case: a statement whose line in the log is itself."""
    return Case(text, [text], [f"IC0.0 executes: {text}"], **more)  # type: ignore[arg-type]


@named(
    sets('set 0010,4000 to "abc"', check=lambda found: raw(found, 0x00104000) == b"abc "),
    sets('SET PatientComments to "x"', check=lambda found: found.PatientComments == "x"),
    sets('set patientcomments to "x;y"', check=lambda found: found.PatientComments == "x;y"),
    Case(
        "values", ['set 0010,4000 to "%m of %i"'], ['IC0.0 executes: set 0010,4000 to "CT of 1CT1"'],
        check=lambda found: found.PatientComments == "CT of 1CT1",
    ),
    sets('set 0020,0052 to "1.2.3"', check=lambda found: raw(found, 0x00200052) == b"1.2.3\0"),
    sets('set 0028,0010 to "64"', check=lambda found: raw(found, 0x00280010) == b"\x40\0"),
    sets('set 0008,1196 to "7"', check=lambda found: raw(found, 0x00081196) == b"\7\0"),
    sets('set 0010,0030 to ""', check=lambda found: found.PatientBirthDate == ""),
    sets('set 0010,0010 to "A^B"', check=lambda found: found.PatientName == "A^B"),
    sets('set 0010,4000 if "x"', check=lambda found: found.PatientComments == "x"),
    Case(
        "set if nothing", ['set 0010,0010 if "%V0010,4000"'], ['IC0.0 executes void: set 0010,0010 if ""'],
        check=lambda found: found.PatientName == "CompressedSamples^CT1",
    ),
    Case(
        "set to nil", ["set 0010,0040 to nil"], ["IC0.0 deletes: 0010,0040"],
        check=lambda found: "PatientSex" not in found,
    ),
    Case(
        "set a keyword to nil", ["set PatientSex to nil; set PatientSex to nil"], ["IC0.0 deletes: 0010,0040"],
        check=lambda found: "PatientSex" not in found,
    ),
    Case("set an absent one to nil", ["set 0010,4000 to nil"], []),
    Case("set of no tag", ['set nosuch to "x"; nop'], ["IC0.1: nop"]),
    sets(f'set {SEQUENCE}/{UID} to "1.9"', of=with_items, check=lambda found: uids(found) == ["1.9", "1.2.1"]),
    sets(f'set {SEQUENCE}.1/{UID} to "1.9"', of=with_items, check=lambda found: uids(found) == ["1.2.0", "1.9"]),
    sets(f'set {SEQUENCE}.7/{UID} to "1.9"', of=with_items, check=lambda found: uids(found)[2:] == ["1.9"]),
    sets(f'set {SEQUENCE}.*/{UID} to "1.9"', of=with_items, check=lambda found: uids(found)[2:] == ["1.9"]),
    sets(f'set {SEQUENCE}/{UID} to "1.9"', check=lambda found: uids(found) == ["1.9"]),
    sets(
        'set ReferencedImageSequence.0/ReferencedSOPInstanceUID to "1.9"', of=with_items,
        check=lambda found: uids(found) == ["1.9", "1.2.1"],
    ),
    Case(
        "an empty sequence", [f'set {SEQUENCE} to ""'], [f"IC0.0 created sequence: {SEQUENCE}"],
        check=lambda found: len(found.ReferencedImageSequence) == 0,
    ),
    Case(
        "an empty sequence by name", ['set ReferencedImageSequence to ""'], [f"IC0.0 created sequence: {SEQUENCE}"],
        of=with_items, check=lambda found: len(found.ReferencedImageSequence) == 0,
    ),
    *[
        Case(
            f"format {form} of {value}", [f'set 0010,4000 format "{form}" to "{value}"'], None,
            check=partial(has_comment, wanted),
        )
        for form, value, wanted in [
            ("%%05d", "42", "00042"), ("%%x", "255", "ff"), ("%%.2f", "3.14159", "3.14"), ("<%%s>", "a b", "<a b>"),
            ("%%d", "7 mm", "7"), ("%%g", "0.5000", "0.5"), ("%%4d|", "x", "   0|"), ("%%05d", "-42", "-0042"),
        ]
    ],
    Case(
        "format in the log", ['set 0010,4000 format "%%05d" to "42"'],
        ['IC0.0 executes: set 0010,4000 format "%05d" to "42"'],
    ),
    Case(
        "variables", ['set x to "a"; set Y to "%i"; nop %x%y'],
        ['IC0.0 executes: set x to "a"', 'IC0.1 executes: set Y to "1CT1"', "IC0.2: nop a1CT1"],
    ),
)  # fmt: skip
def test_set(converter_site: ConverterSite, case: Case) -> None:
    hold(converter_site, case)


@named(
    sets('setifempty 0010,4000 to "x"', check=lambda found: found.PatientComments == "x"),
    sets('setifempty 0010,0030 to "x"', of=lambda: ct(PatientBirthDate=""), check=lambda found: raw(found, 0x00100030) == b"x "),
    Case("not empty", ['setifempty 0010,0010 to "x"'], ['IC0.0 executes void: setifempty 0010,0010 to "x"'],
         check=lambda found: found.PatientName == "CompressedSamples^CT1"),
    Case("no keywords", ['setifempty PatientComments to "x"'], ['IC0.0 executes void: setifempty PatientComments to "x"'],
         check=lambda found: "PatientComments" not in found),
    Case("variables", ['setifempty x to "a"; setifempty x to "b"; nop %x'], [
        'IC0.0 executes: setifempty x to "a"', 'IC0.1 executes void: setifempty x to "b"', "IC0.2: nop a",
    ]),
    sets("delete 0010,0040", check=lambda found: "PatientSex" not in found),
    Case("delete an absent one", ["delete 0010,4000"], ["IC0.0 executes void: delete 0010,4000"]),
    Case("delete by keyword", ["delete PatientID"], ["IC0.0 executes void: delete PatientID"],
         check=lambda found: found.PatientID == "1CT1"),
    Case("delete study", ["delete study; nop"], ["IC0.0 executes void: delete study", "IC0.1: nop"]),
    Case("delete patient", ["delete patient"], ["IC0.0 executes void: delete patient"]),
    Case("fixkodak", ["fixkodak"], ["IC0.0 executes: fixkodak", "Fixed patient ID from kodak, now 1234567 "],
         of=lambda: ct(PatientID="01234567"), check=lambda found: found.PatientID == "1234567"),
    Case("unfixkodak", ["unfixkodak"], ["IC0.0 executes: unfixkodak", "Fixed patient ID to kodak, now 01234567"],
         of=lambda: ct(PatientID="1234567"), check=lambda found: found.PatientID == "01234567"),
    Case("fixkodak of another", ["fixkodak"], ["IC0.0 executes: fixkodak"], check=lambda found: found.PatientID == "1CT1"),
    Case("fixkodak of a small one", ["fixkodak"], ["IC0.0 executes: fixkodak"],
         of=lambda: ct(PatientID="00000007"), check=lambda found: found.PatientID == "00000007"),
    Case("unfixkodak of one with a 0", ["unfixkodak"], ["IC0.0 executes: unfixkodak"],
         of=lambda: ct(PatientID="0234567"), check=lambda found: found.PatientID == "0234567"),
    Case("scrub - a tag", ["scrub -00100040,DA"], ["Scrubbing: -,00100040,DA,", "IC0.0: scrub -00100040,DA"],
         check=lambda found: "PatientSex" not in found and "StudyDate" not in found and found.PatientID == "1CT1"),
    Case("scrub - private", ["scrub -priv"], ["Scrubbing: -,priv,", "IC0.0: scrub -priv"],
         check=lambda found: not any(element.tag.is_private for element in found) and "PixelData" in found),
    Case("scrub +", ["scrub +0008,0010,0020,0028,7FE0"], None,
         check=lambda found: {element.tag.group for element in found} == {0x08, 0x10, 0x20, 0x28, 0x7FE0}),
)  # fmt: skip
def test_the_others(converter_site: ConverterSite, case: Case) -> None:
    hold(converter_site, case)


def test_new_uids_are_the_same_each_time(converter_site: ConverterSite) -> None:
    made = ct()
    made.ReferencedImageSequence = [pydicom.Dataset()]
    made.ReferencedImageSequence[0].ReferencedSOPClassUID = made.SOPClassUID
    made.ReferencedImageSequence[0].ReferencedSOPInstanceUID = made.SOPInstanceUID
    first = converter_site.run("newuids", of=made)
    stored = first.stored
    assert stored.SOPInstanceUID.startswith("99999.99999.7.")
    assert stored.file_meta.MediaStorageSOPInstanceUID == stored.SOPInstanceUID
    assert stored.SOPClassUID == made.SOPClassUID
    item = stored.ReferencedImageSequence[0]
    assert (item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID) == (made.SOPClassUID, stored.SOPInstanceUID)
    lines = short(first.log)
    assert lines[0] == "IC0.0 executes: newuids"
    assert f"NewUID for StudyInstanceUID = {stored.StudyInstanceUID}" in lines
    assert "[NewUIDsInDICOMObject] changing 0020,000d (StudyInstanceUID)" in lines
    assert converter_site.send(made).stored.StudyInstanceUID == stored.StudyInstanceUID
    back = converter_site.run("newuids; olduids", of=made)
    assert back.stored.SOPInstanceUID == made.SOPInstanceUID
    assert back.stored.StudyInstanceUID == made.StudyInstanceUID


def test_clauses_of_newuids(converter_site: ConverterSite) -> None:
    made = ct()
    seen = converter_site.run(f"newuids except 0020,000d|{made.SeriesInstanceUID}|0020,0052=1.2.3.4", of=made)
    kept = seen.stored
    assert kept.StudyInstanceUID == made.StudyInstanceUID
    assert kept.SeriesInstanceUID == made.SeriesInstanceUID
    assert kept.FrameOfReferenceUID == "1.2.3.4"
    assert kept.SOPInstanceUID != made.SOPInstanceUID
    assert seen.log[0].startswith("Importconverter0.0 executes: newuids except 0020,000d|1.2.3.")
    stages = [converter_site.run(f"newuids stage {name}", of=made).stored.StudyInstanceUID for name in ("A", "B", "A")]
    assert stages[0] == stages[2] != stages[1]
    assert (
        converter_site.run("newuids stage A; olduids stage A", of=made).stored.StudyInstanceUID == made.StudyInstanceUID
    )


def test_a_hashed_uid(converter_site: ConverterSite) -> None:
    made = ct(StudyInstanceUID="1.3.6.1.4.1.5962.1.2.1.20040119072730.12322")
    seen = converter_site.run("newuids stage #XYZ", of=made)
    assert seen.log[0] == "Importconverter0.0 executes: newuids stage #XYZ"
    assert seen.stored.StudyInstanceUID == "99999.99999.7.1745822448026043007438553184922590157787"


def test_uids_that_nobody_knows(converter_site: ConverterSite) -> None:
    made = ct()
    seen = converter_site.run("olduids", of=made)
    assert seen.log[:2] == ["Importconverter0.0 executes: olduids", "***ChangeUIDBack: Unable to locate new UID"]
    assert "***[OldUIDsInDICOMObject] FAILED to change 0008,0018 (SOPInstanceUID)" in seen.log
    assert seen.stored.SOPInstanceUID == made.SOPInstanceUID
    kept = converter_site.run("olduids except 0008,0014|0008,0018|0020,000d|0020,000e|0020,0052", of=made)
    assert "***ChangeUIDBack: Unable to locate new UID" not in kept.log
