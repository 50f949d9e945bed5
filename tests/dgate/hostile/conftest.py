from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .site import Site

StartSite = Callable[..., Site]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One server for all cases of a module: what one of them leaves behind meets the next."""
    with running(Site(tmp_path_factory.mktemp("site"))) as started:
        yield started


@pytest.fixture
def served(site: Site) -> Iterator[Site]:
    """The server answers others before and after, and has given back what the case took."""
    with harmless(site):
        yield site


@pytest.fixture
def start_site(tmp_path: Path) -> Iterator[StartSite]:
    """A factory of servers with settings of their own, as `Site` takes them."""
    sites: list[Site] = []

    def start(**how: object) -> Site:
        folder = tmp_path / f"site{len(sites)}"
        folder.mkdir()
        sites.append(Site(folder, **how))  # type: ignore[arg-type]
        sites[-1].start()
        sites[-1].warm_up()
        return sites[-1]

    yield start
    for site in sites:
        site.kill()
    for site in sites:
        assert_no_fault_of_ours(site)


@contextmanager
def running(site: Site) -> Iterator[Site]:
    try:
        site.start()
        site.warm_up()
        yield site
        assert site.stop() == 0
    finally:
        site.kill()
    assert_no_fault_of_ours(site)


@contextmanager
def harmless(site: Site) -> Iterator[None]:
    """What happens inside leaves the server serving others, with everything back at its level."""
    site.still_serves()
    before = site.quiet_level()
    yield
    site.still_serves()
    site.wait_until_back(before)
    assert_no_fault_of_ours(site)


def assert_no_fault_of_ours(site: Site) -> None:
    log = site.log()
    for sign in ("Traceback", "internal fault"):
        assert sign not in log, log[max(0, log.find(sign) - 500) : log.find(sign) + 3000]
