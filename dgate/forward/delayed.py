"""Delayed commands carried out (conquest-converters.md 7)."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Self

from dgate.archive.delete import delete
from dgate.commands.moving import Here
from dgate.encoding.elements import IMPLICIT_LITTLE
from dgate.forward.fetching import Fetch
from dgate.forward.identifier import NARROWING, identifier_of
from dgate.forward.immediate import edited
from dgate.forward.lanes import Failed, GivenUp
from dgate.forward.merging import Merging
from dgate.forward.origin import run_for
from dgate.forward.parcel import Content
from dgate.forward.requests import KEYS
from dgate.index.tables import Level
from dgate.interfaces import QueryFailure, RetrieveFailure
from dgate.net import dimse
from dgate.net.move import Move
from dgate.net.negotiation import Context
from dgate.net.node import Node
from dgate.net.retrieving import NOTHING_FOUND
from dgate.rules.interfaces import Script
from dgate.rules.objects import load
from dgate.rules.shell import carry_out
from dgate.rules.subject import Subject

if TYPE_CHECKING:
    from dgate.archive.archive import DiskArchive
    from dgate.config.settings import Settings
    from dgate.forward.lanes import Lane
    from dgate.forward.table import Job, Work
    from dgate.interfaces import Archive, Asker, Buffers, StoredObject
    from dgate.net.dimse import Command
    from dgate.rules.interfaces import Services

MESSAGE_ID = 5
STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
_COMMAND = re.compile(r"([^ (]+)(?:\((.*)\)|[ ](.*))?", re.DOTALL)
CHUNK = 1024 * 1024


class Later:
    """Carries out delayed commands; implements `Worker` of dgate.forward.lanes. Thread-safe."""

    def __init__(self, node: Node, archive: DiskArchive, services: Callable[[], Services]) -> None:
        self._node = node
        self._archive = archive
        self._services = services
        self._verbs: dict[str, Callable[[Work], None]] = {
            "forward": self._forward,
            "get": Fetch(node).get,
            "preretrieve": Fetch(node).preretrieve,
            "delete": self._delete,
            "process": self._process,
            "prefetch": self._prefetch,
            "merge": Merging(archive, services).merge,
        }

    def maximum_retries(self, settings: Settings) -> int:
        """See `Worker`."""
        return settings.maximum_delayed_fetch_forward_retries

    def carry_out(self, job: Job, lane: Lane) -> None:
        """See `Worker`."""
        del lane  # a C-MOVE has its own association
        self._verbs[job.work["verb"]]({**job.work, "id": f"{job.id} {job.entered}"})

    def _forward(self, work: Work) -> None:
        """A C-MOVE asked of ourselves. Raises `Failed`, `GivenUp` if not everything arrived."""
        answer = self._move(work, identifier_of(work))
        if answer is not None and answer.number(dimse.STATUS) == NOTHING_FOUND:
            return  # destroyed or deleted meanwhile
        if answer is not None and answer.number(dimse.STATUS) == dimse.SUCCESS and not answer.number(dimse.FAILED):
            return
        self._node.log.console("***preretrieve/forward xxx to: remote DICOM error")
        comment = b"" if answer is None else answer.elements.get(dimse.ERROR_COMMENT, b"")
        why = comment.decode("latin-1").strip(" ") or "remote DICOM error"
        again = self._node.config.settings.retry_forward_remote_dicom_error
        raise (Failed if again else GivenUp)(why)

    def _move(self, work: Work, identifier: bytes) -> Command | None:
        node, clauses = self._node, work["clauses"]
        archive: Archive = node.archive
        if "script" in clauses:
            archive = _Edited(self._archive, clauses["script"], work, self._services())
        if "split" in clauses:
            archive = _Share(archive, clauses["split"])
        here = Here(Node(archive, node.log, node.limits, node.door, node.config, node.counters))
        here.called_ae += f"~{clauses['compressed as']}" if "compressed as" in clauses else ""
        request = dimse.encode_command(
            (
                (dimse.AFFECTED_SOP_CLASS, STUDY_ROOT_MOVE.encode()),
                (dimse.COMMAND_FIELD, dimse.ushort(dimse.C_MOVE)),
                (dimse.MESSAGE_ID, dimse.ushort(MESSAGE_ID)),
                (dimse.PRIORITY, dimse.ushort(0)),
                (dimse.MOVE_DESTINATION, dimse.padded(work["target"])),
                (dimse.DATA_SET_TYPE, dimse.ushort(dimse.WITH_DATA_SET)),
            )
        )
        move = Move(here, dimse.parse_command(request), Context(1, STUDY_ROOT_MOVE, IMPLICIT_LITTLE))
        move.data([memoryview(identifier)])
        move.end()
        return here.answer

    def _delete(self, work: Work) -> None:
        if any(clause in work["clauses"] for clause in NARROWING):
            for stored in self._selected(identifier_of(work)):
                uid = stored.sop_instance_uid.encode("latin-1", "replace")
                delete(self._archive, Level.IMAGE, {"sop_uid": uid})
            return
        keys = {name: value.encode("latin-1", "replace") for name, value in work["keys"].items() if value}
        if keys:
            deepest = max(KEYS.index(name) for name in keys)
            delete(self._archive, Level(deepest), keys)

    def _prefetch(self, work: Work) -> None:
        """Read the patient's files once: what will be asked for soon is in memory then."""
        for stored in self._selected(identifier_of(work)):
            try:
                descriptor, _ = self._archive.stores.devices.open_file(stored.device, stored.path)
            except OSError:
                continue
            try:
                while os.read(descriptor, CHUNK):
                    continue
            finally:
                os.close(descriptor)

    def _selected(self, identifier: bytes) -> list[StoredObject]:
        try:
            return self._node.archive.select(identifier, IMPLICIT_LITTLE)
        except QueryFailure as fault:
            raise Failed(str(fault)) from fault

    def _process(self, work: Work) -> None:
        """`by FILE.lua(ARGS)`, or by a shell command, to which received values are data."""
        run = run_for(work, self._services())
        name, argument = _command(work["target"])
        if not name.lower().endswith(".lua"):
            carry_out(run, " ".join(_command(work["clauses"]["by"])), work["environment"])
        elif run.services.engine is None:
            run.error(f"there is no Lua here: {name}")
        else:
            run.services.engine.run(Script(path=name, name=name, argument=argument), run)


