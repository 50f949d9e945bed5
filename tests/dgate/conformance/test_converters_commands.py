"""conquest-converters.md section 6, the other commands: files, programs, lines elsewhere, how the object is stored."""
# ruff: noqa: E501 - a case is a line

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest

from tests.dgate.conformance.converter_site import Case, ConverterSite, ct, hold, named, short

HERE = "{folder}"


@named(
    Case("nop", ["nop"], ["IC0.0: nop"]),
    Case("compression un", ["compression un"], ["IC0.0: compression to un"]),
    Case("compression zz", ["compression zz; nop"], ["**** IC0.0: compression to zz failed", "IC0.1: nop"]),
    Case("compression n4", ["compression n4"], ["IC0.0: compression to n4"]),
    Case("compression by a line", ["compression s3; nop %VPatientComments"], [
        "Compressionconverter3.0: nop hi", 'Compressionconverter3.1 executes: set 0010,4000 to "x"',
        "IC0.0: compression to s3", "IC0.1: nop x",
    ], ini='CompressionConverter3 = nop hi; set 0010,4000 to "x"\n', check=lambda found: found.PatientComments == "x"),
    Case("compression by no line", ["compression s4"], ["**** IC0.0: compression to s4 failed"]),
    Case("storage", ["storage MAG1"], ["IC0.0: sets preferred storage to MAG1"]),
    Case("testmode", ["testmode abc"], ["IC0.0: sets testmode to abc"]),
    Case("virtualserver", ["virtualserver 3; virtualservermask 7"], [
        "IC0.0: enables virtual server 3", "IC0.1: sets virtual server mask to 7",
    ]),
    Case("write to nowhere", ['write "x" to none/x.txt; nop'], ["*** IC0.0: Failed to write to file none/x.txt", "IC0.1: nop"]),
    Case("append to nowhere", ['append "x" to none/x.txt'], ["*** IC0.0: Failed to append to file none/x.txt"]),
    Case("copy nothing", ["copy none to there; nop"], ["*** Exportconverter0.0: Failed to copy none to there", "IC0.1: nop"]),
    Case("rm nothing", ["rm none; nop"], ["IC0.0: rm none", "IC0.1: nop"]),
    Case("save to nowhere", ["save to none/x.dcm; nop"], None),
    Case("call nothing", ["call none; nop"], ["*** IC0.0 script not found: none", "IC0.1: nop"]),
    Case("system fails", ["system exit 3; nop"], ["IC0.0: system exit 3", "IC0.1: nop"]),
)  # fmt: skip
def test_lines(converter_site: ConverterSite, case: Case) -> None:
    hold(converter_site, case)


def test_a_preferred_device(converter_site: ConverterSite) -> None:
    seen = converter_site.run("storage MAG1")
    assert seen.path is not None
    assert seen.path.is_relative_to(converter_site.folder / "data1")
    seen = converter_site.run("storage MAG7")
    assert seen.path is not None
    assert seen.path.is_relative_to(converter_site.folder / "data")


def test_texts_written(converter_site: ConverterSite) -> None:
    seen = converter_site.run(
        'write "a %i%n" to notes.txt',
        'append "b;%m%n" TO notes.txt',
        'write "once" to %i.txt',
        "copy notes.txt to copied.txt",
    )
    assert short(seen.log) == [
        'IC0.0 executes: write "a 1CT1', '" to notes.txt', 'IC1.0 executes: append "b;CT', '" TO notes.txt',
        'IC2.0 executes: write "once" to 1CT1.txt', "IC3.0 executes: copy notes.txt to copied.txt",
    ]  # fmt: skip
    assert (converter_site.folder / "notes.txt").read_text() == "a 1CT1\nb;CT\n"
    assert (converter_site.folder / "copied.txt").read_text() == "a 1CT1\nb;CT\n"
    assert (converter_site.folder / "1CT1.txt").read_text() == "once"


