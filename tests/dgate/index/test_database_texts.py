"""What goes over to a database server: addresses, marks, bytes. Nothing here needs one."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dgate.index.database.anybyte import FIRST, from_utf8, to_utf8
from dgate.index.database.dialect import POSTGRES, SQLITE
from dgate.index.database.faults import DatabaseError
from dgate.index.database.servers import Address, Translator, address, one_line
from dgate.query.plan import sorting


@given(st.binary())
@example(chr(FIRST + 0x80).encode())
@example(chr(FIRST + 0xFF).encode()[:3])
@example(b"M\xfcller \xc3\xbc")
def test_any_bytes_are_utf_8_on_the_way_and_come_back(value: bytes) -> None:
    stored = to_utf8(value)
    stored.decode()
    assert from_utf8(stored) == value


@given(st.text(alphabet=st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"])))
def test_utf_8_is_stored_as_it_is(text: str) -> None:
    assert to_utf8(text.encode()) == text.encode()


@given(st.binary(), st.binary())
def test_two_values_never_become_one(one: bytes, other: bytes) -> None:
    assert (to_utf8(one) == to_utf8(other)) is (one == other)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localhost", Address("localhost", 5432)),
        ("db:5433", Address("db", 5433)),
        ("10.0.0.1:1", Address("10.0.0.1", 1)),
        ("[::1]:5433", Address("::1", 5433)),
        ("[::1]", Address("::1", 5432)),
        ("::1", Address("::1", 5432)),
        ("/run/postgresql", Address("/run/postgresql", 5432)),
    ],
)
def test_addresses(text: str, expected: Address) -> None:
    assert address(text, 5432) == expected


@pytest.mark.parametrize("text", ["", "db:", "db:x", "db:0", "db:65536", ":5432", "db:-1"])
def test_what_is_no_address_is_said(text: str) -> None:
    with pytest.raises(DatabaseError, match="SQLHost"):
        address(text, 5432)


@given(st.text())
def test_an_address_is_read_or_refused(text: str) -> None:
    try:
        assert 0 < address(text, 5432).port < 65536
    except DatabaseError as error:
        assert "SQLHost" in str(error)  # noqa: PT017 - either is right


def test_marks_are_counted() -> None:
    translator = Translator("${}".format)
    assert translator.text("a = ? AND b = CAST(? AS TEXT)") == b"a = $1 AND b = $2"
    assert translator.text("nothing") == b"nothing"


def test_messages_are_one_line() -> None:
    assert one_line("ERROR:  no such thing.\nLINE 1: SELECT secret") == "no such thing"
    assert one_line("") == "no reason given"


def test_sorting() -> None:
    assert sorting("", POSTGRES, distinct=True) == ([], "")
    assert sorting("T.A desc, B", SQLITE, distinct=True) == ([], "T.A desc, B")
    more, order = sorting("T.A desc, AccessTime, LENGTH(B)", POSTGRES, distinct=True)
    assert more == ['T.A COLLATE "C"', "AccessTime", "LENGTH(B)"]
    assert order == 'T.A COLLATE "C" desc NULLS LAST, AccessTime NULLS FIRST, LENGTH(B) NULLS FIRST'
    assert sorting("T.A", POSTGRES, distinct=False)[0] == []
