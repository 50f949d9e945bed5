"""What holds for every test: container and peer tests may be skipped on a small machine, and never in CI."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

REQUIRED = ("docker", "peer")
"""Markers of tests that need more than Python; CONQUESTCTL_REQUIRE_DOCKER=1 makes skipping one of them a failure."""


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