def test_folders_and_files(converter_site: ConverterSite) -> None:
    seen = converter_site.run(
        "mkdir deep/er/", "save to deep/er/%i.dcm", "copy deep/er/1CT1.dcm to deep/", "rm deep/er/1CT1.dcm"
    )
    assert short(seen.log) == [
        "IC0.0: mkdir deep/er/",
        "IC1.0 executes: save to deep/er/1CT1.dcm",
        "IC2.0 executes: copy deep/er/1CT1.dcm to deep/",
        "IC3.0: rm deep/er/1CT1.dcm",
    ]
    assert not (converter_site.folder / "deep/er/1CT1.dcm").exists()
    assert pydicom.dcmread(converter_site.folder / "deep/1CT1.dcm").PatientID == "1CT1"


def test_saved_as_it_is_now_and_kept_if_destroyed(converter_site: ConverterSite) -> None:
    made = ct()
    seen = converter_site.run('set 0010,4000 to "now"; save to now.dcm; set 0010,4000 to "later"; destroy', of=made)
    assert seen.path is None
    saved = pydicom.dcmread(converter_site.folder / "now.dcm")
    assert (saved.PatientComments, saved.SOPInstanceUID) == ("now", made.SOPInstanceUID)
    assert saved.PixelData == made.PixelData
    assert saved.file_meta.MediaStorageSOPInstanceUID == made.SOPInstanceUID


def test_crop_keeps_columns_and_rows_inclusive(converter_site: ConverterSite) -> None:
    made = ct()
    seen = converter_site.run("crop 10,20,50,60; nop %V0028,0010", of=made)
    assert short(seen.log) == ["IC0.0: crop 10,20,50,60", "IC0.1: nop 41"]
    assert (seen.stored.Columns, seen.stored.Rows) == (41, 41)
    row = 2 * 128 * 20
    assert seen.stored.PixelData[: 2 * 41] == made.PixelData[row + 2 * 10 : row + 2 * 51]


def test_pictures(converter_site: ConverterSite) -> None:
    lines = [
        "save frame 0 to one.dcm",
        "save bmp to a.bmp",
        "save gif as a.gif",
        "save jpg level 100 window 200 to a.jpg",
    ]
    seen = converter_site.run(*lines, "save jpg a2.jpg")
    assert short(seen.log) == [f"IC{number}.0 executes: {line}" for number, line in enumerate(lines)]
    assert len(pydicom.dcmread(converter_site.folder / "one.dcm").PixelData) == 2 * 128 * 128
    begins = {name: (converter_site.folder / name).read_bytes()[:3] for name in ("a.bmp", "a.gif", "a.jpg")}
    assert begins == {"a.bmp": b"BM6", "a.gif": b"GIF", "a.jpg": b"\xff\xd8\xff"}
    assert not (converter_site.folder / "a2.jpg").exists()


def test_system(converter_site: ConverterSite) -> None:
    seen = converter_site.run("system echo %i > told.txt; nop then")
    assert short(seen.log) == ["IC0.0: system echo 1CT1 > told.txt", "IC0.1: nop then"]
    assert (converter_site.folder / "told.txt").read_text() == "1CT1\n"


def test_process_with(converter_site: ConverterSite) -> None:
    script = converter_site.write("change.sh", '#!/bin/sh\nsed -i "s/1CT1/2CT2/" "$1"\n')
    script.chmod(0o755)
    made = ct()
    seen = converter_site.run(f"process with {script}; nop %i", of=made)
    temporary = f"{converter_site.folder}/data/printer_files/{made.SOPInstanceUID}.dcm"
    assert short(seen.log) == [f"IC0.0 executes: process with {script} {temporary}", "IC0.1: nop 2CT2"]
    assert seen.path is not None
    assert seen.path.parent.name == "2CT2"
    assert not Path(temporary).exists()


