"""One object on its way in: its head is read as it arrives, then its bytes go to the spool without being joined."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable, Mapping, Sequence

from dgate.archive import fixups
from dgate.archive.compression import code_for, decide, is_virtual
from dgate.archive.devices import NoDeviceError, not_enough_rights
from dgate.archive.filename import IMAGE_NUMBER, MODALITY, SERIES_NUMBER, SOP_UID, Naming, file_name
from dgate.archive.mirror import copy_to
from dgate.archive.placing import Placement, VirtualPlacement
from dgate.archive.spool import Spool
from dgate.archive.stores import StoreFault, Stores, UnreadableFault
from dgate.archive.writer import Entry, Outcome
from dgate.encoding.elements import DEFLATED, IMPLICIT_LITTLE, UNCOMPRESSED, Walker, encoding_of
from dgate.encoding.part10 import header, raw_header
from dgate.encoding.transcode import Transcoder
from dgate.index.rows import Truncation, shown
from dgate.interfaces import StoreRequest

HEAD_LIMIT = 1024 * 1024
"""So many bytes of a head are kept in memory. A longer one goes to the file as it is, and can no longer be fixed."""

SUCCESS = 0x0000
SOP_CLASS = 0x00080016
_VECTORS = 1000  # below IOV_MAX
_RIGHTS = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR})
_META_GROUPS = (b"\x02\x00", b"\x00\x02")

Piece = bytes | memoryview
Edit = Callable[[Mapping[int, bytes]], dict[int, bytes]]
"""Makes attributes that are to change out of the received ones; of those only that `fixups.apply` can write."""


def begin(
    stores: Stores, request: StoreRequest, compression: str, *, edit: Edit | None = None, sync: bool = False
) -> IncomingObject:
    """Start receiving an object, with or without converters."""
    if stores.converters is None or not stores.converters.see_stores:
        return IncomingObject(stores, request, compression, edit=edit, sync=sync)
    from dgate.archive.converted import ConvertedObject

    return ConvertedObject(stores, request, compression, stores.converters, edit=edit, sync=sync)


class IncomingObject:
    """Implements `Incoming` of dgate.interfaces. `compression` is the setting for objects that come this way.

    `edit` changes the object before it is stored; `wanted` are the attributes to read of it. `sync` has its bytes on
    disk before it counts as stored. After a failure `our_fault` says that the object itself may be good.
    """

    def __init__(
        self,
        stores: Stores,
        request: StoreRequest,
        compression: str,
        *,
        edit: Edit | None = None,
        sync: bool = False,
        wanted: frozenset[int] | None = None,
    ) -> None:
        self._stores = stores
        self._request = request
        self._compression = code_for(request.called_ae, compression)
        self._edit = edit
        self._sync = sync or stores.options.sync_files
        self.our_fault = False
        self.unreadable = False
        self._encoding = encoding_of(request.transfer_syntax)
        self._walker = Walker(self._encoding, wanted or stores.wanted)
        self._compressed = request.transfer_syntax not in UNCOMPRESSED
        self._raw = stores.syntax.raw and not self._compressed
        self._held: list[bytes] = []
        self._held_size = 0
        self._begun = False
        self._first = b""  # the first element's group, as received
        self._spilled = False
        self._spool: Spool | None = None
        self._temporary = b""
        self._fd = -1
        self._transcoder: Transcoder | None = None
        self._syntax = request.transfer_syntax
        self._uid = b""
        self._place = b""
        """The name that it was to have when it was first entered; it does not change with a second try."""
        self._fault = ""
        if request.transfer_syntax == DEFLATED:
            self._fault = "***Deflated objects are not supported"
            self.unreadable = True

    def write(self, fragments: Sequence[memoryview]) -> None:
        """See `Incoming`."""
        if self._fault:
            return
        try:
            self._take(fragments)
        except StoreFault as fault:
            self.unreadable = isinstance(fault, UnreadableFault)
            self._fail(str(fault))
        except OSError as error:
            self.our_fault = True
            self._fail(self._trouble(error))

    def finish(self) -> int:
        """See `Incoming`."""
        try:
            if not self._fault:
                self._end()
                return self._enter()
        except StoreFault as fault:
            self.unreadable = isinstance(fault, UnreadableFault)
            self._fail(str(fault))
        except OSError as error:
            self.our_fault = True
            self._fail(self._trouble(error))
        finally:
            if self._stores.exports is not None:
                self._stores.exports.finished()
        self._stores.log.console(self._fault)
        return self._stores.options.failed_status

    def abort(self) -> None:
        """See `Incoming`."""
        self._fail("aborted")

    # -- receiving

    def _take(self, fragments: Sequence[Piece]) -> None:
        walker = self._walker
        for fragment in fragments:
            if len(self._first) < 2:
                self._first += bytes(fragment[: 2 - len(self._first)])
            walker.feed(fragment)
        if walker.fault:
            raise UnreadableFault(walker.fault)
        if self._begun:
            self._send(fragments)
        elif walker.head_end is not None:
            self._begin([*self._held, *fragments])
        else:
            self._held.append(b"".join(fragments))  # an object for each crumb would cost fifty times its bytes
            self._held_size += len(self._held[-1])
            if self._held_size > HEAD_LIMIT:
                self._begin(self._held)

    def _end(self) -> None:
        """Everything has been fed: check that it is whole and says what it is."""
        walker = self._walker
        walker.end()
        if walker.fault:
            raise UnreadableFault(walker.fault)
        if not self._begun:
            self._begin(self._held)
        elif self._spilled and (self._edit or fixups.fix(walker.values, self._stores.options).changes):
            raise StoreFault("***Object needs fixing, but its header is too long")
        if self._uid != sop_uid(walker.values):
            raise StoreFault("***Object has no SOP instance UID before its long header")
        if self._transcoder is not None:
            self._write_all(self._transcoder.end())

    def _begin(self, pieces: list[Piece] | list[bytes]) -> None:
        """The head is known (or too long): fix it and write what is there."""
        values = self._walker.values
        self._uid = sop_uid(values)
        if self._first == b"\0\0":
            raise StoreFault("***Object begins with command elements")
        self._spilled = self._walker.head_end is None
        if not self._spilled:
            pieces = self._fixed(list(pieces))
            self._uid = sop_uid(values)
        elif self._first in _META_GROUPS:
            raise StoreFault("***Object begins with group 0002 and has a very long header")
        self._held = []
        self._begun = True
        self._prepare()
        self._open(pieces)

    def _open(self, pieces: Sequence[Piece]) -> None:
        """Open the file, with the first pieces in it and what stands before the data set."""
        self._create()
        start = self._start(self._walker.values)
        if self._transcoder is None:
            self._write_all([start, *pieces])
        else:
            self._write_all([start])
            self._send(pieces)

    def _create(self) -> None:
        """Choose a device and make a file there."""
        self._spool, free = self._choose()
        self._stores.log.debug(f"FreeStore Left {free} on {os.fsdecode(self._spool.root)}")
        self._temporary, self._fd = self._spool.create()

    def _choose(self) -> tuple[Spool, int]:
        """The device and its free space. Raises `NoDeviceError`."""
        return self._stores.devices.choose()

    def _fixed(self, pieces: list[Piece]) -> list[Piece]:
        """The pieces with the head changed; untouched if there is nothing to change."""
        fix = fixups.fix(self._walker.values, self._stores.options)
        if self._edit:
            fix.changes |= self._edit({**self._walker.values, **fix.changes})
        if not fix.changes and self._first not in _META_GROUPS:
            return pieces
        whole = b"".join(pieces)
        end = self._walker.head_end or 0
        try:
            head = fixups.apply(whole[:end], self._encoding, fix.changes)
        except ValueError as error:
            raise UnreadableFault(error) from error
        self._walker.values.update(fix.changes)
        for line in fix.lines:
            self._stores.log.console(line)
        return [head, memoryview(whole)[end:]]

    def _prepare(self) -> None:
        """Set up the conversion of the data set where one is due."""
        if self._raw and self._encoding.explicit:
            self._transcoder = Transcoder(self._encoding, explicit=False)
        self._syntax = IMPLICIT_LITTLE if self._raw else self._convert()

    def _start(self, values: dict[int, bytes]) -> bytes:
        """What stands before the data set in the file, once it is known how that is written."""
        if self._raw:
            return raw_header(IMPLICIT_LITTLE.encode())
        sop_class = values.get(SOP_CLASS, b"").strip(b"\0 ") or self._request.sop_class_uid.encode("latin-1", "replace")
        return header(sop_class, self._uid, self._syntax.encode("latin-1", "replace"))

    def _convert(self) -> str:
        """Set up the conversion that the compression code asks for; returns the transfer syntax that results."""
        received = self._request.transfer_syntax
        target = decide(self._compression, received, self._walker.values.get(MODALITY, b""))
        if target.line:
            self._stores.log.console(target.line)
        if target.transfer_syntax == received:
            return received
        vrs = None
        if not self._encoding.explicit:
            try:
                vrs = self._stores.vrs.get()
            except OSError as error:
                self._stores.log.console(f"***Stored as received: the dictionary cannot be read: {error.strerror}")
                return received
        self._transcoder = Transcoder(self._encoding, explicit=True, vrs=vrs)
        return target.transfer_syntax

    def _send(self, pieces: Sequence[Piece]) -> None:
        if self._transcoder is None:
            self._write_all(pieces)
            return
        self._write_all(self._transcoder.feed(pieces))
        if self._transcoder.fault:
            raise StoreFault(f"***Object cannot be converted: {self._transcoder.fault}")

    def _write_all(self, pieces: Sequence[Piece]) -> None:
        write_pieces(self._fd, pieces)

    # -- the end

    def _enter(self) -> int:
        stores, values = self._stores, self._walker.values
        if self._sync:
            os.fdatasync(self._fd)
        self._close()
        spool = self._spool
        if spool is None:
            raise StoreFault("***Object has no file")
        rows = stores.rows.make(values, big_endian=self._encoding.big_endian)
        placement = self._placement(spool)
        self._report_attributes(rows.truncations, placement.path)
        ticket = None if stores.exports is None else stores.exports.entering(self._request, self._uid)
        entry = Entry(rows, placement, placement.path, also=None if ticket is None else ticket.put)
        outcome = stores.writer.submit(entry)
        self.our_fault = outcome == Outcome.FAILED
        if outcome != Outcome.STORED or placement.virtual:
            spool.discard(placement.temporary)
        elif (mirror := stores.devices.mirror_of(spool)) is not None:
            copy_to(mirror, spool, placement.path, stores.log)
        full_path = os.fsdecode(spool.root + placement.path)
        if outcome == Outcome.KEPT:
            stores.log.console(f"File already exists: {full_path}")
        elif outcome == Outcome.STORED:
            done = "Virtual" if placement.virtual else "Rewritten" if placement.rewritten else "Written"
            stores.log.console(f"{done} file: {full_path}")
        if ticket is not None:
            ticket.settle(stored=outcome == Outcome.STORED)
        return SUCCESS if outcome in (Outcome.STORED, Outcome.KEPT) else stores.options.failed_status

    def _placement(self, spool: Spool) -> Placement:
        self._place = self._place or self._path()
        kind, stores = VirtualPlacement if is_virtual(self._compression) else Placement, self._stores
        where = spool, self._temporary, self._place, self._uid
        return kind(stores.options, stores.devices, *where, stores.original)

    def _path(self) -> bytes:
        naming = Naming(
            int(time.time()),
            next(self._stores.counter),
            self._request.calling_ae.encode("latin-1", "replace"),
            self._request.called_ae.encode("latin-1", "replace"),
        )
        bound = self._stores.options.max_file_name
        return file_name(
            self._stores.syntax, self._walker.values, naming, compressed=self._compressed, max_length=bound
        )

    def _report_attributes(self, truncations: tuple[Truncation, ...], path: bytes) -> None:
        log, values = self._stores.log, self._walker.values
        if not values.get(SERIES_NUMBER):
            log.console("No Series number")
        if not values.get(IMAGE_NUMBER):
            log.console("No image number")
        for cut in truncations:
            stars = "" if cut.column in self._stores.options.allow_truncate else "***"
            log.console(f"{stars}Truncated {cut.column} from {cut.length} to {cut.limit} chars in file: {shown(path)}")

    def _close(self) -> None:
        """Raises OSError where a file system tells of a failed write only now; the descriptor is gone even then."""
        fd, self._fd = self._fd, -1
        os.close(fd)

    def _fail(self, line: str) -> None:
        """Remember the first fault and leave nothing behind."""
        self._fault = self._fault or line
        self._held = []
        if self._fd >= 0:
            with contextlib.suppress(OSError):  # the file goes anyway
                self._close()
        if self._spool is not None:
            try:
                self._spool.discard(self._temporary)
            except OSError as error:
                self._stores.log.console(self._trouble(error))
            self._spool = None

    def _trouble(self, error: OSError) -> str:
        """The log line for a file that cannot be written."""
        if isinstance(error, NoDeviceError):
            return str(error)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return "*** Out of disk space"
        if error.errno in _RIGHTS and self._spool is not None:
            return not_enough_rights(self._spool.name)
        return f"***File cannot be written: {error.strerror or error}"


def write_pieces(descriptor: int, pieces: Sequence[Piece]) -> None:
    """Write views as they are, however many, however little the system takes at once. Raises OSError."""
    if len(pieces) > _VECTORS:
        for first in range(0, len(pieces), _VECTORS):
            write_pieces(descriptor, pieces[first : first + _VECTORS])
        return
    total = sum(map(len, pieces))
    written = os.writev(descriptor, pieces) if total else 0
    while written < total:
        rest = memoryview(b"".join(pieces))[written:]
        written += os.write(descriptor, rest)


def sop_uid(values: dict[int, bytes]) -> bytes:
    """The data set's own UID, which goes before the command's. Raises `StoreFault` if it has none that can be a key."""
    uid = values.get(SOP_UID, b"").split(b"\0", 1)[0].strip(b" ")
    if not uid or len(uid) > 64:
        raise StoreFault(
            f"***Object has {'a SOP instance UID of more than 64 characters' if uid else 'no SOP instance UID'}"
        )
    return uid
