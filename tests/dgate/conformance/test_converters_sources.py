"""conquest-converters.md sections 1 and 2: where lines come from, their filters, and what happens around them."""
# ruff: noqa: E501 - a case is a line

from __future__ import annotations

import re

import pytest

from tests.dgate.conformance.converter_site import Case, ConverterSite, ct, hold, image, mr, named


@named(
    Case("gaps", [], ["IC3.0: nop a", "IC98.0: nop b"],
         ini="ImportConverter3 = nop a\nImportConverter98 = nop b\nImportConverter99 = nop c\n"),
    Case("a number of them", [], ["IC0.0: nop a", "IC2.0: nop c"],
         ini="ImportConverters = 3\nImportConverter0 = nop a\nImportConverter2 = nop c\nImportConverter3 = nop d\n"),
    Case("more than 99", [], ["IC99.0: nop a", "IC120.0: nop b"],
         ini="ImportConverters = 121\nImportConverter99 = nop a\nImportConverter120 = nop b\n"),
    Case("keys ignore case", [], ["IC0.0: nop a"], ini="importCONVERTER0=nop a\n"),
    Case("the first of two", [], ["IC0.0: nop a"], ini="ImportConverter0 = nop a\nImportConverter0 = nop b\n"),
    Case("comments", [], ["IC1.0: nop c"],
         ini=" ImportConverter0 = nop a\n;ImportConverter0 = nop b\n#ImportConverter0 = nop d\nImportConverter1 = nop c\n"),
    Case("surrounding blanks", [], ["IC0.0: nop a"], ini="ImportConverter0  =   nop a  \t \n"),
    Case("enclosing quotes", [], ["IC0.0: nop a", "IC1.0: nop b"], ini="ImportConverter0 = \"nop a\"\nImportConverter1 = 'nop b'\n"),
    Case("a quote at one end", [], ['IC0.0: nop "a"'], ini='ImportConverter0 = nop "a"\n'),
    Case("CRLF", [], ["IC0.0: nop a", "IC1.0: nop b"], ini="ImportConverter0 = nop a\r\nImportConverter1 = nop b\r\n"),
    Case("modality", [], ["IC1.0: nop b", "IC2.0: nop c"],
         ini="ImportConverter0 = nop a\nImportModality0 = MR\nImportConverter1 = nop b\nImportModality1 = ct\n"
             "ImportConverter2 = nop c\nImportModality2 = C*\n"),
    Case("station", [], ["IC1.0: nop b"],
         ini="ImportConverter0 = nop a\nImportStationName0 = MR*\nImportConverter1 = nop b\nImportStationName1 = *oc0\n"),
    Case("calling", [], ["IC1.0: nop b"],
         ini="ImportConverter0 = nop a\nImportCallingAE0 = X\nImportConverter1 = nop b\nImportCallingAE1 = sender\n"),
    Case("called", [], ["IC1.0: nop b"],
         ini="ImportConverter0 = nop a\nImportCalledAE0 = X\nImportConverter1 = nop b\nImportCalledAE1 = ORA*\n"),
    Case("filtered destroy", [], [], ini="ImportConverter0 = destroy\nImportModality0 = MR\n"),
    Case("two filters", [], [], ini="ImportConverter0 = destroy\nImportModality0 = CT\nImportCallingAE0 = X\n"),
    Case("for the other", [], ["IC0.0: destroyed received image"], of=mr, kept=False,
         ini="ImportConverter0 = destroy\nImportModality0 = MR\n"),
    Case("an empty filter", [], [], ini="ImportConverter0 = nop a\nImportStationName0 =\n"),
    Case("an empty filter of an empty element", [], ["IC0.0: nop a"], of=lambda: ct(StationName=""),
         ini="ImportConverter0 = nop a\nImportStationName0 =\n"),
)  # fmt: skip
def test_keys(converter_site: ConverterSite, case: Case) -> None:
    hold(converter_site, case)


def test_a_value_is_cut(converter_site: ConverterSite) -> None:
    before = converter_site.output.stat().st_size
    seen = converter_site.run("nop " + "x" * 600)
    assert seen.log[-1] == "Importconverter0.0: nop " + "x" * 507
    said = converter_site.output.read_bytes()[before:].decode()
    assert "***Ini file item 'sscscp:ImportConverter0' trucated\n" in said
    assert converter_site.run("nop " + "x" * 507).log == ["Importconverter0.0: nop " + "x" * 507]


def test_an_edit_works_without_a_restart_and_without_a_signal(converter_site: ConverterSite) -> None:
    converter_site.configure(["nop before"])
    assert converter_site.send(ct()).log == ["Importconverter0.0: nop before"]
    converter_site._write("ImportConverter0 = nop after\n")
    converter_site.wait(lambda: converter_site.send(ct()).log == ["Importconverter0.0: nop after"])


def test_required_elements_are_there_before(converter_site: ConverterSite) -> None:
    made = ct(PatientName=None, PatientID=None)
    seen = converter_site.run("nop <%i> <%V0010,0010>", of=made)
    assert seen.log[-1] == "Importconverter0.0: nop <00000000> <NO NAME>"
    assert set(seen.log[:-1]) == {"Fiximage: Added patient ID", "Fiximage: Added patient name"}
    assert (seen.stored.PatientID, seen.stored.PatientName) == ("00000000", "NO NAME")


def test_around_an_image(converter_site: ConverterSite) -> None:
    seen = converter_site.run("nop a")
    begin = seen.whole.index("Server Command   := 0001")
    assert seen.whole[begin : begin + 3] == [
        "Server Command   := 0001", "Message ID       := 0001", "Importconverter0.0: nop a",
    ]  # fmt: skip
    assert re.fullmatch(rf"FreeStore Left \d+ on {converter_site.folder}/data/", seen.whole[begin + 3])
    assert seen.whole[begin + 4] == f"Written file: {seen.path}"


def test_an_object_that_comes_again(converter_site: ConverterSite) -> None:
    made = ct()
    converter_site.configure(['set 0010,4000 to "%g"'])
    first, second = converter_site.send(made), converter_site.send(made)
    assert second.status == 0
    assert f"Written file: {first.path}" in first.whole
    assert any(line.startswith("Rewritten file: ") for line in second.whole)


@pytest.mark.parametrize("line", ["destroy", "reject"])
def test_nothing_else_is_said_of_what_is_not_stored(converter_site: ConverterSite, line: str) -> None:
    seen = converter_site.run(line)
    begin = seen.whole.index("Server Command   := 0001")
    said = f"{line}ed received image"
    assert [entry for entry in seen.whole[begin + 2 :] if not entry.startswith("UPACS")] == [
        f"Importconverter0.0: {said}"
    ]


def test_converters_see_what_was_recompressed(converter_site: ConverterSite) -> None:
    made = image("MR_small_implicit.dcm")
    seen = converter_site.run("nop %V0002,0010", of=made, ini="IncomingCompression = un\n")
    assert seen.log == [f"Importconverter0.0: nop {seen.stored.file_meta.TransferSyntaxUID}"]


def test_files_that_a_server_command_adds(converter_site: ConverterSite) -> None:
    made = ct(PatientID="ADDED")
    path = converter_site.folder / "added.dcm"
    made.save_as(path)
    converter_site.configure(["nop %u %c %i"])
    converter_site.command(f"addimagefile:{path}")
    assert "\nImportconverter0.0: nop ORACLE ORACLE ADDED\n" in converter_site.log()
