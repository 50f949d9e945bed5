"""What each line says in the log, exactly, for the reference's CT. `O` is an operator's line, `D` one for debugging."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.dgate.rules.bench import CT, Instance, changed

if TYPE_CHECKING:
    from pathlib import Path

SKIPPED = "not executed because of previous statement"

LINES: list[tuple[str, list[str]]] = [
    # the wrapper's own samples
    ('ifequal "%m","MR"; destroy;', ['D 0 executes: ifequal "CT","MR"', f"D 1 {SKIPPED}"]),
    (
        'ifequal "%m","CT"; nop Welcome %m slice for patient %i!;',
        ['D 0 executes: ifequal "CT","CT"', "O 1: nop Welcome CT slice for patient 1CT1!"],
    ),
    # splitting and numbering
    ("nop a; ;nop c", ["O 0: nop a", "O 2: nop c"]),
    ("nop a;   nop b;", ["O 0: nop a", "O 1: nop b"]),
    ("nop a;\tnop b", ["O 0: nop a", "O *** 1 error: \tnop b"]),
    ('nop "a;b"; nop c', ['O 0: nop "a;b"', "O 1: nop c"]),
    ('nop "a; nop b; nop c', ['O 0: nop "a; nop b; nop c']),
    ("nop see lua: x; nop y", ["O 0: nop see lua: x; nop y"]),
    ('nop "lua:"; nop y', ['O 0: nop "lua:"', "O 1: nop y"]),
    # only the beginning of a command counts, in any case
    ("NOPE x", ["O 0: NOPE x"]),
    ("Stopping; nop x", ["D 0: stop"]),
    ("silentstop; nop x", []),
    ("return; nop x", ["D 0: return"]),
    ("nop", ["O 0: nop"]),
    # braces
    ("{ nop a; nop b; } nop c", ["O 0: nop a", "O 1: nop b", "O 2: nop c"]),
    ("{{nop a", ["O *** 0 error: {nop a"]),
    ("nop a } b", ["O 0: nop a } b"]),
    (
        'ifequal "a","b"; { nop a; nop b; } nop c',
        ['D 0 executes: ifequal "a","b"', "D 1 skipped", "D 2 skipped", "O 3: nop c"],
    ),
    (
        'ifequal "a","a"; { nop a; nop b; } nop c',
        ['D 0 executes: ifequal "a","a"', "O 1: nop a", "O 2: nop b", "O 3: nop c"],
    ),
    (
        'ifequal "a","b"; { nop a; nop b; }; nop c',
        ['D 0 executes: ifequal "a","b"', "D 1 skipped", "D 2 skipped", "O 4: nop c"],
    ),
    ('ifequal "a","b"; {nop a; }nop c', ['D 0 executes: ifequal "a","b"', "D 1 skipped", "O 2: nop c"]),
    (
        'ifequal "a","b"; { ifequal "c","d"; { nop a; } nop b; } nop c',
        [
            'D 0 executes: ifequal "a","b"',
            "D 1 skipped",
            "D 2 skipped",
            "D 3 skipped",
            "O 4: nop c",
        ],
    ),
    (
        'ifequal "a","a"; { ifequal "c","d"; { nop a; } nop b; } nop c',
        [
            'D 0 executes: ifequal "a","a"',
            'D 1 executes: ifequal "c","d"',
            "D 2 skipped",
            "O 3: nop b",
            "O 4: nop c",
        ],
    ),
    (
        'ifequal "a","b"; { nop a; nop b } nop c; nop d',
        ['D 0 executes: ifequal "a","b"', "D 1 skipped", "D 2 skipped", "D 3 skipped"],
    ),
    ('ifequal "a","a"; { nop a; nop b }', ['D 0 executes: ifequal "a","a"', "O 1: nop a", "O 2: nop b }"]),
    ('ifequal "a","b"; {} nop a; nop b', ['D 0 executes: ifequal "a","b"', "D 1 skipped", "D 2 skipped"]),
    (
        'ifequal "a","b"; } nop a; nop b',
        ['D 0 executes: ifequal "a","b"', "D 1 skipped", "D 2 skipped"],
    ),
    ("} nop a; nop b", ["O 0: nop a", "O 1: nop b"]),
    (
        'ifequal "a","a"; { ifequal "a","a"; { nop a; } } nop b; nop c',
        [
            'D 0 executes: ifequal "a","a"',
            'D 1 executes: ifequal "a","a"',
            "O 2: nop a",
            "O *** 3 error: } nop b",
            "O 4: nop c",
        ],
    ),
    ('ifequal "a","a"; { stop; nop a; } nop b', ['D 0 executes: ifequal "a","a"', "D 1: stop"]),
    # a condition guards one statement
    ('ifequal "a","b"; nop a; nop b', ['D 0 executes: ifequal "a","b"', f"D 1 {SKIPPED}", "O 2: nop b"]),
    ('ifequal "a","b"; ; nop x', ['D 0 executes: ifequal "a","b"', f"D 1 {SKIPPED}", "O 2: nop x"]),
    (
        'ifequal "a","b"; ifequal "a","c"; nop both',
        ['D 0 executes: ifequal "a","b"', f"D 1 {SKIPPED}", "O 2: nop both"],
    ),
    # malformed conditions are silent and guard nothing
    ('ifequal "%m" ,"MR"; nop x', ["O 1: nop x"]),
    ('ifequal "a"; nop x', ["O 1: nop x"]),
    ('ifequal  "a","b"; nop x', ['O *** 0 error: ifequal  "a","b"', "O 1: nop x"]),
    ('ifequal "a", "a"; nop x', ['D 0 executes: ifequal "a", "a"', "O 1: nop x"]),
    ('if "a","b"; nop x', ['O *** 0 error: if "a","b"', "O 1: nop x"]),
    ("else; nop x", ["O *** 0 error: else", "O 1: nop x"]),
    # conditions
    ('ifequal "a","A"; nop x', ['D 0 executes: ifequal "a","A"', f"D 1 {SKIPPED}"]),
    ('ifnotequal "a","A"; nop x', ['D 0 executes: ifnotequal "a","A"', "O 1: nop x"]),
    ('ifequal "a","a" tail; nop x', ['D 0 executes: ifequal "a","a" tail', "O 1: nop x"]),
    ('ifempty "%V0008,0050"; nop x', ['D 0 executes: ifempty ""', "O 1: nop x"]),
    ('ifempty "%i"; nop x', ['D 0 executes: ifempty "1CT1"', f"D 1 {SKIPPED}"]),
    ('ifnotempty "%i"; nop x', ['D 0 executes: ifnotempty "1CT1"', "O 1: nop x"]),
    ('ifmatch "%i","1ct*"; nop x', ['D 0 executes: ifmatch "1CT1","1ct*"', "O 1: nop x"]),
    ('ifmatch "%i","1*1"; nop x', ['D 0 executes: ifmatch "1CT1","1*1"', f"D 1 {SKIPPED}"]),
    ('ifnotmatch "%i","*T1"; nop x', ['D 0 executes: ifnotmatch "1CT1","*T1"', f"D 1 {SKIPPED}"]),
    ('ifnumequal "7.9","7"; nop x', ['D 0 executes: ifnumequal "7.9","7"', "O 1: nop x"]),
    ('ifnumnotequal "abc","0x10"; nop x', ['D 0 executes: ifnumnotequal "abc","0x10"', f"D 1 {SKIPPED}"]),
    ('ifnumgreater "10","9"; nop x', ['D 0 executes: ifnumgreater "10","9"', "O 1: nop x"]),
    ('ifnumless "","1"; nop x', ['D 0 executes: ifnumless "","1"', "O 1: nop x"]),
    ('between "0","24"; nop x', ['D 0 executes: between "0","24"', "O 1: nop x"]),
    ('between "0","0"; nop x', ['D 0 executes: between "0","0"', f"D 1 {SKIPPED}"]),
    ('between "24","0"; nop x', ['D 0 executes: between "24","0"', f"D 1 {SKIPPED}"]),
    # substitution
    ("nop %m %s %i %u %c", ["O 0: nop CT STATION1 1CT1 TESTSCU ORACLE"]),
    ("nop %M %I", ["O 0: nop CT 1CT1"]),
    ("nop 50% off", ["O 0: nop 50off"]),
    ("nop 100%", ["O 0: nop 100"]),
    ("nop %%m %^ %~ %[ %k.", ["O 0: nop %m ^ ~ [ ."]),
    ("nop a%tb", ["O 0: nop a\tb"]),
    ("nop a%nb", ["O 0: nop a", "O b"]),
    ("nop %Vnosuch %VPatientID", ["O 0: nop nosuch 1CT1"]),
    ("nop %V0010,0020 %v0010,0020", ["O 0: nop 1CT1 1CT1"]),
    ("nop %i[1,2] %i[2,99] %i[9,10]. %i[2] %i[2,1]", ["O 0: nop CT T1 . 1CT1 1CT1"]),
    ("nop %i[,2] %i~ %VPatientName[0,2]^", ["O 0: nop T1 1ct1 COM"]),
    ("nop %i%[0,1] %i%^ %i%~", ["O 0: nop 1CT1[0,1] 1CT1^ 1CT1~"]),
    ("nop %A0010,0020 %A0008,0050", ["O 0: nop 3041014839 0"]),
    ("nop %V0028,0120 %V0008,0008", ["O 0: nop 63536 ORIGINAL\\PRIMARY\\AXIAL"]),
    ("nop %V7FE0,0010 %V0002,0010", ["O 0: nop  1.2.840.10008.1.2.1"]),
    ('nop "a""b"', ['O 0: nop "ab"']),
    ('nop ""', ['O 0: nop ""']),
    ("nop %V/0008,1140.1/0008,1155.", ["O 0: nop 1.2.2."]),
    ("nop %V/ReferencedImageSequence/ReferencedSOPInstanceUID", ["O 0: nop 1.2.1"]),
    ("nop %V*0008,1155 %V*0010,0020 %V0008,1140", ["O 0: nop 1.2.1 1CT1 (sequence)"]),
    # the order of values: live or as received
    (
        'set 0008,0060 to "MR"; nop %m %VModality',
        ['D 0 executes: set 0008,0060 to "MR"', "O 1: nop CT MR"],
    ),
    ('set 0010,0020 to "P2"; nop %i', ['D 0 executes: set 0010,0020 to "P2"', "O 1: nop P2"]),
    # set
    ('set 0010,4000 to "text"; nop %V0010,4000', ['D 0 executes: set 0010,4000 to "text"', "O 1: nop text"]),
    ('set PatientComments if ""', ['D 0 executes void: set PatientComments if ""']),
    ('set 0010,4000 if "a"', ['D 0 executes: set 0010,4000 if "a"']),
    ("set 0010,0040 to nil; nop .%V0010,0040.", ["D 0 deletes: 0010,0040", "O 1: nop .."]),
    ("set 0010,4000 to nil", []),
    ("set 0010,4000 to text; nop x", ["O 1: nop x"]),
    ('set 0010,4000 to  "x"; nop %V0010,4000.', ["O 1: nop ."]),
    ('set nosuch to "x"', []),
    ('set 0010,1002 to ""', ["D 0 created sequence: 0010,1002"]),
    (
        'set 0010,4000 format "%%05d" to "42"; nop %V0010,4000',
        ['D 0 executes: set 0010,4000 format "%05d" to "42"', "O 1: nop 00042"],
    ),
    (
        'set 0010,4000 format "%%x" to "255"; nop %V0010,4000',
        ['D 0 executes: set 0010,4000 format "%x" to "255"', "O 1: nop ff"],
    ),
    (
        'set 0010,4000 format "%%.2f" to "1.239x"; nop %V0010,4000',
        ['D 0 executes: set 0010,4000 format "%.2f" to "1.239x"', "O 1: nop 1.24"],
    ),
    (
        'set 0008,1140.2/0008,1155 to "1.9"; nop %V/0008,1140.2/0008,1155',
        ['D 0 executes: set 0008,1140.2/0008,1155 to "1.9"', "O 1: nop 1.9"],
    ),
    ('setifempty 0008,0050 to "A1"', ['O 0 executes: setifempty 0008,0050 to "A1"']),
    ('setifempty 0010,0020 to "A1"', ['D 0 executes void: setifempty 0010,0020 to "A1"']),
    ('setifempty PatientComments to "A1"', ['D 0 executes void: setifempty PatientComments to "A1"']),
    ('set x to "text"; nop .%x.', ['D 0 executes: set x to "text"', "O 1: nop .text."]),
    (
        'setifempty y to "1"; setifempty y to "2"; nop %y',
        ['O 0 executes: setifempty y to "1"', 'D 1 executes void: setifempty y to "2"', "O 2: nop 1"],
    ),
    # delete
    ("delete 0010,0040", ["O 0 executes: delete 0010,0040"]),
    ("delete 0010,4000", ["D 0 executes void: delete 0010,4000"]),
    ("delete PatientID; delete study", ["D 0 executes void: delete PatientID", "D 1 executes void: delete study"]),
    # other commands
    ("fixkodak", ["O 0 executes: fixkodak"]),
    ("storage MAG0", ["O 0: sets preferred storage to MAG0"]),
    ("defer; nop x", ["O 0: defer for exportconverter", "O 1: nop x"]),
    ("retry; nop x", ["O *** 0 error: retry", "O 1: nop x"]),
    ("compression un; compression UL", ["O 0: compression to un", "O 1: compression to UL"]),
    ("compression zz", ["O **** 0: compression to zz failed"]),
    ("compression jk", ["O **** 0: compression to jk failed"]),
    ("virtualserver 3; virtualservermask 5", ["O 0: enables virtual server 3", "O 1: sets virtual server mask to 5"]),
    ("testmode .a", ["O 0: sets testmode to .a"]),
    ("# a comment", ["O *** 0 error: # a comment"]),
    ("foo %i", ["O *** 0 error: foo 1CT1"]),
    ("silent", ["O *** 0 error: silent"]),
    ("save jpg file; save nothing; nop x", ["O 2: nop x"]),
    ("call missing", ["O *** 0 script not found: missing"]),
    ('script "nop inner %%m"', ["O -1.0: nop inner CT"]),
    ('script "stop; nop a"; nop b', ["D -1.0: stop"]),
    ('lua "x()"; nop x', ["O *** 0 error: there is no Lua here: x()", "O 1: nop x"]),
    ("copy a to b", ["O *** Exportconverter0.0: Failed to copy a to b"]),
    ('write "x" to no/where', ["O *** 0: Failed to write to file no/where"]),
    ('append "x" to no/where', ["O *** 0: Failed to append to file no/where"]),
    ('append "x" to file', ['O 0 executes: append "x" to file']),
    ('write "x" to file', ['O 0 executes: write "x" to file']),
    ("mkdir a/b/", ["D 0: mkdir a/b/"]),
    ("rm nothing", ["D 0: rm nothing"]),
    (
        "save to file.dcm; save to no/where.dcm",
        ["O 0 executes: save to file.dcm", "O 1 executes: save to no/where.dcm"],
    ),
    ("system true", ["D 0: system true"]),
    ("scrub -0010,LT", ["D Scrubbing: -,0010,LT,", "D 0: scrub -0010,LT"]),
    ("forward to AE", ["O *** 0 error: forward to AE"]),
    ("get study from AE", ["O *** 0 error: get study from AE"]),
]


def item(uid: bytes) -> bytes:
    element = b"\x08\x00\x55\x11UI" + len(uid).to_bytes(2, "little") + uid
    return b"\xfe\xff\x00\xe0" + len(element).to_bytes(4, "little") + element


SEQUENCE = item(b"1.2.1\0") + item(b"1.2.2\0")
OBJECT = changed(CT, t7fe00010=b"") | {0x00081140: (b"SQ", SEQUENCE)}


def whole(line: str) -> str:
    """`O 1: x` and `O *** 1 error` with their prefixes."""
    kind, _, text = line.partition(" ")
    stars, _, rest = text.rpartition("*** ") if text.startswith("*") else ("", "", text)
    stars = f"{stars}*** " if text.startswith("*") else ""
    if rest.startswith("-1."):
        return f"{kind} {stars}Importconverter{rest}"
    if rest[:1].isdigit():
        return f"{kind} {stars}Importconverter0.{rest}"
    return line


@pytest.mark.parametrize(("line", "expected"), LINES, ids=[line for line, _ in LINES])
def test_what_a_line_says(instance: Instance, line: str, expected: list[str]) -> None:
    instance.configure(line)
    assert instance.store(OBJECT) == 0
    assert instance.log.lines == [whole(text) for text in expected]
    assert len(instance.files()) == 1


FINAL = [
    ("destroy", 0x0000, ["O Importconverter0.0: destroyed received image"]),
    ("destroyer; nop x", 0x0000, ["O Importconverter0.0: destroyed received image"]),
    ("destroy2; nop x", 0x0000, []),
    ("reject; nop x", 0x0110, ["O Importconverter0.0: rejected received image"]),
    ('ifequal "a","a"; { destroy} nop x', 0x0000, None),
    ('script "reject"; nop x', 0x0110, ["O Importconverter-1.0: rejected received image"]),
]


@pytest.mark.parametrize(("line", "status", "expected"), FINAL, ids=[line for line, _, _ in FINAL])
def test_what_is_not_stored(instance: Instance, line: str, status: int, expected: list[str] | None) -> None:
    instance.configure(line, "nop later converters do not run")
    assert instance.store() == status
    if expected is not None:
        assert instance.log.lines == expected
    assert not instance.files()
    assert not instance.leftovers()
    assert not any(line.startswith("FreeStore") for _, line in instance.log.entries)


def test_the_status_of_a_rejection_is_the_settings(instance: Instance) -> None:
    instance.configure("reject", more="StorageFailedErrorCode = 42752\n")
    assert instance.store() == 0xA700


def test_a_line_that_stops_does_not_stop_the_next(instance: Instance) -> None:
    instance.configure("stop; nop a", 'ifequal "a","b"; { nop b', "nop c")
    instance.store()
    assert instance.log.lines[-1] == "O Importconverter2.0: nop c"


def test_files_of_lines(instance: Instance, tmp_path: Path) -> None:
    (tmp_path / "inner").write_bytes(
        b"\xef\xbb\xbf# comment\r\n\r\n; comment\r\nnop %m; stop; nop x\r\nnop b; return\nnop c\n"
    )
    (tmp_path / "ends").write_text("nop a\nstop")
    instance.configure("call inner; nop x", "inner", "ends; nop x", "nop z")
    instance.store()
    assert instance.log.lines == [
        "D Importconverter0.0: call inner",
        "O Importconverter-1.0: nop CT",
        "D Importconverter-1.1: stop",
        "O Importconverter-1.0: nop b",
        "D Importconverter-1.1: return",
        "D Importconverter1.0: call inner",
        "O Importconverter-1.0: nop CT",
        "D Importconverter-1.1: stop",
        "O Importconverter-1.0: nop b",
        "D Importconverter-1.1: return",
        "D Importconverter2.0: call ends",
        "O Importconverter-1.0: nop a",
        "D Importconverter-1.0: stop",
        "O Importconverter3.0: nop z",
    ]


def test_a_key_of_the_scripts_section(instance: Instance) -> None:
    instance.configure("welcome; nop b", "call welcome; nop c", more="[scripts]\nwelcome = nop Welcome %i\n")
    instance.store()
    assert instance.log.lines == [
        "O Importconverter-1.0: nop Welcome 1CT1",
        "O Importconverter0.1: nop b",
        "O Importconverter-1.0: nop Welcome 1CT1",
        "O Importconverter1.1: nop c",
    ]


def test_kodak(instance: Instance) -> None:
    instance.configure("fixkodak", "unfixkodak")
    instance.store(changed(CT, t00100020=b"01234567"))
    assert instance.log.lines == [
        "O Importconverter0.0 executes: fixkodak",
        "D Fixed patient ID from kodak, now 1234567 ",
        "O Importconverter1.0 executes: unfixkodak",
        "D Fixed patient ID to kodak, now 01234567",
    ]


def test_the_unmapped_uids_of_olduids(instance: Instance) -> None:
    instance.configure("olduids")
    instance.store()
    assert instance.log.lines[:3] == [
        "O Importconverter0.0 executes: olduids",
        "O ***ChangeUIDBack: Unable to locate new UID",
        "O ***[OldUIDsInDICOMObject] FAILED to change 0008,0018 (SOPInstanceUID)",
    ]
