"""The states of the database of conquest-server.md section 12: each fails stores and queries, and is got over."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from dgate.archive.archive import open_archive
from dgate.archive.delete import delete
from dgate.encoding.elements import IMPLICIT_LITTLE, encode_element, encoding_of
from dgate.index.database import sqlite
from dgate.index.index import DatabaseError
from dgate.index.schema import initialise
from dgate.index.tables import Level
from dgate.interfaces import QueryFailure
from tests.dgate.archive.support import CT1, House, Lines, ct1, kfactor, make_house, settings_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FAILED = 0x0110
BAD_QUERY = 0xC001


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.02)
    made = make_house(tmp_path)
    assert made.store(CT1) == 0
    yield made
    made.archive.close()


def find(house: House) -> list[bytes]:
    encoding = encoding_of(IMPLICIT_LITTLE)
    keys = encode_element(0x00080052, b"CS", b"STUDY", encoding) + encode_element(0x0020000D, b"UI", b"", encoding)
    return list(house.archive.find("study", keys, IMPLICIT_LITTLE))


def gone(database: Path) -> None:
    for path in database.parent.glob(database.name + "*"):
        path.unlink()


def empty(database: Path) -> None:
    gone(database)
    database.touch()


def no_database(database: Path) -> None:
    gone(database)
    database.write_bytes(b"this is no database " * 500)


def without_tables(database: Path) -> None:
    gone(database)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE other (x)")


def other_columns(database: Path) -> None:
    gone(database)
    with closing(sqlite3.connect(database)) as connection, connection:
        for name in ("Patients", "Studies", "Series", "Images"):
            connection.execute(f"CREATE TABLE DICOM{name} (x)")


def a_folder(database: Path) -> None:
    gone(database)
    database.mkdir()


STATES = [gone, empty, no_database, without_tables, other_columns, a_folder]


@pytest.mark.parametrize("state", STATES)
def test_while_running(house: House, state: Callable[[Path], None]) -> None:
    files = house.files()
    state(house.root / "conquest.db3")
    fails(house, files)
    repair(house)
    assert house.store(ct1(t00080018=b"1.9")) == 0
    assert len(find(house)) == 1


@pytest.mark.parametrize("state", STATES)
def test_at_the_start(house: House, state: Callable[[Path], None]) -> None:
    house.archive.close()
    files = house.files()
    state(house.root / "conquest.db3")
    house.archive = open_archive(house.settings, kfactor(), house.log)
    fails(house, files)
    repair(house)
    assert house.store(ct1(t00080018=b"1.9")) == 0
    assert len(find(house)) == 1


def fails(house: House, files: list[str]) -> None:
    house.log.lines.clear()
    assert house.store(ct1(t00080018=b"1.8")) == FAILED
    assert any(line.startswith("***SQLITEExec error: ") for line in house.log.lines)
    assert any(line.startswith("***Error saving to SQL: ") for line in house.log.lines)
    assert house.files() == files
    assert house.leftovers() == []
    with pytest.raises(QueryFailure) as failure:
        find(house)
    assert failure.value.status == BAD_QUERY
    with pytest.raises((DatabaseError, sqlite3.Error)):
        delete(house.archive, Level.PATIENT, {"patient_id": b"PAT 001.A"})
    assert house.files() == files


def repair(house: House) -> None:
    database = house.root / "conquest.db3"
    if database.is_dir():
        database.rmdir()
    gone(database)
    initialise(house.settings, kfactor(), Lines(), 0)


def test_locked(house: House) -> None:
    files = house.files()
    with closing(sqlite3.connect(house.root / "conquest.db3", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert house.store(ct1(t00080018=b"1.8")) == FAILED
        assert house.files() == files
        assert len(find(house)) == 1  # a query waits for nobody
        other.execute("ROLLBACK")
    assert house.store(ct1(t00080018=b"1.8")) == 0


def test_damaged_pages(house: House) -> None:
    for number in range(200):
        assert house.store(ct1(t00080018=b"5.%d" % number)) == 0
    house.archive.close()
    database = house.root / "conquest.db3"
    content = bytearray(database.read_bytes())
    good = bytes(content)
    for at in range(4096, len(content), 4096):
        content[at : at + 2000] = b"\xa5" * 2000
    gone(database)
    database.write_bytes(content)
    house.archive = open_archive(house.settings, kfactor(), house.log)
    files = house.files()
    assert house.store(ct1(t00080018=b"1.8")) == FAILED
    assert house.files() == files
    with pytest.raises(QueryFailure):
        find(house)
    gone(database)
    database.write_bytes(good)
    assert house.store(ct1(t00080018=b"1.8")) == 0
    assert len(find(house)) == 1


def test_no_folder_for_it_is_told_at_the_start(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, database=f"{tmp_path}/absent/conquest.db3")
    with pytest.raises(DatabaseError, match="there is no folder"):
        open_archive(settings, kfactor(), Lines())


def test_the_journal_outlives_a_start_without_a_database(house: House) -> None:
    """What a crash left is entered once the database is back, however often the server was started without it."""
    name = house.files()[0]
    (spool,) = house.archive.stores.devices.spools
    spool.intend(CT1[0x00080018][1], name.encode())
    spool._unsettled = 1  # as in a process that was killed
    house.archive.close()
    database = house.root / "conquest.db3"
    no_database(database)
    for _ in range(2):
        open_archive(house.settings, kfactor(), house.log).close()
    repair(house)
    house.archive = open_archive(house.settings, kfactor(), house.log)
    assert house.rows("SELECT ObjectFile FROM DICOMImages") == [(name.encode(),)]


def test_tables_made_anew_beside_the_running_server(house: House) -> None:
    initialise(house.settings, kfactor(), Lines(), 0)
    assert find(house) == []
    assert house.store(CT1) == 0
    assert len(find(house)) == 1
