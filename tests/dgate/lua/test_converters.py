"""Lua in converter lines, files and section `[lua]`, with everything that the log says about it."""
# ruff: noqa: E501, ISC004 - lines as they are

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dgate.interfaces import Session
from tests.dgate.lua.scripts import Bench, write_file
from tests.dgate.rules.bench import CT, changed, texts

if TYPE_CHECKING:
    from pathlib import Path

SAMPLE = 'print("Patient: " .. Data.PatientName .. " (" .. Data.PatientID .. ")")\n'
REJECTED, STORED = 0x0110, 0


def store(bench: Bench, *lines: str, more: str = "", session: Session | None = None) -> tuple[int, list[str]]:
    """Store the CT with these converters: the status, and what the log says about them."""
    bench.instance.configure(*lines, more=more, engine=bench.engine)
    bench.instance.log.entries.clear()
    status = bench.instance.store(session=session or Session())
    return status, bench.instance.log.lines


FORMS: list[tuple[str, list[str]]] = [
    ("lua \"print('x')\"; nop y", ["O x", "O Importconverter0.1: nop y"]),
    ("lua \"print('a;b')\"; nop y", ["O a;b", "O Importconverter0.1: nop y"]),
    ("lua \"print('a\"\"b')\"", ["O ab"]),
    ('lua "print([[x]])"', ["O x"]),
    ("lua \"print('%i', '%VModality', '50%%')\"", ["O 1CT1\tCT\t50%"]),
    ("lua:print('a;\"b'); print('%i')", ['O a;"b', "O 1CT1"]),
    ("nop a; lua:print(1); print(2)", ["O Importconverter0.0: nop a", "O 1", "O 2"]),
    ('lua "x = = 1"; nop y', [
        "O *** lua syntax error [string \"x = = 1\"]:1: unexpected symbol near '=' in 'x = = 1'",
        "O Importconverter0.1: nop y",
    ]),
    ('lua "x.y = 1"; nop y', [
        "O *** lua run error [string \"x.y = 1\"]:1: attempt to index global 'x' (a nil value) in 'x.y = 1'",
        "O Importconverter0.1: nop y",
    ]),
    ("lua \"debuglog('quiet')\"", ["D quiet"]),
    ("lua \"script('stop')\"; nop y", []),
    ("lua \"script('nop silent') script('nosuch')\"", ["O *** Importconverter-2.0 error: nosuch"]),
    ("nosuch.lua", ["O *** Importconverter0.0 error: nosuch.lua"]),
    ('lua "print(Command.MessageID, Association.ConnectedIP)"', ["O nil\t0.0.0.0"]),
]  # fmt: skip


@pytest.mark.parametrize(("line", "lines"), FORMS, ids=[line for line, _ in FORMS])
def test_code_in_a_line(bench: Bench, line: str, lines: list[str]) -> None:
    assert store(bench, line) == (STORED, lines)
    assert len(bench.instance.files()) == 1


RESULTS: list[tuple[str, int, int]] = [
    ('lua "destroy()"; nop unseen', STORED, 0),
    ('lua "reject()"; nop unseen', REJECTED, 0),
    ("lua \"reject() error('x')\"", REJECTED, 0),
    ("lua \"script('destroy')\"", STORED, 0),
    ("lua \"script('reject')\"", REJECTED, 0),
    ("lua \"destroy() script('nop')\"", STORED, 1),
    ('lua "return false"', STORED, 1),
    ('lua "error({})"', STORED, 1),
]


@pytest.mark.parametrize(("line", "status", "files"), RESULTS, ids=[line for line, _, _ in RESULTS])
def test_what_a_script_decides(bench: Bench, line: str, status: int, files: int) -> None:
    found, lines = store(bench, line)
    assert (found, len(bench.instance.files())) == (status, files)
    assert not [text for text in lines if "unseen" in text or "destroyed" in text or "rejected" in text]


def test_a_script_changes_what_is_stored(bench: Bench) -> None:
    code = "Data.PatientID = 'NEW' Data.PatientName = nil Data.OtherPatientIDsSequence = {} Data.OtherPatientIDsSequence[0].PatientID = 'x'"
    assert store(bench, f'lua "{code}"', "nop %i")[1] == ["O Importconverter1.0: nop NEW"]
    stored = bench.instance.stored()
    assert (stored.PatientID, "PatientName" in stored, stored.OtherPatientIDsSequence[0].PatientID) == (
        "NEW",
        False,
        "x",
    )


def test_pixels_are_changed_in_what_is_stored(bench: Bench) -> None:
    bench.instance.configure('lua "Data:SetPixel(0, 0, 0, 4711)"', engine=bench.engine)
    assert bench.instance.store({**CT, 0x00280100: (b"US", b"\x10\0")}) == 0
    assert bench.instance.stored().PixelData[:2] == (4711).to_bytes(2, "little")


