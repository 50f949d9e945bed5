"""How many images a node holds, asked of its own index by C-FIND."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from conquestctl.dicom.association import Link, association
from conquestctl.dicom.target import CALLING, EchoTarget

if TYPE_CHECKING:
    from pynetdicom.association import Association

STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
IMPLICIT_LITTLE = "1.2.840.10008.1.2"
PENDING = (0xFF00, 0xFF01)
"""PS3.4 table C.4-1: matches are continuing."""

STUDY_KEYS = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "", "NumberOfStudyRelatedInstances": ""}
IMAGE_KEYS = {"QueryRetrieveLevel": "IMAGE", "StudyInstanceUID": "", "SeriesInstanceUID": "", "SOPInstanceUID": ""}


class _UnansweredError(Exception):
    """The query did not end with success."""


def count_images(target: EchoTarget, *, calling: str = CALLING, timeout: float = 5.0) -> int | None:
    """Return the number of images in the node's index, or None when it cannot be asked.

    One answer per study, with the number of its instances (0020,1208). That attribute is optional (PS3.4 C.3.4), so a
    node that leaves it out is asked for every image instead.
    """
    from pynetdicom.presentation import build_context

    link = Link(target, calling, timeout)
    with association(link, [build_context(STUDY_ROOT_FIND, IMPLICIT_LITTLE)]) as (assoc, _recorder):
        if assoc is None:
            return None
        try:
            numbers = [_number(match) for match in _find(assoc, STUDY_KEYS)]
            known = [number for number in numbers if number is not None]
            return sum(known) if len(known) == len(numbers) else sum(1 for _ in _find(assoc, IMAGE_KEYS))
        except _UnansweredError:
            return None


def _number(match: Any) -> int | None:
    """Return the number of instances of a study, None when the node did not say one."""
    try:
        return int(match.get("NumberOfStudyRelatedInstances"))
    except (TypeError, ValueError):
        return None


def _find(assoc: Association, keys: Mapping[str, str]) -> Iterator[Any]:
    """Yield the matches of one query. Raises `_UnansweredError` when it does not end with success."""
    from pydicom.dataset import Dataset

    query = Dataset()
    for keyword, value in keys.items():
        setattr(query, keyword, value)
    status = None
    try:
        for response, match in assoc.send_c_find(query, STUDY_ROOT_FIND):
            status = response.get("Status")
            if status in PENDING:
                yield match
    except RuntimeError as gone:
        raise _UnansweredError from gone
    if status != 0:
        raise _UnansweredError
