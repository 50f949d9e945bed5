from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.dgate.lua.scripts import Bench, make_bench
from tests.dgate.rules.bench import make_instance

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A CT at hand and a Lua state; the working directory is the instance's folder."""
    monkeypatch.chdir(tmp_path)
    made = make_bench(make_instance(tmp_path))
    yield made
    made.session.end()
    made.instance.archive.close()