def test_call_of_a_key(converter_site: ConverterSite) -> None:
    scripts = "[scripts]\ngreet = nop hello %i; nop again\nlast = nop a; stop\nno = destroy\n"
    seen = converter_site.run("call greet; nop b", "greet", "GREET; call last; nop never", "nop end", ini=scripts)
    assert [line for line in short(seen.log) if "nop" in line] == [
        "IC-1.0: nop hello 1CT1", "IC-1.1: nop again", "IC0.1: nop b",
        "IC-1.0: nop hello 1CT1", "IC-1.1: nop again",
        "IC-1.0: nop hello 1CT1", "IC-1.1: nop again", "IC-1.0: nop a", "IC3.0: nop end",
    ]  # fmt: skip
    assert converter_site.run("call no; nop b", "nop c", ini=scripts).path is None


@pytest.mark.parametrize("how", ["call lines.txt", "lines.txt", "call {folder}/lines.txt"])
def test_a_file_of_lines(converter_site: ConverterSite, how: str) -> None:
    converter_site.write("lines.txt", "# none\n; none\n\nnop a; nop b\nnop c; stop; nop never\nnop d %i\n")
    how = how.replace("{folder}", str(converter_site.folder))
    seen = converter_site.run(f"{how}; nop e")
    name = how.removeprefix("call ")
    assert short(seen.log) == [
        f"IC0.0: call {name}", "IC-1.0: nop a", "IC-1.1: nop b", "IC-1.0: nop c", "IC-1.1: stop", "IC-1.0: nop d 1CT1",
        "IC0.1: nop e",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "log", "kept"),
    [
        ("nop a; return; nop b\nnop c\n", ["IC-1.0: nop a", "IC-1.1: return", "IC1.0: nop f"], True),
        ("nop a\nstop\n", ["IC-1.0: nop a", "IC-1.0: stop", "IC1.0: nop f"], True),
        ("nop a\nsilentstop\nnop b", ["IC-1.0: nop a", "IC-1.0: nop b", "IC0.1: nop e", "IC1.0: nop f"], True),
        ("nop a; destroy\nnop c\n", ["IC-1.0: nop a", "IC-1.1: destroyed received image"], False),
        ("nop a\r\nnop b\r\n", ["IC-1.0: nop a", "IC-1.0: nop b", "IC0.1: nop e", "IC1.0: nop f"], True),
        ("\xef\xbb\xbfnop a\n", ["IC-1.0: nop a", "IC0.1: nop e", "IC1.0: nop f"], True),
        (
            'ifequal "a","b"\nnop a\n',
            ['IC-1.0 executes: ifequal "a","b"', "IC-1.0: nop a", "IC0.1: nop e", "IC1.0: nop f"],
            True,
        ),
    ],
)
def test_how_a_called_file_ends(converter_site: ConverterSite, content: str, log: list[str], kept: bool) -> None:
    converter_site.write("ends.txt", content)
    seen = converter_site.run("call ends.txt; nop e", "nop f")
    assert short(seen.log) == ["IC0.0: call ends.txt", *log]
    assert (seen.path is not None) is kept


@named(
    Case("script", ['script "nop a; nop b"; nop c'], ["IC-1.0: nop a", "IC-1.1: nop b", "IC0.1: nop c"]),
    Case("script that stops", ['script "nop a; stop; nop b"; nop c', "nop d"], ["IC-1.0: nop a", "IC-1.1: stop", "IC1.0: nop d"]),
    Case("script that destroys", ['script "destroy"; nop c'], ["IC-1.0: destroyed received image"], kept=False),
    Case("script that rejects", ['script "reject"; nop c'], ["IC-1.0: rejected received image"], kept=False, status=0x0110),
    Case("script with values", ['script "nop %i"'], ["IC-1.0: nop 1CT1"]),
)  # fmt: skip
def test_script(converter_site: ConverterSite, case: Case) -> None:
    hold(converter_site, case)


def test_a_pipe_of_programs_reads_nothing_of_the_server(converter_site: ConverterSite) -> None:
    converter_site.run("system cat > input.txt")
    assert (converter_site.folder / "input.txt").stat().st_size == 0