def test_the_samples_of_the_wrapper(bench: Bench, tmp_path: Path) -> None:
    path = write_file(tmp_path, "scripts/printPatientInfo.lua", SAMPLE)
    lines = ('ifequal "%m","MR"; destroy;', 'ifequal "%m","CT"; nop Welcome CT slice for patient %i!;', str(path))
    assert store(bench, *lines) == (
        STORED,
        [
            'D Importconverter0.0 executes: ifequal "CT","MR"',
            "D Importconverter0.1 not executed because of previous statement",
            'D Importconverter1.0 executes: ifequal "CT","CT"',
            "O Importconverter1.1: nop Welcome CT slice for patient 1CT1!",
            f"D Importconverter2.0: dofile(Global.basedir..'{path}')",
            "O Patient: CompressedSamples^CT1 (1CT1)",
        ],
    )


def test_the_sample_works_without_name_and_id(bench: Bench, tmp_path: Path) -> None:
    write_file(tmp_path, "x.lua", SAMPLE)
    bench.instance.configure("x.lua", engine=bench.engine)
    assert bench.instance.store(changed(CT, t00100010=None, t00100020=None)) == 0
    assert "O Patient: NO NAME (00000000)" in bench.instance.log.lines


def test_a_file_gets_its_argument(bench: Bench, tmp_path: Path) -> None:
    write_file(tmp_path, "x.lua", "print(command_line, version)")
    lines = store(bench, "x.lua", "x.lua(%i)", 'x.lua("a b")', "x.lua")[1]
    assert [line for line in lines if line.startswith("O")] == [
        "O nil\tnil", "O 1CT1\t1.5.0e", "O a b\t1.5.0e", "O a b\t1.5.0e",
    ]  # fmt: skip


def test_faults_of_a_file_name_it(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dgate.lua.engine._path", lambda script, _run: script.name)  # Lua shows 60 characters of a path
    write_file(tmp_path, "s/bad.lua", "\nx = = 1")
    write_file(tmp_path, "s/run.lua", "\nx.y = 1")
    lines = store(bench, "s/bad.lua", "s/run.lua")[1]
    assert [line for line in lines if line.startswith("O")] == [
        "O *** lua run error s/bad.lua:2: unexpected symbol near '=' in 'dofile(Global.basedir..'s/bad.lua')'",
        "O *** lua run error s/run.lua:2: attempt to index global 'x' (a nil value) "
        "in 'dofile(Global.basedir..'s/run.lua')'",
    ]


def test_globals_go_from_image_to_image_of_an_association_only(bench: Bench) -> None:
    session, line = Session(), 'lua "n = (n or 0) + 1 print(n)"'
    assert [store(bench, line, session=session)[1] for _ in range(3)] == [["O 1"], ["O 2"], ["O 3"]]
    session.end()
    assert store(bench, line)[1] == ["O 1"]


@pytest.mark.parametrize("name", ["'); os.exit(1) --", "]] os.exit(1) --[[", '"', "\\", "x'..os.tmpname()..'"])
def test_received_values_are_data_in_code(bench: Bench, name: str) -> None:
    bench.instance.configure("lua \"print('%VPatientName')\"", engine=bench.engine)
    assert bench.instance.store(changed(CT, t00100010=name.encode())) == 0
    assert texts(bench.instance.log.lines)[0] == name


def test_a_chunk_of_the_lua_section_goes_before_the_line(bench: Bench) -> None:
    more = (
        "ImportModality0 = MR\n[lua]\nImportConverter0 = print('chunk', Data.PatientID)\nImportConverter7 = destroy()\n"
    )
    assert store(bench, "nop line", "nop other", more=more) == (
        STORED, ["O chunk\t1CT1", "O Importconverter1.0: nop other"],
    )  # fmt: skip
    assert bench.instance.files() == []


def test_a_chunk_alone_is_a_converter(bench: Bench) -> None:
    assert store(bench, more="[lua]\nImportConverter3 = reject()\n") == (REJECTED, [])


def test_a_script_that_uses_too_much_costs_no_image(bench: Bench) -> None:
    bench.instance.configure(
        'lua "while true do end"', "nop next", more="LuaMaxInstructions = 5\n", engine=bench.engine
    )
    assert bench.instance.store() == 0
    assert texts(bench.instance.log.lines) == [
        "*** lua run error more than 5 million instructions (LuaMaxInstructions) in 'while true do end'",
        "Importconverter1.0: nop next",
    ]
    assert len(bench.instance.files()) == 1
