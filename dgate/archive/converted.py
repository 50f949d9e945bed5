"""An object that import converters work on before it is stored (conquest-converters.md 2).

Lines that only look at the head and change it run as soon as that is there: nobody but a sender that dies midway can
tell, and the pixels go their way as they do without converters. For all other lines the object is held in memory until
it is whole; of one of more than a megabyte the pixels go to the spool at once, behind a gap that its head fits in as
long as that keeps its length. What the converters did not change is never copied again.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dgate.archive.filename import scripted_name
from dgate.archive.fillin import NotOnWorklistError
from dgate.archive.incoming import SUCCESS, Edit, IncomingObject, Piece, sop_uid, write_pieces
from dgate.archive.stores import StoreFault, Stores, UnreadableFault
from dgate.dataset.structure import DataSetError
from dgate.encoding.elements import IMPLICIT_LITTLE, UNCOMPRESSED, VALUE_LIMIT, encoding_of
from dgate.interfaces import Session, StoreRequest
from dgate.rules.hooks import REJECTED, UNLISTED
from dgate.rules.interfaces import Association
from dgate.rules.objects import HELD, Tail, cut, write_object
from dgate.rules.outcome import Outcome
from dgate.rules.subject import Known, Subject

if TYPE_CHECKING:
    from dgate.archive.spool import Spool
    from dgate.rules.converters import Converters


class ConvertedObject(IncomingObject):
    """Implements `Incoming` of dgate.interfaces."""

    def __init__(
        self,
        stores: Stores,
        request: StoreRequest,
        compression: str,
        converters: Converters,
        *,
        edit: Edit | None = None,
        sync: bool = False,
    ) -> None:
        self._wanted = converters.wanted(stores.wanted)
        super().__init__(stores, request, compression, edit=edit, sync=sync, wanted=self._wanted)
        self._converters = converters
        self._kept: list[bytes] = []
        self._kept_size = 0
        self._outside: tuple[int, bytes] | None = None
        self._gap = 0
        """Where in its file the object's tail begins."""
        self._tail_size = 0
        self._preferred = ""
        self._fixed_head: int | None = None
        """The size of the head, if anything in it was put right."""
        self._holding = False
        self._named = b""
        """The path that a script has computed."""
        self._outcome = Outcome.STORED
        self._unlisted: NotOnWorklistError | None = None

    # -- receiving

    def _fixed(self, pieces: list[Piece]) -> list[Piece]:
        fixed = self._filled_in(pieces)
        self._fixed_head = None if fixed is pieces else len(fixed[0])
        return fixed

    def _filled_in(self, pieces: list[Piece]) -> list[Piece]:
        """An object that the worklist does not know is not refused yet if there is a line for it."""
        try:
            return super()._fixed(pieces)
        except NotOnWorklistError as fault:
            if not self._converters.has(UNLISTED):
                raise
            self._unlisted = fault
        edit, self._edit = self._edit, None
        try:
            return super()._fixed(pieces)
        finally:
            self._edit = edit

    def _open(self, pieces: Sequence[Piece]) -> None:
        """There is no file as long as it is not needed."""
        self._holding = not self._converters.early or self._transcoder is not None or self._spilled
        if self._holding:
            self._send(pieces)
            return
        head, rest = self._divided(pieces)
        try:
            first = self._convert_head(head)
        except DataSetError as fault:
            raise StoreFault(f"***Object cannot be stored: {fault}") from fault
        if self._outcome is Outcome.STORED:
            super()._open([*first, *rest])

    def _convert_head(self, head: Piece) -> list[Piece]:
        """Run the converters on the head; what it is then. Raises `DataSetError`."""
        subject = self._make_subject(head)
        self._outcome = self._run(subject)
        if self._outcome is not Outcome.STORED:
            return []
        self._adopt(subject)
        self._uid = sop_uid(self._walker.values)
        return subject.pieces()

    def _divided(self, pieces: Sequence[Piece]) -> tuple[Piece, Sequence[Piece]]:
        """The head, and what is there of the rest."""
        size = self._fixed_head if self._fixed_head is not None else self._walker.head_end or 0
        whole = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        view = memoryview(whole)
        return view[:size], [view[size:]]

    def _write_all(self, pieces: Sequence[Piece]) -> None:
        if self._outcome is not Outcome.STORED:
            return
        if self._fd >= 0:
            write_pieces(self._fd, pieces)
            self._tail_size += sum(map(len, pieces))
            return
        self._kept.append(bytes(pieces[0]) if len(pieces) == 1 else b"".join(pieces))
        self._kept_size += len(self._kept[-1])
        if self._kept_size > HELD:
            self._spill()

    def _spill(self) -> None:
        """Too large to be held: from its pixels on it goes to a file."""
        data = b"".join(self._kept)
        try:
            end, self._outside = cut(data, encoding_of(self._syntax))
        except DataSetError as fault:
            raise UnreadableFault(fault) from fault
        self._create()
        self._gap = len(self._start(self._walker.values)) + end
        os.lseek(self._fd, self._gap, os.SEEK_SET)
        self._kept = [data[:end]]
        self._write_all([memoryview(data)[end:]])

    # -- the end

    def _enter(self) -> int:
        if not self._holding:
            return self._refused() if self._outcome is not Outcome.STORED else super()._enter()
        subject = self._whole()
        try:
            return self._convert_and_store(subject)
        except DataSetError as fault:
            raise StoreFault(f"***Object cannot be stored: {fault}") from fault
        finally:
            for descriptor in subject.descriptors:
                os.close(descriptor)

    def _make_subject(self, head: Piece) -> Subject:
        """The object as it would be stored, after any conversion."""
        walker = self._walker
        spans = walker.spans if self._transcoder is None and self._fixed_head is None else None
        known = Known(self._wanted, walker.values, self._encoding.big_endian, spans)
        terms = self._converters.services.terms.get()
        made = Subject(head, encoding_of(self._syntax), self._syntax, terms, known)
        made.incoming = True
        return made

    def _whole(self) -> Subject:
        """The same of one that is held, with its tail."""
        head = self._kept[0] if len(self._kept) == 1 else b"".join(self._kept)
        self._kept = []
        subject = self._make_subject(head)
        if self._spool is not None:
            descriptor = self._spool.open(self._temporary)
            subject.descriptors.append(descriptor)
            subject.outside = self._outside
            subject.tail = Tail(descriptor, self._gap, self._tail_size)
        subject.file_name = lambda: self._name_now(subject)
        return subject

    def _association(self) -> Association:
        request = self._request
        return Association(request.calling_ae, request.called_ae, request.session or Session())

    def _run(self, subject: Subject) -> Outcome:
        outcome = self._converters.run_import(subject, self._association(), self._compression)
        self._preferred = subject.device
        return outcome

    def _refused(self) -> int:
        """No converter wants it, or one does not."""
        self._fail("not stored: a converter does not want it")
        return SUCCESS if self._outcome is Outcome.DESTROYED else self._stores.options.failed_status

    def _convert_and_store(self, subject: Subject) -> int:
        if self._unlisted is not None:
            self._look_again(subject, self._unlisted)
        self._outcome = self._run(subject)
        if self._outcome is not Outcome.STORED:
            return self._refused()
        gap = subject.tail
        self._adopt(subject)
        self._uid = sop_uid(self._walker.values)
        if self._converters.naming:
            self._name_by_script(subject)
        self._write_file(subject, gap)
        status = super()._enter()
        if status != SUCCESS and not self.our_fault and self._converters.has(REJECTED):
            return self._store_again(subject, status)
        return status

    def _look_again(self, subject: Subject, fault: NotOnWorklistError) -> None:
        """Run the line for what is not on the worklist; raises the fault unless that makes it be found there."""
        self._converters.run_hook(UNLISTED, subject, self._association())
        if not subject.again or self._edit is None:
            raise fault
        subject.again = False
        self._adopt(subject)
        for tag, value in self._edit(self._walker.values).items():
            subject.data.set_value(tag, value)

    def _store_again(self, subject: Subject, status: int) -> int:
        """Run the line for what the database refused; if that wants it, try once more with the object as it is then."""
        spool = self._spool
        subject.unfix()
        self._converters.run_hook(REJECTED, subject, self._association())
        if not subject.again or spool is None:
            return status
        self._adopt(subject)
        self._uid = sop_uid(self._walker.values)
        self._temporary, self._fd = spool.create()
        write_object(self._fd, subject, self._start(self._walker.values))
        return super()._enter()

    def _adopt(self, subject: Subject) -> None:
        """Let rows and names be made of the object as it is now. Raises `DataSetError`."""
        self._syntax = subject.written_syntax
        self._compressed = self._syntax not in UNCOMPRESSED
        self._raw = self._stores.syntax.raw and not self._compressed
        if self._raw:
            self._syntax = subject.written_syntax = IMPLICIT_LITTLE
        if not subject.dirty:
            return
        values, wanted, edited = self._walker.values, self._wanted, subject.edited
        if edited is not None and self._encoding == subject.encoding:
            wanted = wanted & edited
            if not wanted:
                return
        self._encoding = subject.encoding
        data = subject.data_to_read if edited is not None and wanted is not self._wanted else subject.data
        for tag in wanted:
            value = data.view(tag)
            values.pop(tag, None)
            if value is not None:
                values[tag] = bytes(value[:VALUE_LIMIT])

    def _write_file(self, subject: Subject, gap: Tail | None) -> None:
        """Put the object into its file, anew unless its tail lies in one where it belongs."""
        start = self._start(self._walker.values)
        in_place = self._fd >= 0 and subject.rest is gap and subject.written_syntax == subject.transfer_syntax
        if in_place and not self._preferred:
            head = [start, *subject.pieces()]
            if sum(map(len, head)) == self._gap:
                os.lseek(self._fd, 0, os.SEEK_SET)
                write_pieces(self._fd, head)
                return
        if self._fd >= 0:
            self._close()
            if self._spool is not None:
                self._spool.discard(self._temporary)  # what it holds can still be read
        self._create()
        write_object(self._fd, subject, start)

    def _name_by_script(self, subject: Subject) -> None:
        """`FileNameSyntax = lua:...`; what it fails for is named as with syntax 4, and the log says why."""
        from dgate.lua.naming import evaluate

        returned = evaluate(self._converters.naming, subject, self._association(), self._converters.services)
        if returned.strip(b" /"):
            self._named = scripted_name(returned, self._stores.options.max_file_name)

    def _path(self) -> bytes:
        return self._named or super()._path()

    def _choose(self) -> tuple[Spool, int]:
        devices = self._stores.devices
        spool = devices.named(self._preferred.encode("latin-1")) if self._preferred else None
        if spool is not None and devices.free(spool) > self._stores.options.full_threshold:
            return spool, devices.free(spool)
        return super()._choose()

    def _name_now(self, subject: Subject) -> str:
        """The full name that the file would get."""
        self._adopt(subject)
        spool, free = self._choose()
        self._stores.log.debug(f"FreeStore Left {free} on {os.fsdecode(spool.root)}")
        return (spool.root + self._path()).decode("latin-1")
