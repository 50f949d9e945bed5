from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgate.archive import incoming as incoming_module
from dgate.archive.compression import code_for, decide
from dgate.archive.dropped import add_file
from dgate.encoding.elements import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from dgate.encoding.part10 import header, read_meta
from dgate.interfaces import StoreRequest
from tests.dgate.archive.support import CT1, CT_CLASS, DICTIONARY_FILE, House, dataset, make_house

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JPEG, LOSSLESS = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.70"
RLE = "1.2.840.10008.1.2.5"
KEEPING = ("", "as", "is", "un", "ue", "AS", "ui", "uj", "0", "xx")
CODED = ("j1", "J2", "j690", "jk", "jl", "js", "n1", "nj", "k8")


@pytest.mark.parametrize(
    ("code", "received", "stored", "noted"),
    [
        *((code, EXPLICIT_LITTLE, EXPLICIT_LITTLE, False) for code in (*KEEPING, "ul", "ub", "UL")),
        *((code, IMPLICIT_LITTLE, IMPLICIT_LITTLE, False) for code in KEEPING),
        *((code, IMPLICIT_LITTLE, EXPLICIT_LITTLE, False) for code in ("ul", "UL", "ub", "Ub")),
        *((code, EXPLICIT_BIG, EXPLICIT_LITTLE, False) for code in ("", "as", "is", "un", "ue", "ul", "ub", "xx")),
        *((code, JPEG, JPEG, False) for code in ("", "as", "is", "ui", "uj", "xx", "j3", "J4", "j385")),
        *((code, JPEG, JPEG, True) for code in ("un", "UE", "ul", "ub", "j1", "jk", "n2", "k4")),
        *((code, LOSSLESS, LOSSLESS, False) for code in ("j1", "jr", "j3")),
        *((code, RLE, RLE, True) for code in ("un", "j2")),
        *((code, EXPLICIT_LITTLE, EXPLICIT_LITTLE, True) for code in CODED),
        ("j2", EXPLICIT_BIG, EXPLICIT_LITTLE, True),
        ("j2", IMPLICIT_LITTLE, IMPLICIT_LITTLE, True),
    ],
)  # fmt: skip
def test_the_table_of_the_reference(code: str, received: str, stored: str, noted: bool) -> None:
    target = decide(code, received)
    assert target.transfer_syntax == stored
    assert bool(target.line) == noted
    if noted:
        assert code in target.line
        assert stored in target.line


@given(st.text(max_size=8), st.sampled_from([EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG, JPEG, RLE, "1.2.3"]))
def test_every_code_has_an_outcome(code: str, received: str) -> None:
    stored = decide(code, received).transfer_syntax
    assert stored in (received, EXPLICIT_LITTLE)
    assert stored != EXPLICIT_BIG


@pytest.mark.parametrize(
    ("called", "setting", "code"),
    [
        ("ORACLE", "un", "un"),
        ("ORACLE~ul", "un", "ul"),
        ("ORACLE~j2 ", "", "j2"),
        ("ORACLE~", "un", "un"),
        ("", "", ""),
    ],
)
def test_the_called_title_overrides_the_setting(called: str, setting: str, code: str) -> None:
    assert code_for(called, setting) == code


# -- storing


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = make_house(
        tmp_path, dictionary=str(DICTIONARY_FILE), incoming_compression="UL", dropped_file_compression="un"
    )
    yield made
    made.archive.close()


def send(house: House, data: bytes, syntax: str, called: str = "ORACLE", size: int = 1000) -> int:
    request = StoreRequest(CT_CLASS, CT1[0x00080018][1].decode(), syntax, "TESTSCU", called)
    incoming = house.archive.begin_store(request)
    for start in range(0, len(data), size):
        incoming.write([memoryview(data)[start : start + size]])
    return incoming.finish()


