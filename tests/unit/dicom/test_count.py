"""Counting through a node's own index."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager

from pydicom.dataset import Dataset
from pynetdicom import AE, evt

from conquestctl.dicom.count import STUDY_ROOT_FIND, count_images
from conquestctl.dicom.target import EchoTarget
from tests.unit.dicom import peers

Answer = tuple[int, Dataset | None]


def query(studies: list[int], *, counted: bool = True, status: int = 0) -> AbstractContextManager[EchoTarget]:
    """A node with that many images per study, which knows (0020,1208) or does not."""

    def find(event: evt.Event) -> Iterator[Answer]:
        level = event.identifier.QueryRetrieveLevel
        rows = len(studies) if level == "STUDY" else sum(studies)
        for row in range(rows):
            match = Dataset()
            match.QueryRetrieveLevel = level
            if level == "STUDY" and counted:
                match.NumberOfStudyRelatedInstances = studies[row]
            yield 0xFF00, match
        yield status, None

    ae = AE("NODE")
    ae.add_supported_context(STUDY_ROOT_FIND)
    return peers.node(ae, [(evt.EVT_C_FIND, find)])


def count(node: AbstractContextManager[EchoTarget]) -> int | None:
    with node as target:
        return count_images(target)


def test_the_studies_say_how_many() -> None:
    assert count(query([3, 0, 4])) == 7


def test_an_empty_archive_has_none() -> None:
    assert count(query([])) == 0


def test_a_node_that_does_not_count_is_asked_for_every_image() -> None:
    assert count(query([2, 3], counted=False)) == 5


def test_a_query_that_fails_is_no_number() -> None:
    assert count(query([2], status=0xA700)) is None


def test_a_node_without_query_is_no_number() -> None:
    assert count(peers.node()) is None


def test_nobody_listens() -> None:
    assert count_images(peers.unused_target()) is None
