"""An object that converters work on, as something to send: what is in memory, and the rest from its file."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Self

from dgate.dataset.structure import DataSetError
from dgate.encoding.elements import UNCOMPRESSED, encoding_of
from dgate.encoding.transcode import Transcoder
from dgate.interfaces import RetrieveFailure
from dgate.record import dataclass
from dgate.rules.subject import PATIENT_ID, SOP_CLASS, SOP_UID, Subject

if TYPE_CHECKING:
    from dgate.interfaces import Buffers, Outgoing

STUDY_UID, SERIES_UID = 0x0020000D, 0x0020000E
_LEVELS = {"PATIENT": PATIENT_ID, "STUDY": STUDY_UID, "SERIES": SERIES_UID, "IMAGE": SOP_UID, "SOPCLASS": SOP_CLASS}


@dataclass(frozen=True, slots=True)
class Parcel:
    """One object to send."""

    sop_class: str
    sop_instance: str
    content: Outgoing
    levels: dict[str, str]
    """Whose it is, by the values of ForwardAssociationLevel."""


class Content:
    """The bytes of a subject; implements `Outgoing` of dgate.interfaces. The subject must not change meanwhile."""

    def __init__(self, subject: Subject, path: str) -> None:
        self._subject = subject
        self.path = path
        self.transfer_syntax = subject.transfer_syntax

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Its files belong to the subject."""

    def pieces(self, transfer_syntax: str, buffers: Buffers) -> Iterator[memoryview]:
        """See `Outgoing`."""
        del buffers  # these bytes are in memory already, or come in pieces of their own
        try:
            for piece in self._as(transfer_syntax):
                yield memoryview(piece)
        except (DataSetError, OSError) as fault:
            raise RetrieveFailure(f"{self.path} cannot be read: {fault}") from fault

    def _as(self, transfer_syntax: str) -> Iterator[bytes | memoryview]:
        if transfer_syntax == self.transfer_syntax:
            yield from _pieces(self._subject)
            return
        if self.transfer_syntax not in UNCOMPRESSED or transfer_syntax not in UNCOMPRESSED:
            raise DataSetError(f"{transfer_syntax} needs a codec")
        target, subject = encoding_of(transfer_syntax), self._subject
        transcoder = Transcoder(
            subject.encoding, explicit=target.explicit, big_endian=target.big_endian, vrs=subject.terms.vrs
        )
        for piece in _pieces(subject):
            yield b"".join(transcoder.feed([piece]))
            if transcoder.fault:
                raise DataSetError(transcoder.fault)
        yield b"".join(transcoder.end())


def _pieces(subject: Subject) -> Iterator[bytes | memoryview]:
    yield from subject.pieces()
    if has_tail(subject) and subject.tail is not None:
        yield from subject.tail.chunks()


def has_tail(subject: Subject) -> bool:
    """Whether the end of the object is still the one in its file: the element may have been deleted or written."""
    return subject.tail is not None and (not subject.dirty or subject.data.outside is not None)


def parcel_of(subject: Subject, path: str) -> Parcel:
    """The object as it is now. Raises `DataSetError` where it cannot be taken apart."""
    levels = {level: subject.attribute(tag) for level, tag in _LEVELS.items()}
    return Parcel(levels["SOPCLASS"], levels["IMAGE"], Content(subject, path), levels)


def copy_of(subject: Subject) -> Subject:
    """Another one that can be changed without this one. Raises `DataSetError`."""
    made = Subject(b"".join(subject.pieces()), subject.encoding, subject.transfer_syntax, subject.terms)
    if has_tail(subject):
        made.tail, made.outside = subject.tail, subject.outside
    made.file_name = subject.file_name
    made.fix()
    return made


def digest_of(subject: Subject) -> int:
    """A number that is another one after a change. Raises `DataSetError`."""
    digest = 0
    for piece in subject.pieces():
        digest = zlib.crc32(piece, digest)
    return digest ^ (subject.tail.length if has_tail(subject) and subject.tail is not None else 0)
