"""One stored object on its way out: its data set as it lies in the file, or converted as it is read.

Memory does not grow with the object. Reading into a buffer that is used again was measured against `sendfile` and
`mmap`: it costs half of the processor time of the first, because a PDU has its own header, and no more than the second.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import Self

from dgate.encoding.elements import UNCOMPRESSED, encoding_of
from dgate.encoding.part10 import META_LIMIT, MetaHeader, NotDicomError, read_meta
from dgate.encoding.transcode import Transcoder
from dgate.encoding.vrs import VRFile
from dgate.interfaces import Buffers, RetrieveFailure

_FIRST_READ = 2048
"""Enough for nearly every meta header."""


class StoredFile:
    """An open file of the archive; implements `Outgoing` of dgate.interfaces and owns the descriptor."""

    __slots__ = ("_descriptor", "_offset", "_vrs", "path", "sop_class_uid", "sop_instance_uid", "transfer_syntax")

    def __init__(self, descriptor: int, path: str, vrs: VRFile) -> None:
        """Raises `RetrieveFailure` when it is no DICOM file; the descriptor is closed then."""
        self._descriptor = descriptor
        self._vrs = vrs
        self.path = path
        try:
            meta = _meta(descriptor)
        except (OSError, NotDicomError) as error:
            os.close(descriptor)
            raise RetrieveFailure(f"{path} cannot be read: {error}") from error
        self._offset = meta.offset
        self.transfer_syntax = meta.transfer_syntax
        self.sop_class_uid = meta.sop_class
        self.sop_instance_uid = meta.sop_instance

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def detach(self) -> int:
        """Give the descriptor away, at any position, and own it no longer."""
        descriptor, self._descriptor = self._descriptor, -1
        return descriptor

    def sync(self) -> None:
        """Have it on stable storage. Raises OSError."""
        os.fsync(self._descriptor)

    def pieces(self, transfer_syntax: str, buffers: Buffers) -> Iterator[memoryview]:
        """See `Outgoing`."""
        if transfer_syntax == self.transfer_syntax:
            return self._stored(buffers)
        return self._converted(transfer_syntax, buffers[0])

    def _stored(self, buffers: Buffers) -> Iterator[memoryview]:
        position, left, turn = self._offset, self._size() - self._offset, 0
        while left > 0:
            piece = buffers[turn][:left]
            self._fill(piece, position)
            yield piece
            position += len(piece)
            left -= len(piece)
            turn ^= 1

    def _converted(self, transfer_syntax: str, buffer: memoryview) -> Iterator[memoryview]:
        transcoder = self._transcoder(transfer_syntax)
        position, left = self._offset, self._size() - self._offset
        while left > 0:
            piece = buffer[:left]
            self._fill(piece, position)
            position += len(piece)
            left -= len(piece)
            yield memoryview(b"".join(transcoder.feed([piece])))
            if transcoder.fault:
                raise RetrieveFailure(f"{self.path} cannot be converted: {transcoder.fault}")
        yield memoryview(b"".join(transcoder.end()))

    def _transcoder(self, transfer_syntax: str) -> Transcoder:
        if self.transfer_syntax not in UNCOMPRESSED or transfer_syntax not in UNCOMPRESSED:
            raise RetrieveFailure(f"{self.path} is {self.transfer_syntax}: {transfer_syntax} needs a codec")
        source, target = encoding_of(self.transfer_syntax), encoding_of(transfer_syntax)
        vrs = None
        if target.explicit and not source.explicit:
            try:
                vrs = self._vrs.get()
            except OSError as error:
                raise RetrieveFailure(f"the dictionary cannot be read: {error.strerror}") from error
        return Transcoder(source, explicit=target.explicit, big_endian=target.big_endian, vrs=vrs)

    def _size(self) -> int:
        return os.fstat(self._descriptor).st_size

    def _fill(self, piece: memoryview, position: int) -> None:
        try:
            count = os.preadv(self._descriptor, [piece], position)
            while 0 < count < len(piece):
                more = os.preadv(self._descriptor, [piece[count:]], position + count)
                count += more or -count
        except OSError as error:
            raise RetrieveFailure(f"{self.path} cannot be read: {error.strerror}") from error
        if count < len(piece):
            raise RetrieveFailure(f"{self.path} has become shorter while it was read")


def _meta(descriptor: int) -> MetaHeader:
    """The meta header. A small read does for all but the strangest. Raises `NotDicomError`, OSError."""
    start = os.pread(descriptor, _FIRST_READ, 0)
    try:
        meta = read_meta(io.BytesIO(start))
        if meta.offset < len(start) or len(start) < _FIRST_READ:
            return meta
    except NotDicomError:
        if len(start) < _FIRST_READ:
            raise
    return read_meta(io.BytesIO(os.pread(descriptor, META_LIMIT, 0)))