def stored(house: House) -> tuple[str, bytes]:
    """Transfer syntax and data set of the only file."""
    path = house.data / house.files()[0]
    with path.open("rb") as file:
        meta = read_meta(file)
    return meta.transfer_syntax, path.read_bytes()[meta.offset :]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_ul_makes_implicit_objects_explicit(house: House, size: int) -> None:
    assert send(house, dataset(CT1, IMPLICIT_LITTLE), IMPLICIT_LITTLE, size=size) == 0
    assert stored(house) == (EXPLICIT_LITTLE, dataset(CT1))
    assert house.rows("SELECT QRows, QColumns, Modality FROM DICOMImages JOIN DICOMSeries") == [(b"4", b"8", b"CT")]


def test_ul_leaves_others_as_they_are(house: House) -> None:
    assert send(house, dataset(CT1), EXPLICIT_LITTLE) == 0
    assert stored(house) == (EXPLICIT_LITTLE, dataset(CT1))
    assert send(house, dataset(CT1), JPEG) == 0
    assert stored(house) == (JPEG, dataset(CT1))
    assert sum("needs a codec" in line for line in house.log.lines) == 1


def test_the_association_decides(house: House) -> None:
    assert send(house, dataset(CT1, IMPLICIT_LITTLE), IMPLICIT_LITTLE, "ORACLE~un") == 0
    assert stored(house) == (IMPLICIT_LITTLE, dataset(CT1, IMPLICIT_LITTLE))


def test_raw_files_stay_implicit(house: House) -> None:
    house.reopen(file_name_syntax="3")
    assert send(house, dataset(CT1), EXPLICIT_LITTLE) == 0
    assert stored(house) == (IMPLICIT_LITTLE, dataset(CT1, IMPLICIT_LITTLE))


def test_without_a_dictionary_it_is_stored_as_received(house: House, tmp_path: Path) -> None:
    house.reopen(dictionary=f"{tmp_path}/absent.dic")
    assert send(house, dataset(CT1, IMPLICIT_LITTLE), IMPLICIT_LITTLE) == 0
    assert stored(house) == (IMPLICIT_LITTLE, dataset(CT1, IMPLICIT_LITTLE))
    assert any("the dictionary cannot be read" in line for line in house.log.lines)


def test_dropped_files_have_their_own_code(house: House, tmp_path: Path) -> None:
    source = tmp_path / "source"
    content = dataset(CT1, IMPLICIT_LITTLE)
    source.write_bytes(header(CT_CLASS.encode(), CT1[0x00080018][1], IMPLICIT_LITTLE.encode()) + content)
    assert add_file(house.archive, str(source))
    assert stored(house) == (IMPLICIT_LITTLE, content)
    house.reopen(dropped_file_compression="ul")
    assert add_file(house.archive, str(source))
    assert stored(house) == (EXPLICIT_LITTLE, dataset(CT1))


def test_a_head_too_long_to_keep_is_converted_too(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming_module, "HEAD_LIMIT", 3000)
    elements = {**CT1, 0x00090010: (b"LO", b"MAKER"), 0x00091010: (b"UN", bytes(50_000))}
    assert send(house, dataset(elements, IMPLICIT_LITTLE), IMPLICIT_LITTLE) == 0
    assert stored(house) == (EXPLICIT_LITTLE, dataset(elements))


def test_memory_does_not_grow_with_the_object(house: House) -> None:
    head = dataset({tag: value for tag, value in CT1.items() if tag < 0x7FE00000}, IMPLICIT_LITTLE)
    size = 64 * 1024 * 1024
    assert send(house, dataset(CT1, IMPLICIT_LITTLE), IMPLICIT_LITTLE) == 0  # the dictionary is read
    incoming = house.archive.begin_store(StoreRequest(CT_CLASS, "1.2", IMPLICIT_LITTLE, "TESTSCU", "ORACLE"))
    piece = memoryview(bytes(1024 * 1024))
    tracemalloc.start()
    try:
        incoming.write([memoryview(head + b"\xe0\x7f\x10\x00" + size.to_bytes(4, "little"))])
        for _ in range(size // len(piece)):
            incoming.write([piece])
        assert incoming.finish() == 0
        assert tracemalloc.get_traced_memory()[1] < 4 * 1024 * 1024
    finally:
        tracemalloc.stop()
    assert (house.data / house.files()[0]).stat().st_size > size
