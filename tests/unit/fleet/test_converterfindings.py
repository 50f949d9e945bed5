"""What `converter check` finds, and where it says it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conquestctl.errors import InvalidError
from conquestctl.fleet import luasyntax
from conquestctl.fleet.converterfindings import NO_COMMENT, check, check_one, not_checked
from conquestctl.fleet.instance import Instance
from tests.unit.fleet.support import make

CONVERTERS, TEMPLATE = "mount/config/converters.txt", "mount/config/dicom.ini.j2"


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    return make(tmp_path, "ct1")[0]


def found(instance: Instance) -> list[str]:
    return [str(one) for one in check(instance)]


def append(instance: Instance, text: str) -> int:
    """Add text to dicom.ini.j2; the number of its first line."""
    path = instance.folder / TEMPLATE
    before = path.read_text()
    path.write_text(before + text)
    return before.count("\n") + 1


def test_a_new_instance_has_nothing_wrong(instance: Instance) -> None:
    assert found(instance) == []
    example = (instance.folder / "mount/config/converters.example.txt").read_bytes()
    (instance.folder / CONVERTERS).write_bytes(example)
    rows = example.split(b"\n")
    comments = [number for number, row in enumerate(rows, start=1) if row.startswith(b"#")]
    assert [(one.line, one.message, one.wrong) for one in check(instance)] == [
        (number, NO_COMMENT, False) for number in comments
    ]
    (instance.folder / CONVERTERS).write_bytes(b"\n".join(row for row in rows if not row.startswith(b"#")))
    assert found(instance) == []


@pytest.mark.parametrize(
    ("line", "column", "wrong", "words"),
    [
        ('ifequal "%m","MR"; ifequal "%i","X"; destroy', 20, True, "guarded by the one before it"),
        ('ifequal "%m","MR"; destroy; else; nop', 29, True, "there is no else"),
        ('ifequal "%m","MR"; { nop a } nop b', 28, True, "counts only at the start"),
        ('ifequal "%m" ,"MR"; destroy', 1, True, "guards nothing"),
        ("destory", 1, True, "unknown command"),
        ("nop 50%k", 7, False, "unknown item"),
        ("nop a; ../scripts/none.lua", 8, True, "there is no script ../scripts/none.lua"),
        ("nop a; call mount/none.txt", 8, True, "there is no script mount/none.txt"),
        ("/conquest/mount/scripts/printPatientInfo.lua", 1, False, "in a container only, ../scripts/printPatientInfo"),
        ('"nop a"', 1, True, "quotes around the line"),
    ],
)
def test_a_mistake_is_found_where_it_is(instance: Instance, line: str, column: int, wrong: bool, words: str) -> None:
    (instance.folder / CONVERTERS).write_text(f"# first\r\n  {line}\r\n")
    remarks = [one for one in check(instance) if words in one.message]
    assert [(one.file, one.line, one.wrong) for one in remarks] == [(CONVERTERS, 2, wrong)]
    assert remarks[0].column in (column, column + 2)


def test_scripts_that_are_there_are_found_by_every_name(instance: Instance) -> None:
    name = "printPatientInfo.lua"
    lines = [
        f"../scripts/{name}",
        f"mount/scripts/{name}(%i)",
        f"call ../scripts/{name}",
        f"{instance.mount}/scripts/{name}",
    ]
    (instance.folder / CONVERTERS).write_text("".join(f"{line}\n" for line in lines))
    assert found(instance) == []


def test_files_of_lines_are_looked_at_when_a_line_speaks_of_them(instance: Instance) -> None:
    (instance.mount / "scripts/more.txt").write_text("nop a\nelse\n")
    assert found(instance) == []
    (instance.folder / CONVERTERS).write_text("call ../scripts/more.txt\n")
    assert found(instance) == ["mount/scripts/more.txt:2:1: error: there is no else: write the opposite condition"]


def test_converters_in_the_template_are_looked_at(instance: Instance) -> None:
    first = append(
        instance,
        "ExportConverters = 1\nExportConverter0 =  nop; reboot\nExportConverter1 = nop\nQueryConverter0 = else\n"
        "RetrieveConverter1 = nop\nImportConverter0 = nop\nImportConverter99 = nop\n[scripts]\nmine = nop; if x\n",
    )  # fmt: skip
    (instance.folder / CONVERTERS).write_text("nop never\nmine\n")
    assert found(instance) == [
        (
            f"{CONVERTERS}:1:1: error: never run: {TEMPLATE}:{first + 5} has ImportConverter0 already, "
            "and the first one wins"
        ),
        f"{TEMPLATE}:{first + 1}:26: warning: no command of export converters: the shell runs 'reboot'",
        f"{TEMPLATE}:{first + 2}:1: error: ExportConverter1 is never run: ExportConverters is 1",
        f"{TEMPLATE}:{first + 3}:19: error: there is no else: write the opposite condition",
        f"{TEMPLATE}:{first + 4}:1: error: RetrieveConverter1 is never run: the last one is number 0",
        f"{TEMPLATE}:{first + 6}:1: error: ImportConverter99 is never run: the last one is number 98",
        f'{TEMPLATE}:{first + 8}:13: error: there is no if: write ifequal "a","b" or another condition',
    ]


def test_lines_behind_the_last_one_that_runs_are_errors(instance: Instance) -> None:
    (instance.folder / CONVERTERS).write_text("nop\n" * 101)
    assert [one.line for one in check(instance)] == [100, 101]
    append(instance, "ImportConverters = 200\n")
    assert found(instance) == []


def test_lua_is_compiled_and_not_run(instance: Instance, tmp_path: Path) -> None:
    pytest.importorskip("lupa.lua51")
    (instance.mount / "scripts/bad.lua").write_text("#!/usr/bin/lua\nx = 1\nif x then\n")
    (instance.mount / "scripts/good.lua").write_text(f"io.open('{tmp_path}/made', 'w')\n")
    (instance.folder / CONVERTERS).write_text('nop; lua "x ="\nlua:y = \nlua "print(\'%i\')"\n')
    first = append(instance, "[lua]\nassociation = z = )\n")
    assert found(instance) == [
        f"{CONVERTERS}:1:6: error: Lua: unexpected symbol near '<eof>'",
        f"{CONVERTERS}:2:1: error: Lua: unexpected symbol near '<eof>'",
        f"{TEMPLATE}:{first + 1}:15: error: Lua: unexpected symbol near ')'",
        "mount/scripts/bad.lua:4:1: error: Lua: 'end' expected (to close 'if' at line 3) near '<eof>'",
    ]
    assert not (tmp_path / "made").exists()
    assert luasyntax.syntax_fault(b"\x1bLua") == (1, "this is compiled code, not a script")
    assert not_checked() == ""


def test_without_lua_it_is_said_that_scripts_were_not_checked(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(luasyntax, "_runtime", lambda: None)
    (instance.mount / "scripts/bad.lua").write_text("if x then\n")
    assert found(instance) == []
    assert "not checked" in not_checked()


def test_one_line_is_checked_before_it_is_there(instance: Instance) -> None:
    assert [one.message for one in check_one(instance, "# a comment")] == [NO_COMMENT]
    assert ["else" in one.message for one in check_one(instance, "nop; else")] == [True]


def test_a_template_that_cannot_be_used_is_an_error(instance: Instance) -> None:
    append(instance, "X = {{ WHAT }}\n")
    with pytest.raises(InvalidError, match="unknown placeholder"):
        check(instance)
    (instance.folder / TEMPLATE).unlink()
    with pytest.raises(InvalidError, match="missing or empty"):
        check(instance)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(max_size=300), template=st.binary(max_size=100))
def test_no_content_makes_it_raise(instance: Instance, content: bytes, template: bytes) -> None:
    (instance.folder / CONVERTERS).write_bytes(content)
    (instance.folder / TEMPLATE).write_bytes(b"[sscscp]\n" + template.replace(b"{{", b""))
    for one in check(instance):
        assert one.line >= 1
        assert one.column >= 1


def test_a_large_file_is_looked_at_in_good_time(instance: Instance) -> None:
    (instance.folder / CONVERTERS).write_bytes(b"nop a\n" * 10_000 + b"x" * 1_000_000)
    remarks = check(instance)
    assert any("never run" in one.message for one in remarks)
    assert "cut off" in remarks[-1].message


def test_lines_that_call_themselves(instance: Instance) -> None:
    scripts = instance.mount / "scripts"
    (scripts / "loop").write_text("# none\nnop a; call ../scripts/loop\n")
    (scripts / "one").write_text("../scripts/two(1)\n")
    (scripts / "two").write_text("call mount/scripts/ONE; call ../scripts/three\n")
    (scripts / "three").write_text("nop end; ../scripts/four\n")
    append(instance, "[scripts]\nagain = nop; AGAIN\nfine = again\n")
    found = [(one.file, one.line, one.column) for one in check(instance) if "leads back" in one.message]
    again = (instance.folder / TEMPLATE).read_text().split("\n").index("again = nop; AGAIN") + 1
    assert found == [
        (str(TEMPLATE), again, 14),
        ("mount/scripts/loop", 2, 8),
        ("mount/scripts/one", 1, 1),
        ("mount/scripts/two", 1, 1),
    ]
