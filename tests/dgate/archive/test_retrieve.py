"""Which objects a retrieval selects, and how their data sets come out of the files."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest

from dgate.encoding.elements import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, encode_element, encoding_of
from dgate.encoding.part10 import PREAMBLE, header
from dgate.encoding.vrs import VRFile
from dgate.interfaces import QueryFailure, RetrieveFailure, StoredObject
from dgate.query.outgoing import StoredFile
from tests.dgate.archive.support import CT1, CT_CLASS, DICTIONARY_FILE, UID, House, ct1, dataset, make_house

JPEG = "1.2.840.10008.1.2.4.70"


def identifier(**keys: bytes) -> bytes:
    """`t00100020=b"X"`, in implicit little endian, level STUDY."""
    elements = {0x00080052: (b"CS", b"STUDY")} | {int(name[1:], 16): (b"LO", value) for name, value in keys.items()}
    return dataset(elements, IMPLICIT_LITTLE)


def selected(house: House, **keys: bytes) -> list[str]:
    objects = house.archive.select(identifier(**keys), IMPLICIT_LITTLE)
    return sorted(stored.sop_instance_uid for stored in objects)


def buffers(size: int = 1 << 16) -> tuple[memoryview, memoryview]:
    return memoryview(bytearray(size)), memoryview(bytearray(size))


def read(house: House, stored: StoredObject, syntax: str, size: int = 1 << 16) -> bytes:
    with house.archive.open(stored) as file:
        return b"".join(bytes(piece) for piece in file.pieces(syntax, buffers(size)))


def only(house: House) -> StoredObject:
    (stored,) = house.archive.select(b"", IMPLICIT_LITTLE)
    return stored


@pytest.fixture
def filled(house: House) -> House:
    """Two patients with one study each, three objects."""
    for patient, study, number in ((b"P1", b".1", b"1"), (b"P1", b".1", b"2"), (b"P2", b".2", b"3")):
        uid = UID.encode() + study
        elements = ct1(t00100020=patient, t0020000D=uid, t0020000E=uid + b".9", t00080018=uid + b"." + number)
        if patient == b"P2":
            elements |= {0x00080060: (b"CS", b"MR"), 0x00100010: (b"PN", b"Roe^Jane")}
        assert house.store(elements) == 0
    return house


class TestSelecting:
    @pytest.mark.parametrize(
        ("keys", "found"),
        [
            ({}, ["1.1", "1.2", "2.3"]),
            ({"t00100020": b"P1"}, ["1.1", "1.2"]),
            ({"t00100010": b"Roe*"}, ["2.3"]),
            ({"t00080060": b"MR"}, ["2.3"]),
            ({"t0020000D": UID.encode() + b".2"}, ["2.3"]),
            ({"t00080018": UID.encode() + b".1.2\\" + UID.encode() + b".2.3"}, ["1.2", "2.3"]),
            ({"t00100020": b"P1", "t00080060": b"MR"}, []),
            ({"t00200013": b"42"}, ["1.1", "1.2", "2.3"]),
            ({"t00080020": b"20200101-20201231", "t00100020": b"P2"}, ["2.3"]),
            ({"t00181111": b"no column"}, ["1.1", "1.2", "2.3"]),
            ({"t00100020": b"'; DROP TABLE DICOMImages;--"}, []),
        ],
    )
    def test_keys_of_any_level(self, filled: House, keys: dict[str, bytes], found: list[str]) -> None:
        assert selected(filled, **keys) == [f"{UID}.{end}" for end in found]

    def test_the_level_does_not_matter(self, filled: House) -> None:
        for level in (b"FOO", b"", b"PATIENT"):
            data = dataset({0x00080052: (b"CS", level), 0x00100020: (b"LO", b"P2")}, EXPLICIT_LITTLE)
            assert len(filled.archive.select(data, EXPLICIT_LITTLE)) == 1

    def test_what_is_no_identifier(self, filled: House) -> None:
        for data in (b"\x08\x00\x52\x00\xff\xff\x00\x00", b"x"):
            with pytest.raises(QueryFailure) as failure:
                filled.archive.select(data, IMPLICIT_LITTLE)
            assert failure.value.status == 0xC001

    @pytest.mark.sqlite
    def test_a_database_that_is_gone(self, filled: House) -> None:
        (filled.root / "conquest.db3").write_bytes(b"no database")
        for name in ("conquest.db3-wal", "conquest.db3-shm"):
            (filled.root / name).unlink(missing_ok=True)
        filled.settings = replace(filled.settings)
        with pytest.raises(QueryFailure):
            filled.archive.select(b"", IMPLICIT_LITTLE) and filled.archive.select(b"", IMPLICIT_LITTLE)

    @pytest.mark.parametrize("raw", [False, True])
    def test_the_class_comes_from_the_file_when_the_index_has_none(self, tmp_path: Path, raw: bool) -> None:
        house = make_house(tmp_path, file_name_syntax="3" if raw else "4")
        assert house.store(CT1) == 0
        house.change("UPDATE DICOMImages SET SOPClassUI = NULL")
        assert house.files()[0].endswith(".v2" if raw else ".dcm")
        assert only(house).sop_class_uid == CT_CLASS
        (house.data / house.files()[0]).unlink()
        assert only(house).sop_class_uid == ""
        house.archive.close()


class TestOpening:
    def test_a_file_that_is_gone(self, filled: House) -> None:
        stored = filled.archive.select(b"", IMPLICIT_LITTLE)[0]
        (filled.data / os.fsdecode(stored.path)).unlink()
        with pytest.raises(RetrieveFailure, match="No such file"):
            filled.archive.open(stored)

    def test_a_device_we_do_not_have(self, filled: House) -> None:
        stored = replace(filled.archive.select(b"", IMPLICIT_LITTLE)[0], device=b"MAG7")
        with pytest.raises(RetrieveFailure, match="MAG7"):
            filled.archive.open(stored)

    @pytest.mark.parametrize("path", [b"../../etc/passwd", b"/etc/passwd", b"", b"."])
    def test_a_path_that_leads_elsewhere(self, filled: House, path: bytes) -> None:
        stored = replace(filled.archive.select(b"", IMPLICIT_LITTLE)[0], path=path)
        with pytest.raises(RetrieveFailure):
            filled.archive.open(stored)

    def test_a_symbolic_link(self, filled: House) -> None:
        stored = filled.archive.select(b"", IMPLICIT_LITTLE)[0]
        path = filled.data / os.fsdecode(stored.path)
        path.rename(filled.root / "elsewhere")
        path.symlink_to(filled.root / "elsewhere")
        with pytest.raises(RetrieveFailure):
            filled.archive.open(stored)

    @pytest.mark.parametrize("content", [b"", b"hello", PREAMBLE, PREAMBLE + b"\x02\x00" * 40_000, bytes(5000)])
    def test_a_file_that_is_no_object(self, filled: House, content: bytes) -> None:
        stored = filled.archive.select(b"", IMPLICIT_LITTLE)[0]
        (filled.data / os.fsdecode(stored.path)).write_bytes(content)
        before = len(list(Path("/proc/self/fd").iterdir()))
        with pytest.raises(RetrieveFailure):
            filled.archive.open(stored)
        assert len(list(Path("/proc/self/fd").iterdir())) == before

    def test_a_mirror_has_what_the_device_lost(self, tmp_path: Path) -> None:
        (tmp_path / "mirror").mkdir()
        house = make_house(tmp_path, mirror_devices=(f"{tmp_path}/mirror/",))
        assert house.store(CT1) == 0
        stored = only(house)
        if not (tmp_path / "mirror" / os.fsdecode(stored.path)).exists():  # copies are made in their own time
            (tmp_path / "mirror" / os.fsdecode(stored.path)).parent.mkdir(parents=True)
            (house.data / os.fsdecode(stored.path)).rename(tmp_path / "mirror" / os.fsdecode(stored.path))
        else:
            (house.data / os.fsdecode(stored.path)).unlink()
        assert read(house, stored, EXPLICIT_LITTLE) == dataset(CT1)
        house.archive.close()


def sequence(syntax: str) -> bytes:
    """A sequence of undefined length with one item."""
    encoding = encoding_of(syntax)
    order = "big" if encoding.big_endian else "little"

    def tag(group: int, element: int, length: int) -> bytes:
        return group.to_bytes(2, order) + element.to_bytes(2, order) + length.to_bytes(4, order)  # type: ignore[arg-type]

    start = tag(0x0008, 0x1140, 0xFFFFFFFF)
    if encoding.explicit:
        start = start[:4] + b"SQ\0\0" + b"\xff" * 4
    item = encode_element(0x00081150, b"UI", b"1.2.3", encoding)
    return start + tag(0xFFFE, 0xE000, 0xFFFFFFFF) + item + tag(0xFFFE, 0xE00D, 0) + tag(0xFFFE, 0xE0DD, 0)


def whole(syntax: str) -> bytes:
    """The example object, numbers in the byte order of the syntax, with a sequence in the right place."""
    swaps = encoding_of(syntax).big_endian
    elements = {
        tag: (vr, b"".join(value[at : at + 2][::-1] for at in range(0, len(value), 2)))
        if swaps and vr in (b"US", b"OW")
        else (vr, value)
        for tag, (vr, value) in CT1.items()
    }
    before = {tag: element for tag, element in elements.items() if tag < 0x00081140}
    behind = {tag: element for tag, element in elements.items() if tag > 0x00081140}
    return dataset(before, syntax) + sequence(syntax) + dataset(behind, syntax)


SYNTAXES = [IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG]


def stored_file(path: Path, syntax: str, data: bytes) -> StoredFile:
    path.write_bytes(header(b"1.2", b"1.2.3", syntax.encode()) + data)
    return StoredFile(os.open(path, os.O_RDONLY), str(path), VRFile(str(DICTIONARY_FILE)))


class TestPieces:
    @pytest.mark.parametrize("source", SYNTAXES)
    @pytest.mark.parametrize("target", SYNTAXES)
    @pytest.mark.parametrize("size", [1, 7, 64, 1 << 16])
    def test_any_uncompressed_syntax_becomes_any_other(
        self, tmp_path: Path, source: str, target: str, size: int
    ) -> None:
        with stored_file(tmp_path / "object", source, whole(source)) as file:
            out = b"".join(bytes(piece) for piece in file.pieces(target, buffers(size)))
        assert out == whole(target)

    def test_pydicom_reads_what_became_big_endian(self, tmp_path: Path) -> None:
        with stored_file(tmp_path / "object", IMPLICIT_LITTLE, whole(IMPLICIT_LITTLE)) as file:
            out = b"".join(bytes(piece) for piece in file.pieces(EXPLICIT_BIG, buffers()))
        found = pydicom.dcmread(io.BytesIO(header(b"1.2", b"1.2.3", EXPLICIT_BIG.encode()) + out))
        assert (found.Rows, found.Columns, found.BitsAllocated if "BitsAllocated" in found else 0) == (4, 8, 0)
        assert found.ReferencedImageSequence[0].ReferencedSOPClassUID == "1.2.3"

    def test_a_raw_file(self, tmp_path: Path) -> None:
        house = make_house(tmp_path, file_name_syntax="3", dictionary=str(DICTIONARY_FILE))
        assert house.store(CT1) == 0
        assert house.files()[0].endswith(".v2")
        assert read(house, only(house), IMPLICIT_LITTLE) == dataset(CT1, IMPLICIT_LITTLE)
        assert read(house, only(house), EXPLICIT_LITTLE) == dataset(CT1, EXPLICIT_LITTLE)
        house.archive.close()

    def test_a_piece_lasts_until_the_next_but_one(self, tmp_path: Path) -> None:
        data = bytes(range(256)) * 20
        with stored_file(tmp_path / "object", JPEG, data) as file:
            pieces = file.pieces(JPEG, buffers(1000))
            last, rest = next(pieces), b""
            for piece in pieces:
                rest += bytes(last)
                last = piece
        assert rest + bytes(last) == data

    @pytest.mark.parametrize(("source", "target"), [(JPEG, EXPLICIT_LITTLE), (EXPLICIT_LITTLE, JPEG)])
    def test_what_needs_a_codec_fails(self, tmp_path: Path, source: str, target: str) -> None:
        with stored_file(tmp_path / "object", source, b"data") as file, pytest.raises(RetrieveFailure, match="codec"):
            next(file.pieces(target, buffers()))

    def test_without_a_dictionary_implicit_stays_implicit(self, tmp_path: Path) -> None:
        path = tmp_path / "object"
        path.write_bytes(header(b"1.2", b"1.2.3", IMPLICIT_LITTLE.encode()) + whole(IMPLICIT_LITTLE))
        missing = VRFile(str(tmp_path / "dgate.dic"))
        with (
            StoredFile(os.open(path, os.O_RDONLY), str(path), missing) as file,
            pytest.raises(RetrieveFailure, match="dictionary"),
        ):
            next(file.pieces(EXPLICIT_LITTLE, buffers()))

    def test_a_data_set_that_is_broken_says_so(self, tmp_path: Path) -> None:
        broken = b"\x08\x00\x18\x00\x00\x01\x02\x00" * 4
        with (
            stored_file(tmp_path / "object", EXPLICIT_LITTLE, broken) as file,
            pytest.raises(RetrieveFailure, match="cannot be converted"),
        ):
            list(file.pieces(IMPLICIT_LITTLE, buffers()))

    def test_a_file_that_shrinks_says_so(self, tmp_path: Path) -> None:
        path = tmp_path / "object"
        with stored_file(path, JPEG, bytes(5000)) as file:
            pieces = file.pieces(JPEG, buffers(1000))
            next(pieces)
            os.truncate(path, 1200)
            with pytest.raises(RetrieveFailure, match="shorter"):
                list(pieces)

    @pytest.mark.parametrize("length", [1500, 1700, 1704, 1706, 3000, 60_000])
    def test_a_long_meta_header(self, tmp_path: Path, length: int) -> None:
        """A private value in group 0002 that reaches to about where the first small read ends, and beyond."""
        start = header(b"1.2", b"1.2.3", JPEG.encode())
        private = b"\x02\x00\x02\x01OB\0\0" + length.to_bytes(4, "little") + bytes(length)
        path = tmp_path / "object"
        path.write_bytes(start + private + b"data set")
        with StoredFile(os.open(path, os.O_RDONLY), str(path), VRFile("")) as file:
            assert b"".join(bytes(piece) for piece in file.pieces(JPEG, buffers())) == b"data set"
