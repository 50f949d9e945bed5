from __future__ import annotations

import hashlib
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgate.dataset import digest
from dgate.dataset.digest import altered_md5, checksum
from dgate.dataset.model import DataSet
from dgate.dataset.structure import DataSetError
from dgate.dataset.terms import NO_TERMS
from dgate.dataset.uidmap import Change, Exceptions, hashed_uid, parse_exceptions, replace_uids
from dgate.encoding.elements import BIG, IMPLICIT, LITTLE, Encoding, encode_element
from tests.dgate.dataset.objects import TERMS, File, bundled, read_back

CLASS, INSTANCE, STUDY, FAILED, IMAGES = 0x00080016, 0x00080018, 0x0020000D, 0x00080058, 0x00081140


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", "ee7ee7f6775a4a345175ce996256f6ee"),
        (b"a", "0c49375b7b36fc8f7e5d3cfd735d5bfa"),
        (b"abc", "377bee1e512b24c6ff4cdc2e5c7940f9"),
    ],
)
def test_altered_md5(text: bytes, expected: str) -> None:
    assert altered_md5(text).hex() == expected


@given(st.binary(max_size=200))
def test_but_for_the_order_of_steps_it_is_md5(data: bytes) -> None:
    ordered = sorted(digest._STEPS[:4], key=lambda step: step[1]) + digest._STEPS[4:]
    altered = digest._STEPS
    digest._STEPS = ordered
    try:
        assert altered_md5(data) == hashlib.md5(data).digest()  # noqa: S324 - the standard one, to compare
    finally:
        digest._STEPS = altered


def test_checksum() -> None:
    assert (checksum(b""), checksum(b"1CT1")) == (0, 3041014839)
    assert checksum(b"x") != crc32(b"x")


def test_hashed_uid() -> None:
    old = "1.3.6.1.4.1.5962.1.2.1.20040119072730.12322"
    assert hashed_uid("99999.99999", old, "#XYZ") == "99999.99999.7.1745822448026043007438553184922590157787"
    assert hashed_uid("99999.99999", old, "#ABC") != hashed_uid("99999.99999", old, "#XYZ")
    assert hashed_uid("1." * 40, old, "#XYZ").startswith("1." * 12 + "1.")


@given(st.text(max_size=70), st.text(max_size=70), st.text(max_size=20))
def test_a_hashed_uid_is_never_too_long(prefix: str, old: str, key: str) -> None:
    assert len(hashed_uid(prefix, old, key)) <= 64


def build(encoding: Encoding = LITTLE) -> DataSet:
    data = DataSet(encoding, TERMS)
    data.set_text(CLASS, "1.2.840.10008.5.1.4.1.1.2")
    data.set_text(INSTANCE, "1.2.3")
    data.set_text(STUDY, "1.2.4")
    data.set_text(FAILED, "1.2.3\\1.2.5")
    data.set_text(0x00020010, "1.2.840.10008.1.2")
    data.append_item(IMAGES).set_text(0x00081155, "1.2.3")
    inner = data.append_item(IMAGES)
    inner.set_text(0x00081150, "1.2.840.10008.5.1.4.1.1.2")
    inner.append_item(0x00081115).set_text(0x0020000E, "1.2.6")
    return DataSet.parse(data.encode(), encoding, TERMS)


def everything(data: DataSet) -> list[str | None]:
    return [holder.text(tag) for holder, tag in data.walk() if holder.vr(tag) == b"UI"]


@pytest.mark.parametrize("encoding", [LITTLE, IMPLICIT, BIG])
def test_all_but_classes_and_the_transfer_syntax_are_replaced(encoding: Encoding) -> None:
    data, asked = build(encoding), []

    def mapper(uid: str) -> str:
        asked.append(uid)
        return "9" + uid

    changes = replace_uids(data, mapper)
    assert sorted(asked) == ["1.2.3", "1.2.4", "1.2.5", "1.2.6"]
    assert everything(DataSet.parse(data.encode(), encoding, TERMS)) == [
        "1.2.840.10008.1.2", "1.2.840.10008.5.1.4.1.1.2", "91.2.3", "91.2.3\\91.2.5",
        "91.2.3", "91.2.6", "1.2.840.10008.5.1.4.1.1.2", "91.2.4",
    ]  # fmt: skip
    assert Change(INSTANCE, "1.2.3", "91.2.3") in changes
    assert len(changes) == 6


def test_exceptions() -> None:
    data = build()
    listed = parse_exceptions("0020,000D|1.2.5|0008,0018=7.7|| nonsense |0020,000e ")
    assert listed == Exceptions(frozenset({STUDY, 0x0020000E}), frozenset({"1.2.5"}), {INSTANCE: "7.7"}, ("nonsense",))
    replace_uids(data, lambda uid: "9" + uid, listed)
    assert [data.text(tag) for tag in (STUDY, FAILED, INSTANCE)] == ["1.2.4", "91.2.3\\1.2.5", "7.7"]
    assert everything(data).count("1.2.6") == 1


def test_a_uid_without_another_stays_and_is_told() -> None:
    data = build()
    before = data.encode()
    changes = replace_uids(data, lambda _: None)
    assert data.encode() == before
    assert {change.new for change in changes} == {None}


def test_nothing_is_changed_before_all_are_mapped() -> None:
    data = build()
    before = data.encode()

    def mapper(uid: str) -> str:
        if uid == "1.2.6":
            raise RuntimeError(uid)
        return "9" + uid

    with pytest.raises(RuntimeError):
        replace_uids(data, mapper)
    broken = DataSet.parse(before + encode_element(0x00400275, b"SQ", b"12345678", LITTLE), LITTLE, TERMS)
    with pytest.raises(DataSetError):
        replace_uids(broken, lambda uid: "9" + uid)
    assert data.encode() == before
    assert broken.text(INSTANCE) == "1.2.3"


def test_without_a_dictionary_the_class_of_the_object_stays() -> None:
    data = DataSet.parse(build().encode(), LITTLE, NO_TERMS)
    replace_uids(data, lambda uid: "9" + uid)
    assert data.text(CLASS) == "1.2.840.10008.5.1.4.1.1.2"
    assert data.text(INSTANCE) == "91.2.3"


@pytest.mark.parametrize("file", bundled(), ids=lambda file: file.name)
def test_every_uid_that_pydicom_finds_is_replaced(file: File) -> None:
    data = DataSet.parse(file.data, file.encoding, TERMS)
    if file.name == "DICOMDIR-nooffset":  # its last item is longer than the sequence
        with pytest.raises(DataSetError):
            replace_uids(data, lambda uid: uid)
        return
    replace_uids(data, lambda uid: hashed_uid("1.2", uid, "#K"))
    for element in read_back(data.encode(), file.encoding).iterall():
        known = "Class" in str(element.keyword) or "TransferSyntax" in str(element.keyword)
        if element.VR == "UI" and element.value and not known:
            values = element.value if element.VM > 1 else [element.value]
            assert all(uid.startswith("1.2.7.") for uid in values), element


@given(st.text(max_size=80))
def test_any_list_of_exceptions_is_read(text: str) -> None:
    parse_exceptions(text)
