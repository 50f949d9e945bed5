from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.dgate.rules.bench import Instance, make_instance

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Instance]:
    """An instance without converters yet; its working directory is its own folder."""
    monkeypatch.chdir(tmp_path)
    made = make_instance(tmp_path)
    yield made
    made.archive.close()
