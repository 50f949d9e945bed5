"""C-STORE to a real node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, JPEGBaseline8Bit, MRImageStorage, generate_uid
from pynetdicom import AE, evt
from pynetdicom.sop_class import _STORAGE_CLASSES

from conquestctl.dicom.send import MAX_CONTEXTS, Outgoing, SendResult, batches, expand, send
from conquestctl.errors import NotFoundError
from tests.unit.dicom import peers


def write(path: Path, sop_class: str = CTImageStorage, syntax: UID = ExplicitVRLittleEndian) -> Path:
    image = Dataset()
    image.SOPClassUID = sop_class
    image.SOPInstanceUID = generate_uid()
    image.PatientID = path.name
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = syntax
    image.save_as(path, enforce_file_format=True)
    return path


def storage(*syntaxes: str) -> AE:
    ae = AE("NODE")
    ae.add_supported_context(CTImageStorage, list(syntaxes) or [ExplicitVRLittleEndian])
    return ae


def keep(received: dict[str, tuple[str, bytes]], status: int = 0) -> peers.Handlers:
    def store(event: Any) -> int:
        received[event.dataset.PatientID] = (event.context.transfer_syntax, event.request.DataSet.getvalue())
        return status

    return [(evt.EVT_C_STORE, store)]


def test_files_arrive_byte_for_byte_in_their_own_transfer_syntax(tmp_path: Path) -> None:
    plain, packed = write(tmp_path / "plain"), write(tmp_path / "packed", syntax=JPEGBaseline8Bit)
    received: dict[str, tuple[str, bytes]] = {}
    with peers.node(storage(ExplicitVRLittleEndian, JPEGBaseline8Bit), keep(received)) as target:
        results = send(target, [tmp_path])
    assert results == [SendResult(packed, ok=True), SendResult(plain, ok=True)]
    assert received["plain"][0] == ExplicitVRLittleEndian
    assert received["packed"][0] == JPEGBaseline8Bit
    assert plain.read_bytes().endswith(received["plain"][1])


def test_each_file_has_its_own_verdict(tmp_path: Path) -> None:
    good = write(tmp_path / "a-good")
    strange = write(tmp_path / "b-strange", sop_class=MRImageStorage)
    text = tmp_path / "c-text"
    text.write_text("hello")
    empty = tmp_path / "d-empty"
    empty.touch()
    heard: list[SendResult] = []
    with peers.node(storage(), keep({})) as target:
        results = send(target, [good, strange, text, empty], report=heard.append)
    assert [r.ok for r in results] == [True, False, False, False]
    assert results[1].detail == "'NODE' does not accept MR Image Storage as Explicit VR Little Endian"
    assert "no DICOM file" in results[2].detail
    assert sorted(heard, key=lambda r: r.path) == results


@pytest.mark.parametrize(("status", "ok", "words"), [(0xA700, False, "0xA700"), (0xB000, True, "warning 0xB000")])
def test_the_servers_status_is_told(tmp_path: Path, status: int, ok: bool, words: str) -> None:
    with peers.node(storage(), keep({}, status)) as target:
        (result,) = send(target, [write(tmp_path / "x")])
    assert result.ok is ok
    assert words in result.detail


def test_a_node_that_goes_away_in_the_middle_fails_the_rest(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{i}") for i in range(3)]

    def leave(event: evt.Event) -> int:
        event.assoc.abort()
        return 0

    with peers.node(storage(), [(evt.EVT_C_STORE, leave)]) as target:
        results = send(target, files)
    assert [r.ok for r in results] == [False, False, False]
    assert all("aborted" in r.detail for r in results)


def test_nobody_listens(tmp_path: Path) -> None:
    (result,) = send(peers.unused_target(), [write(tmp_path / "x")])
    assert result.detail == "refused: nothing listens on this port"


def test_a_missing_path_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="gone"):
        send(peers.unused_target(), [tmp_path / "gone"])


def test_folders_are_walked_and_nothing_comes_twice(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    first, second = tmp_path / "sub" / "1", tmp_path / "2"
    first.touch()
    second.touch()
    assert list(expand([second, tmp_path, first])) == [second, first]


CONTEXTS = st.tuples(st.integers(0, 30).map(str), st.integers(0, 20).map(str))


@given(st.lists(CONTEXTS, max_size=400))
def test_no_batch_needs_more_contexts_than_an_association_has(contexts: list[tuple[str, str]]) -> None:
    files = [Outgoing(Path(str(i)), *context) for i, context in enumerate(contexts)]
    parts = batches(files)
    assert [file for part in parts for file in part] == files
    assert all(0 < len({file.context for file in part}) <= MAX_CONTEXTS for part in parts)


def test_more_kinds_of_files_than_contexts_use_two_associations(tmp_path: Path) -> None:
    ae = AE("NODE")
    syntaxes = [ExplicitVRLittleEndian, JPEGBaseline8Bit]
    images = sorted(_STORAGE_CLASSES.values())[: MAX_CONTEXTS // 2 + 1]
    for number, sop_class in enumerate(images):
        ae.add_supported_context(sop_class, syntaxes)
        for syntax in syntaxes:
            write(tmp_path / f"{number}-{syntax}", sop_class, syntax)
    with peers.node(ae, keep({})) as target:
        results = send(target, [tmp_path])
    assert len(results) == MAX_CONTEXTS + 2
    assert {r.detail for r in results} == {""}
