"""A database server that goes, comes back, dies while it commits or refuses: nothing acknowledged is lost."""

from __future__ import annotations

import shutil
import signal
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dgate.archive.archive import open_archive
from dgate.archive.objectfile import FileReader, InPlace
from dgate.archive.writer import Entry, Location, Outcome
from dgate.config.archiveoptions import options_from
from dgate.encoding.elements import IMPLICIT_LITTLE, encode_element, encoding_of
from dgate.index.database.faults import DatabaseError, UnknownOutcomeError, UnreachableError
from dgate.index.index import connect
from dgate.index.latecomer import Latecomer
from dgate.index.schema import ensure_database, initialise
from dgate.interfaces import QueryFailure
from tests.databases import DROP_ALL, NAME, settings_of
from tests.dgate.archive.support import CT1, House, Lines, ct1, dataset, kfactor, settings_for, store
from tools.database_servers import PASSWORD, SERVERS, DatabaseServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.database

FAILED = 0x0110
BAD_QUERY = 0xC001
REFUSALS = {
    "postgres": (
        "CREATE FUNCTION refuse() RETURNS trigger AS $$ BEGIN IF NEW.ImageNumbe = '13' THEN "
        "RAISE EXCEPTION USING ERRCODE = '{0}', MESSAGE = '{1}'; END IF; RETURN NEW; END $$ LANGUAGE plpgsql; "
        "CREATE TRIGGER refusal BEFORE INSERT OR UPDATE ON DICOMImages FOR EACH ROW EXECUTE FUNCTION refuse();"
    ),
    "mariadb": (
        "DELIMITER //\nCREATE TRIGGER refusal BEFORE INSERT ON DICOMImages FOR EACH ROW BEGIN IF NEW.ImageNumbe = '13' "
        "THEN SIGNAL SQLSTATE '{0}' SET MYSQL_ERRNO = {2}, MESSAGE_TEXT = '{1}'; END IF; END//\n"
    ),
}


@pytest.fixture(scope="module", params=list(SERVERS))
def server(request: pytest.FixtureRequest) -> Iterator[DatabaseServer]:
    """One of our own: it is stopped and killed, with its commits on disk as they are by default."""
    kind = SERVERS[request.param]
    if kind.missing():
        pytest.skip(kind.missing())
    folder = Path(tempfile.mkdtemp(prefix="dgate-database-"))
    folder.chmod(0o711)
    made = kind(folder / "server")
    made.start()
    made.create(NAME)
    yield made
    made.stop(signal.SIGKILL)
    shutil.rmtree(folder)


@pytest.fixture
def house(server: DatabaseServer, tmp_path: Path) -> Iterator[House]:
    server.sql(DROP_ALL[server.name], NAME)
    settings, log = settings_for(tmp_path, **settings_of(server)), Lines()
    initialise(settings, kfactor(), Lines(), 0)
    made = House(tmp_path, settings, log, open_archive(settings, kfactor(), log))
    yield made
    made.archive.close()
    if server._process is None:
        server.start()


def found(house: House) -> list[bytes]:
    encoding = encoding_of(IMPLICIT_LITTLE)
    keys = encode_element(0x00080052, b"CS", b"IMAGE", encoding) + encode_element(0x00080018, b"UI", b"", encoding)
    return sorted(answer[8:].split(b"\x08\x00\x52\x00")[0].strip(b"\0") for answer in find(house, keys))


def find(house: House, keys: bytes) -> list[bytes]:
    return list(house.archive.find("study", keys, IMPLICIT_LITTLE))


def in_step(house: House) -> bool:
    """Each row has its file, and each file its row."""
    return sorted(row[0].decode() for row in house.rows("SELECT ObjectFile FROM DICOMImages")) == house.files()


def content(house: House) -> bytes:
    (name,) = house.files()
    return (house.data / name).read_bytes()


@pytest.mark.parametrize("how", [None, signal.SIGKILL], ids=["stopped", "killed"])
def test_it_stops_and_comes_back(server: DatabaseServer, house: House, how: signal.Signals | None) -> None:
    assert house.store(CT1) == 0
    assert len(found(house)) == 1
    files = house.files()
    server.stop(how)
    assert house.store(ct1(t00080018=b"1.2")) == FAILED
    with pytest.raises(QueryFailure) as failure:
        found(house)
    assert failure.value.status == BAD_QUERY
    assert house.files() == files
    assert house.leftovers() == []
    told = [line for line in house.log.lines if line.startswith("***")]
    assert f"The database {NAME} on 127.0.0.1:{server.port} cannot be opened: " in told[0]
    assert not any(PASSWORD in line or "Traceback" in line or "\n" in line for line in house.log.lines)
    server.start()
    assert house.store(ct1(t00080018=b"1.2")) == 0
    assert len(found(house)) == 2
    assert in_step(house)


