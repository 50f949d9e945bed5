from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.dgate.archive.support import House, make_house

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = make_house(tmp_path)
    yield made
    made.archive.close()
