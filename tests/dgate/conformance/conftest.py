from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("tests.dgate.conformance.converter_site")

from tests.dgate.conformance.converter_site import ConverterSite  # noqa: E402 - only now


@pytest.fixture(scope="module")
def converter_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConverterSite]:
    """One server process for all cases of a module."""
    site = ConverterSite(tmp_path_factory.mktemp("site"))
    site.start()
    yield site
    site.stop()
