from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

pytest.register_assert_rewrite("tests.dgate.conformance.converter_site")

from tests.dgate.conformance.converter_site import ConverterSite, InstanceSite  # noqa: E402 - only now
from tests.dgate.conformance.node import Node, running  # noqa: E402

StartNode = Callable[..., Node]


@pytest.fixture(scope="module")
def start_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartNode]:
    """A factory of servers that serve until the module is done."""
    with ExitStack() as stack:

        def start(
            *,
            initialise: bool = True,
            prepare: Callable[[Node], object] = id,
            words: tuple[str, ...] = (),
            **how: Any,
        ) -> Node:
            folder: Path = tmp_path_factory.mktemp("node")
            made = Node(folder, **how)
            prepare(made)
            return stack.enter_context(running(made, initialise=initialise, words=words))

        yield start


@pytest.fixture(scope="module")
def node(start_node: StartNode) -> Node:
    """The module's usual server."""
    return start_node()


@pytest.fixture(scope="module")
def converter_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConverterSite]:
    """One server process for all cases of a module of converters."""
    site = ConverterSite(tmp_path_factory.mktemp("site"))
    site.start()
    yield site
    site.stop()


@pytest.fixture(scope="module")
def instance_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InstanceSite]:
    """The same for an instance that `dgate.start` runs."""
    site = InstanceSite(tmp_path_factory.mktemp("instance"))
    site.start()
    yield site
    site.stop()
