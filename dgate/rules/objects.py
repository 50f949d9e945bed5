"""Objects that converters work on, to and from files. The pixels of a large one are never in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dgate.archive.incoming import write_pieces
from dgate.dataset.structure import DataSetError
from dgate.encoding.elements import PIXEL_GROUP, Walker, encoding_of
from dgate.encoding.part10 import header, read_meta
from dgate.encoding.transcode import Transcoder
from dgate.record import dataclass
from dgate.rules.subject import SOP_CLASS, SOP_UID, Subject

if TYPE_CHECKING:
    from dgate.dataset.terms import Terms
    from dgate.encoding.elements import Encoding

HELD = 1024 * 1024
"""Bytes of an object that are kept in memory."""
LARGEST = 1 << 30
"""Bytes of an object that can be copied or changed as a whole."""
CHUNK = 256 * 1024


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of an object, in a file that somebody else closes."""

    descriptor: int
    offset: int
    length: int

    def chunks(self) -> Iterator[bytes]:
        """Its bytes. Raises OSError."""
        at, end = self.offset, self.offset + self.length
        while at < end:
            chunk = os.pread(self.descriptor, min(CHUNK, end - at), at)
            if not chunk:
                raise OSError("a file has become shorter while it was read")
            yield chunk
            at += len(chunk)


def cut(data: bytes, encoding: Encoding) -> tuple[int, tuple[int, bytes]]:
    """Where the pixels of an object begin, or the last element of its first part; and that element's tag and VR.

    Raises `DataSetError` where the part is one element, or none.
    """
    walker = Walker(encoding, None, limit=0)
    walker.feed(data)
    if walker.fault or not walker.spans:
        raise DataSetError(walker.fault or "no element ends in the first megabyte")
    tag = next((tag for tag in walker.spans if tag >= PIXEL_GROUP), list(walker.spans)[-1])
    return walker.spans[tag].start, (tag, walker.spans[tag].vr)


def uid_of(subject: Subject) -> bytes:
    """The SOP instance UID as it is now; nothing if it has none."""
    return subject.attribute(SOP_UID).encode("latin-1", "replace")


def header_of(subject: Subject) -> bytes:
    """Preamble and group 0002 of its file."""
    sop_class = subject.attribute(SOP_CLASS).encode("latin-1", "replace")
    return header(sop_class, uid_of(subject), subject.written_syntax.encode("latin-1", "replace"))


def write_object(descriptor: int, subject: Subject, start: bytes) -> None:
    """Write `start` and then the whole object. Raises OSError, `DataSetError`."""
    if subject.written_syntax != subject.transfer_syntax:
        _write_converted(descriptor, subject, start)
        return
    write_pieces(descriptor, [start, *subject.pieces()])
    if subject.rest is not None:
        copy_tail(descriptor, subject.rest)


def copy_tail(descriptor: int, tail: Tail) -> None:
    """Append it, inside the kernel where that is possible. Raises OSError."""
    at, end = tail.offset, tail.offset + tail.length
    try:
        while at < end:
            count = os.copy_file_range(tail.descriptor, descriptor, end - at, at)
            if not count:
                break
            at += count
    except OSError:
        if at > tail.offset:
            raise
    if at < end:  # another file system, perhaps
        for chunk in Tail(tail.descriptor, at, end - at).chunks():
            write_pieces(descriptor, [chunk])


def _write_converted(descriptor: int, subject: Subject, start: bytes) -> None:
    target = encoding_of(subject.written_syntax)
    transcoder = Transcoder(
        subject.encoding, explicit=target.explicit, big_endian=target.big_endian, vrs=subject.terms.vrs
    )
    write_pieces(descriptor, [start, *transcoder.feed(subject.pieces())])
    for chunk in subject.rest.chunks() if subject.rest is not None else ():
        write_pieces(descriptor, transcoder.feed([chunk]))
    write_pieces(descriptor, transcoder.end())
    if transcoder.fault:
        raise DataSetError(f"the object cannot be converted: {transcoder.fault}")


def save(subject: Subject, path: bytes) -> None:
    """Write the object as it is now to a part-10 file. Raises OSError, `DataSetError`."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        write_object(descriptor, subject, header_of(subject))
    finally:
        os.close(descriptor)


def load(descriptor: int, terms: Terms) -> Subject:
    """The object in an open file, which must stay as it is. Raises OSError, `DataSetError`, `NotDicomError`."""
    with os.fdopen(os.dup(descriptor), "rb") as file:
        file.seek(0)
        meta = read_meta(file)
    encoding = encoding_of(meta.transfer_syntax)
    size = os.fstat(descriptor).st_size - meta.offset
    head = os.pread(descriptor, min(size, HELD), meta.offset)
    if len(head) >= size:
        return Subject(head, encoding, meta.transfer_syntax, terms)
    end, outside = cut(head, encoding)
    made = Subject(head[:end], encoding, meta.transfer_syntax, terms)
    made.outside = outside
    made.tail = Tail(descriptor, meta.offset + end, size - end)
    return made


def whole_bytes(subject: Subject) -> bytes:
    """The encoded data set, pixels and all. Raises `DataSetError`, OSError."""
    tail = subject.tail.chunks() if subject.tail is not None else ()
    return b"".join([*subject.pieces(), *tail])


def copy_of(subject: Subject) -> Subject:
    """An object of its own with the same content, all in memory. Raises `DataSetError`, OSError."""
    if subject.tail is not None and subject.tail.length > LARGEST:
        raise DataSetError(f"more than {LARGEST} bytes are not taken into memory")
    made = Subject(whole_bytes(subject), subject.encoding, subject.transfer_syntax, subject.terms)
    made.written_syntax = subject.written_syntax
    return made


def take_in(subject: Subject) -> None:
    """From now on its pixels are in memory too, so that they can be changed. Raises `DataSetError`, OSError."""
    if subject.tail is not None:
        written = subject.written_syntax
        made = copy_of(subject)
        subject.replace(made)
        subject.written_syntax = written
