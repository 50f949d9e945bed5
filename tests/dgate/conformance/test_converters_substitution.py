"""conquest-converters.md section 4: `%` items, tag paths, modifiers."""
# ruff: noqa: E501 - a case is a line

from __future__ import annotations

import re

import pydicom
import pytest

from tests.dgate.conformance.converter_site import Case, ConverterSite, ct, hold, named


def shows(text: str, shown: str, **more: object) -> Case:
    """A case: what `nop` shows of a text."""
    return Case(text, [f"nop {text}"], [f"IC0.0: nop {shown}"], **more)  # type: ignore[arg-type]


def with_sequences() -> pydicom.Dataset:
    made = ct()
    inner = pydicom.Dataset()
    inner.CodeValue = "T-1"
    items = []
    for number in range(2):
        item = pydicom.Dataset()
        item.ReferencedSOPInstanceUID = f"1.2.{number}"
        item.PurposeOfReferenceCodeSequence = [inner]
        items.append(item)
    made.ReferencedImageSequence = items
    made.RequestedProcedureCodeSequence = []
    return made


def with_values() -> pydicom.Dataset:
    made = ct(PatientComments="a  b   ", PatientID="1CT1")
    made.add_new(0x00281101, "US", [256, 0, 8])
    made.ReferencePixelX0 = -5
    made.ImageComments = "x" * 257
    made.AdditionalPatientHistory = "y" * 254
    made.AccessionNumber = ""
    return made


@named(
    shows("%m %s %i", "CT CT01_OC0 1CT1"),
    shows("%M %S %I %V0010,0020 %v0010,0020", "CT CT01_OC0 1CT1 1CT1 1CT1"),
    shows("%u>%c", "SENDER>ORACLE"),
    shows("50% off", "50off"),
    shows("a%kb%", "ab"),
    shows("%%i %^ %~ %[0,1]", "%i ^ ~ [0,1]"),
    shows("a%tb", "a\tb"),
    Case("%n", ["nop a%nb"], ["IC0.0: nop a", "b"]),
    shows("%V0010,0010", "CompressedSamples^CT1"),
    shows("%VPatientName|%vPatientID", "CompressedSamples^CT1|1CT1"),
    shows("%Vnosuch!", "nosuch!"),
    shows("[%V0010,4000]", "[]"),
    shows("%V0028,0010x%VColumns", "128x128"),
    shows("%V0028,0120", "63536"),
    shows("%V7fe0,0010", "(too long)"),
    shows("%V0008,0008", "ORIGINAL\\PRIMARY\\AXIAL"),
    shows("%V0002,0010", "1.2.840.10008.1.2.1"),
    shows("%A0010,0020 %APatientID %A0010,4000", "3041014839 3041014839 0"),
    shows("%V0010,0010[0,3]", "Comp"),
    shows("%V0010,0010[15,99]", "es^CT1"),
    shows("<%V0010,0010[21,30]>", "<>"),
    shows("<%V0010,0010[3,1]>", "<CompressedSamples^CT1>"),
    shows("<%i[2]>", "<1CT1>"),
    shows("<%i[0,0]>", "<1>"),
    shows("<%i[,3]>", "<CT1>"),
    shows("<%i[,30]>", "<1CT1>"),
    shows("%V0010,0010^", "COMPRESSEDSAMPLES^CT1"),
    shows("%V0010,0010~", "compressedsamples^ct1"),
    shows("%i[,3]~|%VPatientName[0,1]^", "ct1|CO"),
    shows("%i^~", "1CT1~"),
    shows("%i~[0,1]", "1ct1[0,1]"),
    shows("%i%[0,1]%i%^%i%~", "1CT1[0,1]1CT1^1CT1~"),
    shows("%m[0,0]%s~", "Cct01_oc0"),
    shows("%u[0,2]~ %c[,3]", "sen CLE"),
)
def test_items(converter_site: ConverterSite, case: Case) -> None:
    hold(converter_site, case)


@named(
    shows("%V/0008,1140/0008,1155", "1.2.0", of=with_sequences),
    shows("%V/0008,1140.0/0008,1155 %V/0008,1140.1/0008,1155", "1.2.0 1.2.1", of=with_sequences),
    shows("%V/ReferencedImageSequence.1/ReferencedSOPInstanceUID", "1.2.1", of=with_sequences),
    shows("%V/ReferencedImageSequence.1/0040,a170/CodeValue", "T-1", of=with_sequences),
    shows("%V/0008,1140.1/0040,a170.0/0008,0100[0,0]~.", "t.", of=with_sequences),
    shows("%V*0008,0100 %V*CodeValue %V*0010,0020", "T-1 T-1 1CT1", of=with_sequences),
    shows("%V0008,1140 %VReferencedImageSequence", "(sequence) (sequence)", of=with_sequences),
    shows("<%V/0008,1111/0008,1155>", "<>", of=with_sequences),
    shows("<%V/0008,1140/0008,0020>", "<>", of=with_sequences),
    shows("<%V/0008,1140.2/0008,1155>", "</0008,1155>", of=with_sequences),
    shows("<%V/0008,1140.1/0040,a170.3/0008,0100>", "</0008,0100>", of=with_sequences),
    shows("%A/0008,1140.1/0040,a170/0008,0100", str(0), of=ct),
    shows("%V0010,4000.", "a  b.", of=with_values),
    shows("%V0028,1101", "256\\0\\8", of=with_values),
    shows("%V0018,6020", "-5", of=with_values),
    shows("%V0020,4000", "(too long)", of=with_values),
    shows("%V0010,21b0[,300]", "y" * 254, of=with_values),
    shows("<%V0008,0050>", "<>", of=with_values),
)
def test_paths_and_formats(converter_site: ConverterSite, case: Case) -> None:
    hold(converter_site, case)


