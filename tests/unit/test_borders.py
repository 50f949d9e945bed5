"""Who imports whom: the two packages, the standard library and everybody else."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conquestctl.doctor.examination import PACKAGES

REPOSITORY = Path(__file__).parents[2]

LAZY_IN_DGATE = frozenset({"lupa", "psycopg", "pymysql"})
"""Packages that `dgate` may import inside a function, when a configuration asks for what they do."""

DRIVERS = frozenset(f"dgate.index.database.{name}" for name in ("libpq", "mysql", "postgres"))
"""Modules that are about one such package alone. Others import them inside a function."""

LIGHT = frozenset(
    [
        *("array", "collections", "contextlib", "enum", "errno", "fcntl", "io", "itertools", "operator", "os"),
        *("re", "signal", "socket", "sqlite3", "stat", "struct", "sys", "threading", "time", "typing"),
    ]
)
"""What `dgate` imports of the standard library on its way to the first echo. Each further one is paid at each start."""

BELOW = {
    "encoding": frozenset({"encoding", "record"}),
    "index": frozenset({"config", "encoding", "index", "interfaces", "record"}),
}
"""Rooms of `dgate` that know only these."""

HEAVY = (
    *("dataclasses", "inspect"),
    *("asyncio", "logging", "pydicom", "pynetdicom", "conquestctl", "pathlib", "json", "subprocess", "shutil", "uuid"),
    *("tempfile", "urllib", "http", "ssl", "email", "argparse", "decimal", "random", "concurrent", "multiprocessing"),
)


def modules(package: str) -> list[Path]:
    found = sorted((REPOSITORY / package).rglob("*.py"))
    assert found
    return found


def imported(path: Path, *, inside_functions: bool = True, for_types: bool = True) -> Iterator[str]:
    """Full names a file imports, `from a import b` being `a.b`."""
    package = path.relative_to(REPOSITORY).with_suffix("").parts[:-1]
    for node in _nodes(ast.parse(path.read_text(encoding="utf-8")), inside_functions, for_types):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _nodes(node: ast.AST, inside_functions: bool, for_types: bool) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and not inside_functions:
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING" and not for_types:
            continue
        yield child
        yield from _nodes(child, inside_functions, for_types)


def top(name: str) -> str:
    return name.partition(".")[0]


def test_the_walk_sees_every_way_to_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "REPOSITORY", tmp_path)
    path = tmp_path / "package" / "module.py"
    path.parent.mkdir()
    path.write_text(
        "import a.b\nfrom c import d, e\nfrom . import f\nfrom .g import h\n"
        "if TYPE_CHECKING:\n    import i\nclass K:\n    import j\n"
        "    def k(self):\n        try:\n            import l\n"
        "        except ImportError:\n            pass\n",
        encoding="utf-8",
    )
    everything = ["a.b", "c.d", "c.e", "package.f", "package.g.h", "i", "j", "l"]
    assert list(imported(path)) == everything
    assert list(imported(path, inside_functions=False)) == everything[:-1]
    assert list(imported(path, inside_functions=False, for_types=False)) == [*everything[:5], "j"]


@pytest.mark.parametrize("path", modules("conquestctl"), ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_conquestctl_knows_only_the_file_formats_of_dgate(path: Path) -> None:
    of_dgate = [name for name in imported(path) if top(name) == "dgate"]
    assert [name for name in of_dgate if not name.startswith("dgate.config.")] == []


@pytest.mark.parametrize("path", modules("dgate"), ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_dgate_stands_alone(path: Path) -> None:
    own = sys.stdlib_module_names | {"dgate"}
    assert {top(name) for name in imported(path)} <= own | LAZY_IN_DGATE
    at_once = set(imported(path, inside_functions=False))
    if _module(path) in DRIVERS:
        own |= LAZY_IN_DGATE
    else:
        at_run_time = set(imported(path, inside_functions=False, for_types=False))
        assert not [name for name in at_run_time if name.startswith(tuple(DRIVERS))]
    assert {top(name) for name in at_once} <= own


@pytest.mark.parametrize("room", BELOW)
def test_lower_rooms_of_dgate_know_nothing_of_the_upper_ones(room: str) -> None:
    imports = {name for path in modules(f"dgate/{room}") for name in imported(path) if top(name) == "dgate"}
    assert {name.split(".")[1] for name in imports} <= BELOW[room]


def _module(path: Path) -> str:
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)


def test_doctor_knows_every_package_that_commands_import() -> None:
    own = sys.stdlib_module_names | {"conquestctl", "dgate", "typer"}
    foreign = {top(name) for path in modules("conquestctl") for name in imported(path)} - own
    assert foreign == set(PACKAGES)


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """What a fresh process has loaded with `dgate.start` and `dgate.server`, beyond what Python itself had."""
    code = "import sys; before = set(sys.modules); import dgate.start, dgate.server; print(*set(sys.modules) - before)"
    # -S: what hooks of this virtual environment import is not dgate's
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], check=True, capture_output=True, text=True, cwd=REPOSITORY
    )
    return set(done.stdout.split())


def test_the_way_to_the_first_echo_loads_nothing_heavy(loaded: set[str]) -> None:
    assert loaded >= {"dgate.start", "dgate.server", "dgate.net.store", "socket"}
    assert [name for name in HEAVY if name in loaded] == []


def test_the_way_to_the_first_echo_asks_for_the_light_modules_only(loaded: set[str]) -> None:
    asked = set()
    for name in loaded:
        path = REPOSITORY.joinpath(*name.split(".")).with_suffix(".py")
        if top(name) == "dgate" and path.exists():
            asked |= {top(one) for one in imported(path, inside_functions=False, for_types=False)}
    assert asked - {"dgate", "__future__"} <= LIGHT
