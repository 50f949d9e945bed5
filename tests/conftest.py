"""What holds for every test: container, peer and database tests may be skipped on a small machine, and never in CI."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.databases import Databases, databases

REQUIRED = ("docker", "peer", "database")
"""Markers of tests that need more than Python; CONQUESTCTL_REQUIRE_DOCKER=1 makes skipping one of them a failure."""


@pytest.fixture(scope="session")
def database_servers() -> Iterator[Databases]:
    """Real servers, each started by the first test that asks for it."""
    made = databases()
    yield made
    made.end()


@pytest.fixture
def one_fleet_at_a_time() -> Iterator[None]:
    """Fleets of two tests do not know each other: both would take the same free ports before either is started."""
    with (Path(tempfile.gettempdir()) / f"conquestctl-tests-{os.getuid()}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and os.environ.get("CONQUESTCTL_REQUIRE_DOCKER") and _is_required(item):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, which CONQUESTCTL_REQUIRE_DOCKER forbids: {reason}"
    return report


def _is_required(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(marker) for marker in REQUIRED)