def test_it_is_restarted_while_nobody_looks(server: DatabaseServer, house: House) -> None:
    """Connections that were good a moment ago cost no object and no query."""
    assert house.store(CT1) == 0
    assert len(found(house)) == 1
    server.stop()
    server.start()
    assert len(found(house)) == 1
    assert house.store(ct1(t00080018=b"1.2")) == 0
    server.stop()
    server.start()
    assert house.store(ct1(t00080018=b"1.3")) == 0
    assert len(found(house)) == 3


def test_killed_while_four_store(server: DatabaseServer, house: House) -> None:
    acknowledged: list[str] = []
    stopped, begun = threading.Event(), threading.Semaphore(0)

    def send(number: int) -> None:
        count = 0
        while not stopped.is_set():
            count += 1
            uid = f"7.{number}.{count}"
            if store(house.archive, dataset(ct1(t00080018=uid.encode()))) == 0:
                acknowledged.append(uid)
                begun.release()

    threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(2):
            for _ in range(60):
                assert begun.acquire(timeout=20)
            server.stop(signal.SIGKILL)
            server.start()
    finally:
        stopped.set()
        for thread in threads:
            thread.join()
    house.reopen()
    assert set(acknowledged) <= {row[0].decode() for row in house.rows("SELECT SOPInstanc FROM DICOMImages")}
    assert in_step(house)
    assert house.leftovers() == []


# -- a commit whose outcome nobody told us


def breaking(house: House, monkeypatch: pytest.MonkeyPatch, *, before: bool, also: Callable[[], None]) -> None:
    """The connection breaks when a group is sent: before the server has it, or after it has committed."""
    connection = house.archive.stores.writer._connection
    kind = type(connection)
    real = kind.write_group  # type: ignore[union-attr]

    def broken(self: Any, writes: Any) -> None:
        monkeypatch.setattr(kind, "write_group", real)
        if not before:
            real(self, writes)
        self.close()
        also()
        raise UnknownOutcomeError("broken")

    monkeypatch.setattr(kind, "write_group", broken)


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("again", [True, False])
def test_a_commit_in_doubt_is_asked_after(
    house: House, monkeypatch: pytest.MonkeyPatch, before: bool, again: bool
) -> None:
    """A new object is there or not, and one that is sent again has its new or its old content: as its row says."""
    assert house.store(CT1) == 0
    old = content(house)
    breaking(house, monkeypatch, before=before, also=lambda: None)
    changed = ct1(t00200013=b"77") if again else ct1(t00200013=b"77", t00080018=b"1.2")
    assert house.store(changed) == (FAILED if before else 0)
    numbers = [row[0] for row in house.rows("SELECT ImageNumbe FROM DICOMImages ORDER BY ImageNumbe")]
    assert numbers == ([b"42"] if before else [b"77"] if again else [b"42", b"77"])
    assert in_step(house)
    assert house.leftovers() == []
    if again:
        assert (content(house) == old) is before
    assert house.store(ct1(t00080018=b"1.3")) == 0