def test_received_values_stay_and_the_others_follow(converter_site: ConverterSite) -> None:
    made = ct()
    seen = converter_site.run(
        'set 0008,0060 to "MR"; set 0008,1010 to "NEW"; set 0010,0020 to "OTHER"; set 0008,0018 to "1.2.77"; nop %m %s %i',
        "nop %m %s %o|%V0008,0060 %V0008,1010 %i %V0008,0018",
        of=made,
    )
    assert seen.log[-2:] == [
        "Importconverter0.4: nop CT CT01_OC0 OTHER",
        f"Importconverter1.0: nop CT CT01_OC0 {made.SOPInstanceUID}|MR NEW OTHER 1.2.77",
    ]
    assert seen.path is not None
    assert seen.path.parent.name == "OTHER"
    assert (seen.stored.Modality, seen.stored.SOPInstanceUID) == ("MR", "1.2.77")


def test_titles_of_the_association(converter_site: ConverterSite) -> None:
    seen = converter_site.run("nop %u %c", calling="MOD 1", called="ORACLE~un")
    assert seen.log == ["Importconverter0.0: nop MOD 1 ORACLE~un"]


def test_time_and_new_uids(converter_site: ConverterSite) -> None:
    seen = converter_site.run("nop %d", "nop %g|%g")
    assert re.fullmatch(r"Importconverter0\.0: nop [A-Z]\w\w [A-Z]\w\w [ 1-3]\d \d\d:\d\d:\d\d \d{4}", seen.log[0])
    first, second = seen.log[1].split("nop ")[1].split("|")
    assert re.fullmatch(r"99999\.99999\.6\.\d{10}\.\d+", first)
    assert first != second


def test_file_names(converter_site: ConverterSite) -> None:
    made = ct()
    seen = converter_site.run("nop %f", "nop %b", "nop %p", of=made)
    folder = f"{converter_site.folder}/data/1CT1/"
    name = rf"{made.SeriesInstanceUID}_0001_000001_[0-9a-f]+"
    assert re.fullmatch(f"Importconverter0.0: nop {re.escape(folder)}{name}\\.dcm", seen.log[0])
    assert re.fullmatch(f"Importconverter1.0: nop {name}", seen.log[1])
    assert seen.log[2] == f"Importconverter2.0: nop {folder}"
    assert sum(line.startswith("FreeStore Left ") for line in seen.whole) == 4


def test_variables_last_as_long_as_the_association(converter_site: ConverterSite) -> None:
    converter_site.configure(['nop <%x%y%z>; setifempty x to "a"; set y to "b %i"; set z to ""; nop <%X%y%z>'])
    with converter_site.association(ct()) as store:
        first, second = store(ct()), store(ct(PatientID="2"))
    assert [line for line in first.log if ": nop" in line] == [
        "Importconverter0.0: nop <>", "Importconverter0.4: nop <ab 1CT1>",
    ]  # fmt: skip
    assert [line for line in second.log if ": nop" in line] == [
        "Importconverter0.0: nop <ab 1CT1>", "Importconverter0.4: nop <ab 2>",
    ]  # fmt: skip
    assert converter_site.send(ct()).log[0] == "Importconverter0.0: nop <>"


def test_records_of_the_database(converter_site: ConverterSite) -> None:
    converter_site.configure(
        ["nop <%QP0010,0010>", "nop <%QS0008,1030>", "nop <%QE0008,0060>", "nop <%QP0010,0010[0,2]^>"]
    )
    made = ct(PatientID="QQ1", StudyDescription="brain", PatientName="Known^Before")
    assert short_of(converter_site.send(made).log) == ["<>", "<>", "<>", "<>"]
    made.SOPInstanceUID += ".2"
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    assert short_of(converter_site.send(made).log) == ["<Known^Before>", "<brain>", "<CT>", "<KNO>"]


def test_aliases(converter_site: ConverterSite) -> None:
    converter_site.write("aliasfileqA.txt", "2ct2\tother\n1ct1\tALIAS 1\n")
    converter_site.write("aliasfileqb.txt", "CT\tcomputer\n")
    seen = converter_site.run("nop %QA0010,0020 %qA0008,0060 %Qb0008,0060 %QA0010,0020[0,1]~ %QCModality")
    assert short_of(seen.log) == ["ALIAS 1 CT computer al CT"]


def test_uids_mapped(converter_site: ConverterSite) -> None:
    made = ct()
    seen = converter_site.run(
        "nop %E0020,000d",
        "nop %E0020,000d",
        'set 0020,000d to "%E0020,000d"; nop %R0020,000d',
        "nop <%R0008,0018>",
        of=made,
    )
    new = seen.log[0].split("nop ")[1]
    assert new.startswith("99999.99999.")
    assert short_of(seen.log) == [new, new, str(made.StudyInstanceUID), "<>"]
    assert seen.stored.StudyInstanceUID == new


def short_of(lines: list[str]) -> list[str]:
    return [line.split(": nop ", 1)[1] for line in lines if ": nop " in line]


@pytest.mark.parametrize("text", ["lua \"print('%i 5%%')\"", "lua:print('%i 5%%')"])
def test_lua_code_is_text_of_a_statement_too(converter_site: ConverterSite, text: str) -> None:
    assert converter_site.run(text).log == ["1CT1 5%"]
