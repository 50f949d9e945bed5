"""An index in one real database copied to another: the same bytes there, or nothing and a reason."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgate.config.archiveoptions import ArchiveOptions
from dgate.index import checkpoint
from dgate.index.schema import BARE, create_tables
from dgate.moving import copying
from dgate.moving.checksum import Checksum
from dgate.moving.copying import MARK, RefusedError, move_index
from dgate.moving.tables import Copied, copied_tables
from tests.databases import SQLITE
from tests.dgate.moving.support import connected, content, fill, filled, names, options, tables_of
from tools.database_servers import SERVERS

KINDS = (SQLITE, *SERVERS)
PAIRS = [
    pytest.param(old, new, marks=() if {old, new} == {SQLITE} else pytest.mark.database, id=f"{old}-{new}")
    for old in KINDS
    for new in KINDS
    if old != new or old == SQLITE
]
EVENTS = list[dict[str, object]]


def two(request: pytest.FixtureRequest, tmp_path: Path, old: str, new: str) -> tuple[ArchiveOptions, ArchiveOptions]:
    return options(request, old, tmp_path, "old"), options(request, new, tmp_path, "new")


def sqlite_pair(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[ArchiveOptions, ArchiveOptions]:
    return two(request, tmp_path, SQLITE, SQLITE)


def untouched(new: ArchiveOptions) -> bool:
    """Whether there is nothing of ours in a database."""
    with connected(new) as connection:
        return not names(connection)


@pytest.mark.parametrize(("old_kind", "new_kind"), PAIRS)
def test_every_row_arrives_as_it_was(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old_kind: str, new_kind: str
) -> None:
    monkeypatch.setattr(copying, "GROUP_ROWS", 4)
    monkeypatch.setattr(copying, "TELL_EVERY", 3)
    old, new = two(request, tmp_path, old_kind, new_kind)
    fill(old)
    before, events = content(old), EVENTS()
    moved = move_index(old, new, tables_of(old), events.append)
    assert content(new) == before == content(old)
    assert {one.table: one.rows for one in moved} == {table: len(rows) for table, rows in before.items()}
    assert before["DICOMWorkList"] == [before["DICOMWorkList"][0]] * 6
    with connected(new) as connection:
        assert MARK.lower() not in names(connection)
    assert {"event": "copying", "table": "DICOMPatients", "done": 4, "rows": 6} in events
    compared = [event for event in events if event["event"] == "compared"]
    assert [(one["table"], one["rows"], one["checksum"]) for one in compared] == [
        (one.table, one.rows, one.checksum) for one in moved
    ]


@pytest.mark.parametrize("new_kind", [pytest.param(kind, marks=pytest.mark.database) for kind in SERVERS])
def test_what_the_new_database_refuses_leaves_both_as_they_were(
    request: pytest.FixtureRequest, tmp_path: Path, new_kind: str
) -> None:
    old, new = two(request, tmp_path, SQLITE, new_kind)
    patients = next(table for table in copied_tables(tables_of(old)) if table.name == "DICOMPatients")
    fill(old, more=[filled(patients, {"PatientID": b"x" * 65})])
    before = content(old)
    with pytest.raises(RefusedError, match=r"the new database, table DICOMPatients: .*(?i:too long)"):
        move_index(old, new, tables_of(old), EVENTS().append)
    assert content(old) == before
    assert untouched(new)


@pytest.mark.parametrize("new_kind", [SQLITE, *(pytest.param(kind, marks=pytest.mark.database) for kind in SERVERS)])
def test_a_database_that_holds_something_is_left_alone(
    request: pytest.FixtureRequest, tmp_path: Path, new_kind: str
) -> None:
    old, new = two(request, tmp_path, SQLITE, new_kind)
    fill(old)
    fill(new)
    before = content(new)
    with pytest.raises(RefusedError, match="the new database is not empty: there are rows in its table DICOMWorkList"):
        move_index(old, new, tables_of(old), EVENTS().append)
    assert content(new) == before
    with connected(new) as connection:
        assert MARK.lower() not in names(connection)


@pytest.mark.database
@pytest.mark.parametrize("kind", SERVERS)
def test_a_database_is_not_moved_into_itself(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> None:
    old = options(request, kind, tmp_path, "old")
    with connected(old) as connection:
        create_tables(connection, tables_of(old))
    with pytest.raises(RefusedError, match="are the same one"):
        move_index(old, replace(old, host=old.host.replace("127.0.0.1", "localhost")), tables_of(old), EVENTS().append)
    with connected(old) as connection:
        assert "dicompatients" in names(connection)
        assert MARK.lower() not in names(connection)


@pytest.mark.database
@pytest.mark.parametrize("kind", SERVERS)
def test_a_wrong_password_is_said(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> None:
    old, new = two(request, tmp_path, SQLITE, kind)
    fill(old)
    with pytest.raises(RefusedError, match=r"(?i)the new database: .*cannot be opened: .*(authentication|denied)"):
        move_index(old, replace(new, password="wrong"), tables_of(old), EVENTS().append)


def test_what_a_killed_move_left_is_no_obstacle(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    old, new = sqlite_pair(request, tmp_path)
    fill(old)
    fill(new)
    with connected(new) as connection:
        connection.execute(f"CREATE TABLE {MARK} (Made int)")
    move_index(old, new, tables_of(old), EVENTS().append)
    assert content(new) == content(old)


def test_while_it_lasts_nobody_writes_into_the_old_one(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    old, new = sqlite_pair(request, tmp_path)
    fill(old)
    refused: list[str] = []

    def another(_event: dict[str, object]) -> None:
        with closing(sqlite3.connect(old.database, timeout=0)) as other:
            try:
                other.execute("DELETE FROM DICOMPatients")
            except sqlite3.OperationalError as error:
                refused.append(str(error))

    move_index(old, new, tables_of(old), another)
    assert set(refused) == {"database is locked"}
    assert content(new) == content(old)


def test_an_instance_that_has_never_run_has_an_empty_index_afterwards(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    old, new = sqlite_pair(request, tmp_path)
    assert move_index(old, new, tables_of(old), EVENTS().append) == []
    assert not Path(old.database).exists()
    assert set(map(tuple, content(new).values())) == {()}
    assert len(content(new)) == 6


def test_an_index_with_a_key_twice_stays_one_without_keys(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    old, new = sqlite_pair(request, tmp_path)
    patients = next(table for table in copied_tables(tables_of(old)) if table.name == "DICOMPatients")
    fill(old, BARE, more=[filled(patients, {"PatientID": b"1"})])
    move_index(old, new, tables_of(old), EVENTS().append)
    assert content(new) == content(old)


def test_a_regeneration_that_was_interrupted_still_is(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    old, new = sqlite_pair(request, tmp_path)
    fill(old)
    point = checkpoint.Checkpoint(b"f", 1.5, 0, b"a/b.dcm", 7, 8)
    with connected(old) as connection:
        checkpoint.begin(connection)
        checkpoint.save(connection, point)
    move_index(old, new, tables_of(old), EVENTS().append)
    with connected(new) as connection:
        assert checkpoint.load(connection) == point


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("ALTER TABLE DICOMSeries ADD COLUMN Ours int", "DICOMSeries has columns that dicom.sql does not name: ours"),
        ("ALTER TABLE DICOMSeries DROP COLUMN SeriesDesc", "DICOMSeries lacks the columns seriesdesc"),
        ("DROP TABLE DICOMImages", "the old database lacks the tables DICOMImages: regenerate it first"),
    ],
)
def test_an_index_that_is_not_as_dicom_sql_says_is_refused(
    request: pytest.FixtureRequest, tmp_path: Path, statement: str, words: str
) -> None:
    old, new = sqlite_pair(request, tmp_path)
    fill(old)
    with closing(sqlite3.connect(old.database)) as connection:
        connection.execute(statement)
    with pytest.raises(RefusedError, match=words):
        move_index(old, new, tables_of(old), EVENTS().append)
    assert untouched(new)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE DICOMPatients SET PatientNam = 'x' WHERE PatientID = '1'", "checksums differ"),
        ("DELETE FROM DICOMPatients WHERE PatientID = '1'", "6 rows of DICOMPatients were read and 5 are"),
    ],
)
def test_a_difference_is_found_when_it_is_read_back(
    request: pytest.FixtureRequest, tmp_path: Path, statement: str, words: str
) -> None:
    old, new = sqlite_pair(request, tmp_path)
    fill(old)

    def meddle(event: dict[str, object]) -> None:
        if event == {"event": "compared", "table": "DICOMWorkList", "rows": 6, "checksum": event.get("checksum")}:
            with closing(sqlite3.connect(new.database)) as other, other:
                other.execute(statement)

    with pytest.raises(RefusedError, match=words):
        move_index(old, new, tables_of(old), meddle)
    assert untouched(new)


VALUES = st.one_of(st.none(), st.binary(max_size=4), st.integers(-9, 9), st.sampled_from([0.5, 1.0]))
TWO = Copied("t", ("a", "b"), frozenset())


def checksum(rows: list[tuple[Any, ...]]) -> Checksum:
    made = Checksum(TWO)
    for row in rows:
        made.add(row)
    return made


@given(st.lists(st.tuples(VALUES, VALUES), max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_count(rows: list[tuple[Any, ...]], random: Any) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert checksum(shuffled) == checksum(rows)


@given(st.lists(st.tuples(VALUES, VALUES), max_size=4), st.lists(st.tuples(VALUES, VALUES), max_size=4))
def test_other_rows_have_another_checksum(one: list[tuple[Any, ...]], other: list[tuple[Any, ...]]) -> None:
    assert (checksum(one) == checksum(other)) is (sorted(map(repr, plain(one))) == sorted(map(repr, plain(other))))


def plain(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """1 and 1.0 are the same number."""
    return [tuple(int(v) if isinstance(v, float) and v.is_integer() else v for v in row) for row in rows]


def test_the_same_row_twice_is_not_none() -> None:
    assert checksum([(b"a", None)] * 2).text != checksum([]).text
    assert checksum([(b"ab", b"c")]) != checksum([(b"a", b"bc")])