@pytest.mark.parametrize("before", [True, False])
def test_a_commit_in_doubt_while_nobody_can_be_asked(
    server: DatabaseServer, house: House, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    assert house.store(CT1) == 0
    breaking(house, monkeypatch, before=before, also=server.stop)
    assert house.store(ct1(t00200013=b"77")) == FAILED
    assert house.store(ct1(t00080018=b"1.3")) == FAILED
    server.start()
    assert house.store(ct1(t00080018=b"1.4")) == 0
    assert any(line.startswith("Entered after all: ") for line in house.log.lines) is not before
    numbers = dict(house.rows("SELECT SOPInstanc, ImageNumbe FROM DICOMImages"))
    assert numbers == {CT1[0x00080018][1]: b"42" if before else b"77", b"1.4": b"42"}
    assert in_step(house)
    assert house.leftovers() == []


def test_a_commit_in_doubt_at_the_end_is_settled_by_the_next_start(
    server: DatabaseServer, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert house.store(CT1) == 0
    breaking(house, monkeypatch, before=True, also=server.stop)
    assert house.store(ct1(t00080018=b"1.2")) == FAILED
    house.archive.close()
    server.start()
    house.archive = open_archive(house.settings, kfactor(), house.log)
    assert len(house.rows("SELECT * FROM DICOMImages")) == 2
    assert in_step(house)


# -- refusals


def refuse(server: DatabaseServer, state: str, message: str, number: int) -> None:
    server.sql(REFUSALS[server.name].format(state, message, number), NAME)


def test_a_full_database_fails_the_store(server: DatabaseServer, house: House) -> None:
    states = {"postgres": "53100", "mariadb": "HY000"}
    refuse(server, states[server.name], "disk full", 1114)
    assert house.store(ct1(t00200013=b"13")) == FAILED
    assert any(line.startswith("***") and line.endswith("Exec error: disk full") for line in house.log.lines)
    assert house.files() == []
    assert house.leftovers() == []
    assert house.store(ct1(t00200013=b"14")) == 0


def test_a_refused_object_costs_the_others_of_its_group_nothing(server: DatabaseServer, house: House) -> None:
    refuse(server, "22001", "too long", 1406)
    stores = house.archive.stores
    reader = FileReader(stores.tables, stores.options, stores.rows)
    entries = []
    for number in (12, 13, 14):
        values = {tag: value for tag, (_, value) in ct1(t00200013=b"%d" % number, t00080018=b"5.%d" % number).items()}
        rows = reader.rows.make(values)
        entries.append(Entry(rows, InPlace(Location(b"MAG0", b"x/%d.dcm" % number)), b"%d" % number))
    assert stores.writer.submit_all(entries)
    assert [entry.outcome for entry in entries] == [Outcome.STORED, Outcome.FAILED, Outcome.STORED]
    assert house.rows("SELECT ImageNumbe FROM DICOMImages ORDER BY ImageNumbe") == [(b"12",), (b"14",)]


def test_refused_among_four_that_are_received(server: DatabaseServer, house: House) -> None:
    refuse(server, "22001", "too long", 1406)
    statuses: dict[int, int] = {}

    def send(number: int) -> None:
        uid = b"5.%d" % number
        statuses[number] = store(house.archive, dataset(ct1(t00200013=b"%d" % number, t00080018=uid)))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(5, 25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {number for number, status in statuses.items() if status} == {13}
    assert len(found(house)) == 19
    assert in_step(house)
    assert house.leftovers() == []


def test_another_process_that_writes_is_waited_for(house: House) -> None:
    connection = connect(options_from(house.settings), writing=True)
    connection.execute("BEGIN IMMEDIATE")
    statuses: list[int] = []
    sender = threading.Thread(target=lambda: statuses.append(house.store(CT1)))
    sender.start()
    assert house.rows("SELECT * FROM DICOMImages") == []
    assert statuses == []
    connection.execute("COMMIT")
    sender.join()
    connection.close()
    assert statuses == [0]


# -- the way in


def test_a_wrong_password_is_said_without_it(server: DatabaseServer, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, **{**settings_of(server), "password": "not this one"})
    with pytest.raises(UnreachableError) as failure:
        connect(options_from(settings))
    assert "not this one" not in str(failure.value)
    assert "password" in str(failure.value)
    assert "not this one" not in repr(options_from(settings))


def test_a_password_file_goes_before_the_password(server: DatabaseServer, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    wrong = {**settings_of(server), "password": "not this one", "password_file": str(secret)}
    options = options_from(settings_for(tmp_path, **wrong))
    with pytest.raises(DatabaseError, match="cannot be read: No such file"):
        connect(options)
    secret.write_text(PASSWORD + "\n")
    connect(options).close()


def test_a_database_that_does_not_exist(server: DatabaseServer, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, **settings_of(server, "nowhere"))
    with pytest.raises(UnreachableError, match="nowhere"):
        connect(options_from(settings))


def test_a_server_that_comes_late_gets_its_tables(server: DatabaseServer, tmp_path: Path) -> None:
    server.sql(DROP_ALL[server.name], NAME)
    server.stop()
    settings, log = settings_for(tmp_path, **settings_of(server)), Lines()
    with pytest.raises(UnreachableError):
        ensure_database(settings, kfactor())
    archive = open_archive(settings, kfactor(), log)
    latecomer = Latecomer(settings, kfactor(), log, every=0.01)
    latecomer.start()
    try:
        assert store(archive, dataset(CT1)) == FAILED
        server.start()
        latecomer._thread.join(20)
        assert log.lines[-1] == f"Database {NAME} is ready"
        assert sum("not ready" in line for line in log.lines) >= 1
        assert store(archive, dataset(CT1)) == 0
    finally:
        latecomer.stop()
        archive.close()


def test_commands_can_only_read(house: House) -> None:
    from dgate.commands.context import CommandError
    from dgate.commands.database import select

    assert house.store(CT1) == 0
    options = options_from(house.settings)
    assert select(options, "SELECT PatientNam FROM DICOMPatients") == [["Doe^John^Q"]]
    for sql in ("DELETE FROM DICOMImages", "SELECT 1; DELETE FROM DICOMImages", "DROP TABLE DICOMImages"):
        with pytest.raises(CommandError):
            select(options, sql)
    assert len(found(house)) == 1


# -- bytes


def test_every_byte_is_kept_and_found(house: House) -> None:
    for number in range(1, 256):
        value = b"a" + bytes([number]) + b"z"
        uid = b"6.%d" % number
        elements = ct1(t00080018=uid, t0020000d=uid, t0020000e=uid + b".1", t00100020=b"P%d" % number, t00100010=value)
        assert house.store(elements) == 0
    rows = house.rows("SELECT PatientNam FROM DICOMPatients")
    assert sorted(row[0] for row in rows) == [b"a" + bytes([number]) + b"z" for number in range(1, 256)]
    encoding = encoding_of(IMPLICIT_LITTLE)
    for number in (0x27, 0x5C, 0x22, 0x80, 0xE9, 0xFF):
        value = b"a" + bytes([number]) + b"z"
        keys = encode_element(0x00080052, b"CS", b"STUDY", encoding)
        keys += encode_element(0x00100010, b"PN", value, encoding) + encode_element(0x0020000D, b"UI", b"", encoding)
        (answer,) = find(house, keys)
        assert value in answer


def test_utf_8_stays_readable_to_others(server: DatabaseServer, house: House) -> None:
    name = "M\xfcller^\u5c71"
    assert house.store(ct1(t00100010=name.encode())) == 0
    if server.name == "postgres":
        assert server.sql("SELECT PatientNam FROM DICOMPatients", NAME) == f"{name}\n"
    else:  # the tables have a character set of one byte
        told = server.sql("SELECT HEX(PatientNam) FROM DICOMPatients", NAME)
        assert told.strip() == name.encode().hex().upper()


def test_latin_1_is_converted_when_the_keys_say_so(server: DatabaseServer, house: House) -> None:
    house.reopen(utf8_to_db=True, utf8_from_db=True)
    assert house.store(ct1(t00100010=b"M\xfcller")) == 0
    assert house.rows("SELECT PatientNam FROM DICOMPatients") == [(b"M\xfcller",)]
    if server.name == "postgres":
        assert server.sql("SELECT PatientNam FROM DICOMPatients", NAME) == "M\xfcller\n"


# -- what belongs to an object's rows


def test_further_statements_of_an_object_count_if_its_rows_do(server: DatabaseServer, house: House) -> None:
    """The queue of what is to be forwarded: told of each object that is stored, and of no other."""
    from dgate.forward import table

    writer = house.archive.stores.writer
    assert writer.transact(table.create) == 0
    refuse(server, "22001", "too long", 1406)
    stores = house.archive.stores
    entries = []
    for number in (12, 13, 14):
        values = {tag: value for tag, (_, value) in ct1(t00200013=b"%d" % number, t00080018=b"5.%d" % number).items()}
        entry = Entry(stores.rows.make(values), InPlace(Location(b"MAG0", b"x")), b"%d" % number)
        entry.also = lambda executing, _, number=number: table.insert(executing, number, "lane", {"uid": "x"}, 1.0)
        entries.append(entry)
    assert writer.submit_all(entries)
    assert house.rows("SELECT ID FROM ForwardQueue ORDER BY ID") == [(12,), (14,)]
    writer.transact(lambda connection: table.request(connection, 20, "lane", {}, 1.0, due=2.0, identity="same"))
    writer.transact(lambda connection: table.request(connection, 21, "lane", {}, 1.0, due=3.0, identity="same"))
    assert house.rows("SELECT ID, Due FROM ForwardQueue WHERE Identity = 'same'") == [(20, 3.0)]