def _command(text: str) -> tuple[str, str]:
    """`CMD(ARGS)` or `CMD ARGS`."""
    found = _COMMAND.match(text)
    if found is None:
        return text, ""
    return found[1], found[2] if found[2] is not None else found[3] or ""


class _Edited:
    """The archive, but for a line that runs on each object that is opened; implements `Archive`."""

    def __init__(self, archive: DiskArchive, line: str, work: Work, services: Services) -> None:
        self._archive = archive
        self._line = line
        self._work = work
        self._services = services
        self.begin_store, self.find, self.select = archive.begin_store, archive.find, archive.select
        self.commitment, self.close = archive.commitment, archive.close

    def open(self, stored: StoredObject, asker: Asker | None = None, destination: str = "") -> _EditedObject:
        """See `Archive`."""
        del asker, destination  # the line is all that changes it
        try:
            descriptor, path = self._archive.stores.devices.open_file(stored.device, stored.path)
        except OSError as fault:
            raise RetrieveFailure(f"{fault.filename} cannot be read: {fault.strerror}") from fault
        try:
            run = run_for(self._work, self._services)
            run.subject = load(descriptor, self._services.terms.get())
            changed = edited(run.subject, self._line, run)
        except Exception as fault:
            os.close(descriptor)
            raise RetrieveFailure(f"{path}: {fault}") from fault
        if changed is None:
            os.close(descriptor)
            raise RetrieveFailure(f"{path}: not sent, the script does not want it")
        return _EditedObject(changed, path, descriptor)


class _Share:
    """The archive, but for the objects that are another's share; implements `Archive`."""

    def __init__(self, archive: Archive, split: str) -> None:
        self._archive = archive
        self._first, self._shares = map(int, split.split("/"))
        self.begin_store, self.find, self.open = archive.begin_store, archive.find, archive.open
        self.commitment, self.close = archive.commitment, archive.close

    def select(
        self, identifier: bytes, transfer_syntax: str, asker: Asker | None = None, destination: str = ""
    ) -> list[StoredObject]:
        """See `Archive`."""
        found = self._archive.select(identifier, transfer_syntax, asker, destination)
        return [stored for at, stored in enumerate(found) if at % self._shares == self._first]


class _EditedObject(Content):
    """One of those objects; owns the descriptor."""

    def __init__(self, subject: Subject, path: str, descriptor: int) -> None:
        super().__init__(subject, path)
        self._descriptor = descriptor

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def pieces(self, transfer_syntax: str, buffers: Buffers) -> Iterator[memoryview]:
        """See `Outgoing`."""
        return super().pieces(transfer_syntax, buffers)
