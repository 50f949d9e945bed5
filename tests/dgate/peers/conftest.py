from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.dgate.hostile.conftest import harmless, running
from tests.dgate.hostile.site import Site

PATIENT: dict[str, float] = {}
"""Deadlines as delivered: a peer on a busy machine may take its time."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(Site(tmp_path_factory.mktemp("site"), times=PATIENT)) as started:
        yield started


@pytest.fixture
def served(site: Site) -> Iterator[Site]:
    with harmless(site):
        yield site
