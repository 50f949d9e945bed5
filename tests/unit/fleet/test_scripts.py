from __future__ import annotations

from pathlib import Path

import pytest

from conquestctl.errors import ConflictError, InvalidError, NotFoundError
from conquestctl.fleet import luasyntax
from conquestctl.fleet.instance import Instance
from conquestctl.fleet.scripts import add_script, list_scripts
from tests.unit.fleet.support import make


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    return make(tmp_path, "ct1")[0]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "route.lua"
    path.write_text("print(Data.PatientID)\n")
    return path


def test_a_script_is_copied_and_listed(instance: Instance, source: Path) -> None:
    assert add_script(instance, source).line == "../scripts/route.lua"
    assert add_script(instance, source, "other.lua").name == "other.lua"
    assert [one.name for one in list_scripts(instance)] == ["other.lua", "printPatientInfo.lua", "route.lua"]
    assert (instance.mount / "scripts/other.lua").read_bytes() == source.read_bytes()


def test_another_script_of_that_name_is_kept_unless_forced(instance: Instance, source: Path) -> None:
    add_script(instance, source)
    add_script(instance, source)  # the same content is no conflict
    source.write_text("print(2)\n")
    with pytest.raises(ConflictError, match=r"ct1 has another script route\.lua"):
        add_script(instance, source)
    add_script(instance, source, force=True)
    assert (instance.mount / "scripts/route.lua").read_text() == "print(2)\n"


@pytest.mark.parametrize("name", ["route.txt", "a b.lua", "../route.lua", ".lua", "-x%i.lua", "x" * 70 + ".lua"])
def test_a_name_that_a_line_cannot_hold_is_refused(instance: Instance, source: Path, name: str) -> None:
    with pytest.raises(InvalidError, match="no name for a script"):
        add_script(instance, source, name)


def test_what_is_no_lua_is_refused_where_there_is_lua(
    instance: Instance, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("lupa.lua51")
    source.write_text("print(1)\nx = = 2\n")
    with pytest.raises(InvalidError, match=r"route\.lua:2: unexpected symbol near '='"):
        add_script(instance, source)
    said: list[str] = []
    monkeypatch.setattr(luasyntax, "_runtime", lambda: None)
    add_script(instance, source, say=said.append)
    assert said == ["there is no Lua on this machine: the script was not checked"]


def test_no_file_and_links_out_of_the_instance_are_refused(instance: Instance, source: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no such file"):
        add_script(instance, tmp_path / "none.lua")
    (instance.mount / "scripts/route.lua").symlink_to(tmp_path / "elsewhere.lua")
    with pytest.raises(InvalidError, match="a link to another place"):
        add_script(instance, source)
    assert not (tmp_path / "elsewhere.lua").exists()
