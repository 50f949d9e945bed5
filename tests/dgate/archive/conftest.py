from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from tests.databases import SQLITE, asked_for, params, settings_of
from tests.dgate.archive import support
from tests.dgate.archive.support import House, make_house

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.databases import Databases

OF_THE_INDEX = frozenset(
    f"test_{name}"
    for name in (
        *("commitment", "conflicts", "delete", "devices", "disasters", "dropped", "fillin", "live", "media", "modify"),
        *("query", "recovery", "regenerate", "repeats", "retrieve", "storing", "worklist"),
    )
)
"""Modules whose tests are run with each database that was asked for."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    names = asked_for()
    module = metafunc.module.__name__.rpartition(".")[2]
    about_files = metafunc.definition.get_closest_marker("sqlite") is not None
    uses_a_house = {"house", "tmp_path", "filled"} & set(metafunc.fixturenames)
    if module in OF_THE_INDEX and not about_files and uses_a_house and names != [SQLITE]:
        metafunc.parametrize("database", params(names), indirect=True, scope="module")


@pytest.fixture(scope="module", autouse=True)
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """The database that `settings_for` leads to."""
    name = getattr(request, "param", SQLITE)
    if name != SQLITE:
        servers: Databases = request.getfixturevalue("database_servers")
        server = servers.server(name)
        support.database_settings.update(settings_of(server))
        support.clearing.append(lambda: servers.clear(name))
        os.environ["DGATE_TEST_DATABASE"] = json.dumps(support.database_settings)
    yield name
    os.environ.pop("DGATE_TEST_DATABASE", None)
    support.database_settings.clear()
    support.clearing.clear()


@pytest.fixture
def house(database: str, tmp_path: Path) -> Iterator[House]:
    assert database
    made = make_house(tmp_path)
    yield made
    made.archive.close()
