from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.dgate.hostile.conftest import assert_no_fault_of_ours
from tests.dgate.hostile.site import Site

from .support import make_site

StartServer = Callable[..., Site]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[StartServer]:
    """A factory of running servers: settings, then lines of acrnema.map."""
    sites: list[Site] = []

    def started(ini: str, *nodes: str) -> Site:
        sites.append(make_site(tmp_path / f"site{len(sites)}", ini, *nodes))
        sites[-1].start()
        return sites[-1]

    yield started
    for site in sites:
        site.kill()
    for site in sites:
        assert_no_fault_of_ours(site)
