"""What an operator is told about a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from dgate.config.converters.findings import EXPORT, Finding, Known, check_file, check_line
from dgate.config.dictionary import load_dictionary

KNOWN = Known(
    load_dictionary(str(Path(__file__).parents[3] / "templates" / "mount" / "config" / "dgate.dic")),
    frozenset({"welcome"}),
)

CLEAN = [
    'ifequal "%m","MR"; destroy;',
    'ifequal "%m", "CT"; nop Welcome %m slice for patient %i!',
    'ifequal "%m","CT"; { ifmatch "%i","A*"; { set PatientName to "x"; } nop y; } nop z',
    "/conquest/mount/scripts/printPatientInfo.lua",
    'x.lua("a;b")',
    'lua "if a then print(1) end"',
    "lua:for i = 1, 2 do print('}') end;",
    "welcome; call other",
    "forward to AE; forward study to AE",
    'set x to "{ }"; setifempty y to "%V*0010,0020"',
    "forward series modality CT after 5 to AE script nop; get study from AE; process study after 1 by x.lua(a)",
    "forward compressed as jk to %V0008,0060 org A; preretrieve AE; compression n4; prefetch",
    "newuids stage #KEY; scrub -priv,LT",
    'set 0008,1140.*/0008,1155 to "x"; set ReferencedImageSequence.1/0008,1155 if "x"; set %i to "y"',
    'ifmatch "a","*b*"; nop; ifmatch "a","*"; nop; ifnotmatch "%m","%i?"; nop',
    "",
    "%i",
]

GUARDED = (
    "this condition is guarded by the one before it: if that is false, what follows runs unconditionally; "
    "put it in a block: { CONDITION; COMMAND; }"
)
NO_ELEMENT = "no element has this name, so nothing is set: expected"
FOUND = [
    (
        'ifnotequal "%m","MR"; ifequal "%i","X"; destroy',
        23,
        GUARDED,
    ),
    ('ifequal "a","b"; nop x; else; nop y', 25, "there is no else: write the opposite condition"),
    ('if "a","b"; nop x', 1, 'there is no if: write ifequal "a","b" or another condition'),
    (
        'ifequal "a","b"; { nop a; nop b } nop c',
        18,
        "this { is never closed by a } at the start of a statement: if skipped, so is the whole line",
    ),
    ("nop b } nop c", 7, "a } counts only at the start of a statement: write `;` before it"),
    ("{ nop a; } } nop", 12, "one brace for each statement: write `;` before this }"),
    ("nop a; } nop b", 8, "this } closes nothing"),
    ('ifequal "%m" ,"MR"; destroy', 1, 'malformed condition, which guards nothing: expected ifequal "a","b"'),
    ('ifempty "%m; destroy', 1, 'malformed condition, which guards nothing: expected ifempty "a"'),
    (
        'ifequal  "a","b"; destroy',
        1,
        'unknown command \'ifequal  "a","b"\': an error in the log at each image; did you mean \'ifequal "\'?',
    ),
    ("foo", 1, "unknown command 'foo': an error in the log at each image"),
    ("nop a; retry", 8, "unknown command 'retry': an error in the log at each image"),
    (
        "set 0010,4000 to text",
        1,
        'malformed, and without effect: expected set TAG to "text", set TAG to nil or set TAG format "F" to "text"',
    ),
    ('set 0010,00 to "x"', 5, f"{NO_ELEMENT} gggg,eeee or a keyword of the dictionary"),
    ('set PatientNames to "x"', 5, f"{NO_ELEMENT} gggg,eeee or a keyword of the dictionary"),
    ('set 0008,1140.x/0008,1155 to "x"', 5, f"{NO_ELEMENT} gggg,eeee or a keyword of the dictionary"),
    ('ifmatch "%m","C*T"; nop', 15, "a * in the middle is an ordinary character: a star counts only at either end"),
    ('ifnotmatch "%m","C?"; nop', 18, "? is an ordinary character: a star counts only at either end"),
    (
        "save jpg file",
        1,
        "malformed, and without effect: expected save to FILE, save frame N to FILE or save bmp|gif|jpg to FILE",
    ),
    ("forward study modality CT; nop", 1, "malformed, and without effect: expected forward study to AE"),
    ("forward compressed as jk RECV", 1, "malformed, and without effect: expected forward compressed as CC to AE"),
    ("process study after 5", 1, "malformed, and without effect: expected process study by COMMAND"),
    ("get study modality CT", 1, "malformed, and without effect: expected get study from AE"),
    ("forward to ; nop", 1, "malformed, and without effect: expected forward to AE"),
    ("delete study", 8, "expected gggg,eeee: import converters delete elements only, and only by number"),
    ('setifempty PatientID to "x"', 12, "expected gggg,eeee or x, y, z: setifempty knows no keywords"),
    ('nop "a; nop b', 5, 'this " has no partner: a `;` behind it does not end a statement'),
    ("nop 50% off", 7, "unknown item '% ': both characters vanish; a percent sign is written %%"),
    ("nop 50%", 7, "a % at the end vanishes"),
    ("nop %VPatientIdd", 5, "PatientIdd is not in the dictionary: it stays in the text as it is"),
    ("nop %V/", 5, "expected a tag behind %V: gggg,eeee or a keyword of the dictionary"),
    ('ifequal "a","b"', 1, "this condition guards nothing: it is the last statement"),
    ('ifequal "a","b"; ; nop x', 1, "this condition guards an empty statement"),
    (
        '{ ifequal "a","b"; } nop x',
        20,
        "a } right behind a condition: if that is false, the rest of the line is skipped",
    ),
    ("nop a;\tnop b", 7, "only blanks behind a `;` are dropped: this statement begins with other white space"),
    ("nop a; # b", 8, "there are no comments: this is an error in the log at each image"),
    ("nop " + "x" * 600, 512, "only 511 characters of a line count, what follows is cut off"),
]


@pytest.mark.parametrize("line", CLEAN)
def test_good_lines(line: str) -> None:
    assert check_line(line, KNOWN) == []


@pytest.mark.parametrize(("line", "column", "message"), FOUND, ids=[line[:40] for line, _, _ in FOUND])
def test_traps(line: str, column: int, message: str) -> None:
    assert (column, message) in [(finding.column, finding.message) for finding in check_line(line, KNOWN)]


def test_what_export_converters_do_not_know_goes_to_the_shell() -> None:
    for line in ('set PatientName to "x"', "rm2 file", "destroy"):
        (finding,) = check_line(line, KNOWN, kind=EXPORT)
        assert finding == Finding(1, 1, f"no command of export converters: the shell runs {line!r}", wrong=False)
    assert check_line("forward to AE; delete study", KNOWN, kind=EXPORT) == []


def test_a_file_of_lines() -> None:
    content = b"\xef\xbb\xbf# else\r\n  nop a; else\r\n\r\nnop b"
    found = check_file(content, KNOWN)
    assert found == [Finding(2, 10, "there is no else: write the opposite condition", wrong=True)]


def test_a_line_that_is_too_long_to_be_run() -> None:
    (finding,) = check_line(";" * 70_000, called=True)
    assert finding.message == "a line of more than 65536 characters is not run"
    assert check_file(b"nop " + b"x" * 60_000, called=True) == []
    (finding,) = check_line(";" * 1_000_000)
    assert (finding.column, finding.message) == (512, "only 511 characters of a line count, what follows is cut off")
