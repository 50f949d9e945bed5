from __future__ import annotations

import pytest

from dgate.dataset import access
from dgate.dataset.model import DataSet
from dgate.dataset.paths import Path, parse_path
from dgate.dataset.structure import DataSetError
from dgate.encoding.elements import LITTLE
from tests.dgate.dataset.objects import TERMS, plain, read_back


def path(text: str) -> Path:
    return parse_path(text, TERMS)


@pytest.fixture
def data() -> DataSet:
    made = DataSet(LITTLE, TERMS)
    made.set_text(0x00100010, "Outer")
    made.set_text(0x00104000, "")
    for number in range(2):
        item = made.append_item(0x00081140)
        item.set_text(0x00081155, f"1.2.{number}")
        item.append_item(0x00101002).set_text(0x00100020, f"Deep{number}")
    return DataSet.parse(made.encode(), LITTLE, TERMS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PatientName", "Outer"),
        ("PatientComments", ""),
        ("PatientID", None),
        ("0008,1140", "(sequence)"),
        ("/0008,1140/0008,1155", "1.2.0"),
        ("/0008,1140.1/0008,1155", "1.2.1"),
        ("/0008,1140.2/0008,1155", None),
        ("/0008,1140.*/0008,1155", None),
        ("/0008,1140.1/0010,1002.0/PatientID", "Deep1"),
        ("/PatientName/PatientID", None),
        ("/0008,1115/PatientID", None),
        ("*PatientName", "Outer"),
        ("*PatientID", "Deep0"),
        ("*0010,1002", "(sequence)"),
        ("*PatientSex", None),
        ("(0008,0018)PatientName", None),
    ],
)
def test_reading(data: DataSet, text: str, expected: str | None) -> None:
    assert access.get_text(data, path(text)) == expected
    assert access.has(data, path(text)) == (expected is not None)
    assert access.is_empty(data, path(text)) == (not expected)
    assert not data.dirty


def test_another_object_is_fetched_by_its_uid(data: DataSet) -> None:
    asked: list[str] = []
    stored = {"1.2.1": data}

    def fetch(uid: str) -> DataSet | None:
        asked.append(uid)
        return stored.get(uid)

    assert access.get_text(data, path("(/0008,1140.1/0008,1155)PatientName"), fetch) == "Outer"
    assert access.get_text(data, path("(/0008,1140.0/0008,1155)PatientName"), fetch) is None
    assert access.get_text(data, path("(PatientID)PatientName"), fetch) is None
    assert asked == ["1.2.1", "1.2.0"]


def test_writing_creates_what_is_missing_on_the_way(data: DataSet) -> None:
    access.set_text(data, path("0008,1140.1/0008,1155"), "1.2.9")
    access.set_text(data, path("0008,1140.7/0008,1155"), "1.2.10")
    access.set_text(data, path("0008,1140.*/0008,1155"), "1.2.11")
    access.set_text(data, path("0040,0275/0040,0007"), "Head")
    access.set_text(data, path("/0008,1250/0008,1140.*/0008,1155"), "1.3")
    found = read_back(data.encode(), LITTLE)
    assert [item.ReferencedSOPInstanceUID for item in found[0x00081140].value] == ["1.2.0", "1.2.9", "1.2.10", "1.2.11"]
    assert plain(found)[0x00400275] == [{0x00400007: "Head"}]
    assert plain(found)[0x00081250] == [{0x00081140: [{0x00081155: "1.3"}]}]


def test_set_if_empty_leaves_a_value(data: DataSet) -> None:
    assert access.set_if_empty(data, path("PatientComments"), "a")
    assert access.set_if_empty(data, path("PatientID"), "b")
    assert not access.set_if_empty(data, path("PatientName"), "c")
    assert not access.set_if_empty(data, path("0008,1140/0008,1155"), "d")
    assert [data.text(tag) for tag in (0x00104000, 0x00100020, 0x00100010)] == ["a", "b", "Outer"]


def test_deleting_and_sequences(data: DataSet) -> None:
    assert access.delete(data, path("/0008,1140.1/0008,1155"))
    assert not access.delete(data, path("/0008,1140.1/0008,1155"))
    assert not access.delete(data, path("/0008,1140.5/0008,1155"))
    assert access.delete_item(data, path("/0008,1140.0/0010,1002"), 0)
    assert not access.delete_item(data, path("/0008,1140.5/0010,1002"), 0)
    access.create_sequence(data, path("0008,1115"))
    access.append_item(data, path("0008,1115"), data).delete(0x00081140)
    assert plain(read_back(data.encode(), LITTLE)) == {
        0x00081115: [{0x00100010: "Outer", 0x00104000: "", 0x00081115: []}],
        0x00081140: [{0x00081155: "1.2.0", 0x00101002: []}, {0x00101002: [{0x00100020: "Deep1"}]}],
        0x00100010: "Outer",
        0x00104000: "",
    }
    assert len(access.get_items(data, path("0008,1140")) or ()) == 2
    assert access.get_items(data, path("PatientName")) is None
    assert access.get_items(data, path("/0008,1140.9/0010,1002")) is None
    assert access.get_raw(data, path("PatientName")) == b"Outer "
    assert access.get_raw(data, path("/0008,1140.9/0010,1002")) is None


@pytest.mark.parametrize("text", ["*PatientName", "(0008,0018)PatientName"])
def test_a_path_to_no_one_place_is_not_written_to(data: DataSet, text: str) -> None:
    for attempt in (access.delete, access.create_sequence, access.append_item):
        with pytest.raises(DataSetError, match="to read from"):
            attempt(data, path(text))
    with pytest.raises(DataSetError, match="to read from"):
        access.delete_item(data, path(text), 0)
    with pytest.raises(DataSetError, match="no sequence"):
        access.set_text(data, path("PatientName/PatientID"), "x")
    assert not data.dirty
