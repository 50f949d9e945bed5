"""C-STORE of files and folders, byte for byte as they are on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from conquestctl.dicom.association import Link, Recorder, association
from conquestctl.dicom.target import CALLING, EchoTarget
from conquestctl.dicom.verdict import verdict
from conquestctl.errors import NotFoundError

if TYPE_CHECKING:
    from pynetdicom.association import Association

MAX_CONTEXTS = 128
"""Presentation context ids are the odd numbers of a byte (PS3.8 9.3.2.2)."""

TIMEOUT = 30.0
"""A server may take its time to write and index an image."""

WARNINGS = range(0xB000, 0xC000)
"""C-STORE statuses that mean stored, with a remark (PS3.4 table B.2-1)."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A part-10 file, as its file meta information states it."""

    path: Path
    sop_class: str
    transfer_syntax: str

    @property
    def context(self) -> tuple[str, str]:
        """What has to be negotiated to send it unchanged."""
        return self.sop_class, self.transfer_syntax


@dataclass(frozen=True, slots=True)
class SendResult:
    """What came of one file."""

    path: Path
    ok: bool
    detail: str = ""
    """Why not; or the server's remark on a stored one."""


Report = Callable[[SendResult], None]


def send(
    target: EchoTarget,
    paths: Sequence[Path],
    *,
    calling: str = CALLING,
    timeout: float = TIMEOUT,
    report: Report = lambda _result: None,
) -> list[SendResult]:
    """Store every file of `paths` (folders with all below them) at `target`; a result per file, in that order.

    `report` hears each result as soon as there is one. Raises `NotFoundError` for a path that does not exist; what
    the peer does or what is inside a file never raises.
    """
    files = list(expand(paths))
    read = [read_meta(file) for file in files]
    done = {result.path: result for result in read if isinstance(result, SendResult)}
    for result in done.values():
        report(result)
    link = Link(target, calling, timeout)
    for batch in batches([entry for entry in read if isinstance(entry, Outgoing)]):
        for result in _send_batch(link, batch):
            done[result.path] = result
            report(result)
    return [done[file] for file in files]


def expand(paths: Sequence[Path]) -> Iterator[Path]:
    """Yield files: those given and those below given folders, sorted per folder; no path twice."""
    seen: set[Path] = set()
    for path in paths:
        if not path.exists():
            raise NotFoundError(f"{path}: no such file or folder")
        for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
            if file not in seen:
                seen.add(file)
                yield file


def read_meta(path: Path) -> Outgoing | SendResult:
    """Read the file meta information, or say why the file cannot be sent."""
    from pydicom.errors import InvalidDicomError
    from pydicom.filereader import read_file_meta_info

    try:
        meta = read_file_meta_info(path)
        return Outgoing(path, str(meta.MediaStorageSOPClassUID), str(meta.TransferSyntaxUID))
    except InvalidDicomError:
        return SendResult(path, ok=False, detail="no DICOM file (part 10) with file meta information")
    except AttributeError as missing:
        return SendResult(path, ok=False, detail=f"file meta information is incomplete: {missing}")
    except OSError as error:
        return SendResult(path, ok=False, detail=error.strerror or str(error))
    except Exception as error:  # noqa: BLE001 -- pydicom raises many kinds on damaged files, and one must not stop all
        return SendResult(path, ok=False, detail=f"damaged DICOM file: {error}")


def batches(files: Sequence[Outgoing]) -> list[list[Outgoing]]:
    """Divide files so that no part needs more than `MAX_CONTEXTS` presentation contexts; order is kept."""
    parts: list[list[Outgoing]] = []
    contexts: set[tuple[str, str]] = set()
    for file in files:
        if not parts or len(contexts | {file.context}) > MAX_CONTEXTS:
            parts.append([])
            contexts = set()
        parts[-1].append(file)
        contexts.add(file.context)
    return parts


def _send_batch(link: Link, batch: Sequence[Outgoing]) -> Iterator[SendResult]:
    """Send what fits into one association."""
    from pynetdicom.presentation import build_context

    wanted = dict.fromkeys(file.context for file in batch)
    with association(link, [build_context(sop_class, syntax) for sop_class, syntax in wanted]) as (assoc, recorder):
        if assoc is None:
            words = _words(recorder)
            yield from (SendResult(file.path, ok=False, detail=words) for file in batch)
            return
        accepted = {(str(cx.abstract_syntax), str(cx.transfer_syntax[0])) for cx in assoc.accepted_contexts}
        for file in batch:
            if file.context in accepted:
                yield _send_one(assoc, recorder, file)
            else:
                yield SendResult(file.path, ok=False, detail=_refusal(link, file))


def _send_one(assoc: Association, recorder: Recorder, file: Outgoing) -> SendResult:
    from pynetdicom import _config

    _config.STORE_SEND_CHUNKED_DATASET = True  # straight from disk, never decoded
    if recorder.closed:
        return SendResult(file.path, ok=False, detail=_words(recorder))
    try:
        status = assoc.send_c_store(file.path).get("Status")
    except RuntimeError:
        status = None  # the association ended between the check above and the question
    except (OSError, ValueError, AttributeError) as error:
        return SendResult(file.path, ok=False, detail=f"cannot be sent: {error}")
    if status in WARNINGS:
        return SendResult(file.path, ok=True, detail=f"stored with warning 0x{status:04X}")
    return SendResult(file.path, status == 0, "" if status == 0 else _words(recorder, status))


def _words(recorder: Recorder, status: int | None = None) -> str:
    layer, detail = verdict(replace(recorder.facts(), status=status), "C-STORE")
    return f"{layer.value}: {detail}"


def _refusal(link: Link, file: Outgoing) -> str:
    from pydicom.uid import UID

    what, how = UID(file.sop_class).name, UID(file.transfer_syntax).name
    return f"'{link.target.ae_title}' does not accept {what} as {how}"
