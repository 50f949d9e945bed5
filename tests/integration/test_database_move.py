"""The index of an instance that is a local process, moved between a file and real servers."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from conquestctl.dicom.samples import bundled, one_of_each_kind
from conquestctl.engine.process import ProcessEngine
from conquestctl.errors import ConflictError, EngineError, ExitStatus, StorageError
from conquestctl.fleet import databaseswitch
from conquestctl.fleet.create import Surroundings
from conquestctl.fleet.database import Database
from conquestctl.fleet.mountinfo import Mount
from conquestctl.fleet.scan import Fleet
from conquestctl.movedatabase import Means, move
from tests.cli.running import Ran, conquestctl
from tests.databases import NAME, Databases, databases
from tools.database_servers import PASSWORD, USER

pytestmark = pytest.mark.database
FILES = (".env", "docker-compose.yml", "mount/config/dicom.ini.j2", ".conquestctl/rendered.json")


@pytest.fixture(scope="module")
def servers() -> Iterator[Databases]:
    made = databases()
    yield made
    made.end()


class Operator:
    def __init__(self, folder: Path, servers: Databases) -> None:
        self.folder = folder
        self.servers = servers
        self.instance = folder / "instances" / "ct1"
        (folder / "password").write_text(PASSWORD)
        self.well("create", "ct1")

    def types(self, *words: str) -> Ran:
        return conquestctl(*words, cwd=self.folder, environ={"CONQUESTCTL_ENGINE": "process"})

    def well(self, *words: str) -> Ran:
        ran = self.types(*words)
        assert ran.status == ExitStatus.OK, ran.out + ran.err
        return ran

    def moves_to(self, kind: str, *more: str) -> Ran:
        """To a database; a server's is emptied first."""
        if kind == "sqlite":
            return self.types("database", "move", "ct1", "--to", "sqlite", *more)
        server = self.servers.server(kind)
        self.servers.clear(kind)
        scheme = {"postgres": "postgresql", "mariadb": "mariadb"}[kind]
        url = f"{scheme}://{USER}@127.0.0.1:{server.port}/{NAME}"
        words = ("--database-url", url, "--database-password-file", "password")
        return self.types("database", "move", "ct1", *words, *more)

    def stores(self, first: int, end: int) -> None:
        self.well("send", "ct1", *map(str, one_of_each_kind(bundled())[first:end]))

    def images(self) -> object:
        (line,) = self.well("status", "ct1", "--json").document["instances"]
        return line["images"]

    def files(self) -> dict[str, bytes]:
        """Everything in the instance's folder that says where the index is."""
        found = {name: (self.instance / name).read_bytes() for name in FILES}
        secrets = self.instance / "secrets"
        return found | {path.name: path.read_bytes() for path in secrets.glob("*")}


@pytest.fixture
def operator(tmp_path: Path, servers: Databases) -> Iterator[Operator]:
    made = Operator(tmp_path, servers)
    yield made
    made.types("down", "ct1")


def test_there_and_back_with_every_image(operator: Operator) -> None:
    operator.well("up", "ct1")
    operator.stores(0, 3)
    assert "conquestctl down ct1" in operator.moves_to("postgres").err
    operator.well("down", "ct1")
    (operator.instance / ".env").write_text((operator.instance / ".env").read_text() + "# mine\nMINE=1\n")

    for position, kind in enumerate(("postgres", "mariadb", "sqlite")):
        ran = operator.moves_to(kind, "--json")
        assert ran.status == ExitStatus.OK, ran.out + ran.err
        tables = {one["table"]: one["rows"] for one in ran.document["tables"]}
        assert tables["DICOMImages"] == 3 + position
        assert "DICOMImages: " in ran.err
        kept = [Path(one) for one in ran.document["kept"]]
        assert all(one.exists() for one in kept)
        assert PASSWORD not in ran.out + ran.err
        operator.well("up", "ct1")
        assert operator.images() == 3 + position
        operator.stores(3 + position, 4 + position)
        operator.well("down", "ct1")
        for one in kept if position == 0 else ():
            shutil.rmtree(one) if one.is_dir() else one.unlink()
    env = (operator.instance / ".env").read_text()
    assert env.endswith("# mine\nMINE=1\n")
    assert "DATABASE" not in env
    assert not (operator.instance / "secrets").exists()
    operator.well("up", "ct1")
    assert operator.images() == 6


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_what_is_refused_changes_nothing(operator: Operator, kind: str) -> None:
    before = operator.files()
    (operator.folder / "password").write_text("wrong")
    ran = operator.moves_to(kind)
    assert ran.status == ExitStatus.ENGINE
    assert "the new database: The database" in ran.err
    assert "password authentication failed" in ran.err or "Access denied" in ran.err
    (operator.folder / "password").write_text(PASSWORD)
    server = operator.servers.server(kind)
    server.sql("CREATE TABLE DICOMPatients (PatientID varchar(64)); INSERT INTO DICOMPatients VALUES ('x');", NAME)
    scheme = {"postgres": "postgresql", "mariadb": "mariadb"}[kind]
    url = f"{scheme}://{USER}@127.0.0.1:{server.port}/{NAME}"
    if kind == "postgres":
        server.sql(f"ALTER TABLE DICOMPatients OWNER TO {USER};", NAME)
    ran = operator.types(
        "database", "move", "ct1", "--database-url", url, "--database-password-file", "password", "--json"
    )
    assert ran.status == ExitStatus.ENGINE
    assert "the new database is not empty" in ran.document["error"]["message"]
    assert operator.files() == before
    assert not (operator.instance / ".conquestctl/moving").exists()
    operator.well("up", "ct1")


def test_refusals_that_need_no_copy(operator: Operator) -> None:
    before = operator.files()
    assert "in that database already" in operator.moves_to("sqlite").err
    assert "instances are local processes here" in operator.types("database", "move", "ct1", "--to", "postgres").err
    assert "where to is not said" in operator.types("database", "move", "ct1").err
    assert "there is no database 'oracle'" in operator.types("database", "move", "ct1", "--to", "oracle").err
    assert operator.types("database", "move", "ct2", "--to", "sqlite").status == ExitStatus.NOT_FOUND
    ini = operator.instance / "mount/config/dicom.ini.j2"
    ini.write_bytes(before["mount/config/dicom.ini.j2"].replace(b"= ./mount/dbase/conquest.db3", b"= ./mount/dbase/x"))
    assert "was edited by hand in the lines about the database" in operator.moves_to("postgres").err
    ini.write_bytes(before["mount/config/dicom.ini.j2"].replace(b"MicroPACS ", b"SQLHost = elsewhere\nMicroPACS ", 1))
    assert "has other lines about a database besides" in operator.moves_to("postgres").err
    ini.write_bytes(before["mount/config/dicom.ini.j2"])
    (operator.instance / "secrets").mkdir()
    (operator.instance / "secrets" / "mine").touch()
    assert "secrets is in the way" in operator.moves_to("postgres").err
    shutil.rmtree(operator.instance / "secrets")
    assert operator.files() == before
    assert operator.moves_to("postgres").status == ExitStatus.OK
    env = operator.instance / ".env"
    env.write_bytes(b"DATABASE=postgres\n" + env.read_bytes())
    assert "has other lines DATABASE or DATABASE_IMAGE besides" in operator.moves_to("sqlite").err


def means(operator: Operator, free: int = 1 << 40) -> Means:
    engine = ProcessEngine()
    around = Surroundings({"XDG_STATE_HOME": str(operator.folder / "state")})
    return Means(engine, [engine], around, lambda _place: free)


def to_server(operator: Operator, kind: str = "postgres") -> Database:
    server = operator.servers.server(kind)
    operator.servers.clear(kind)
    return Database(kind, "", f"127.0.0.1:{server.port}", USER, NAME, PASSWORD)


def carry_out(operator: Operator, new: Database, with_means: Means, now: datetime | None = None) -> None:
    now = now or datetime.now()  # noqa: DTZ005
    move(Fleet.open(operator.folder / "instances"), "ct1", new, with_means, lambda _n, _t: None, now)


def test_two_moves_within_a_second_keep_their_old_databases_apart(operator: Operator) -> None:
    """The second one's passwords stayed in force where the first one's already were."""
    now = datetime(2026, 11, 25, 1, 50)  # noqa: DTZ001
    for new in (to_server(operator), to_server(operator, "mariadb"), Database()):
        carry_out(operator, new, means(operator), now)
    assert not (operator.instance / "secrets").exists()
    kept = sorted(path.name for path in operator.instance.glob("old-database-*"))
    assert kept == [f"old-database-20261125-015000{more}" for more in ("", "-2", "-3")]


def test_a_disk_that_is_full_or_not_local_is_said_before_anything_is_copied(operator: Operator) -> None:
    operator.well("up", "ct1")
    operator.stores(0, 1)
    operator.well("down", "ct1")
    carry_out(operator, to_server(operator), means(operator))
    before = operator.files()
    with pytest.raises(StorageError, match=r"not enough space in .*: about 16 MB are needed .* 1 MB are free"):
        carry_out(operator, Database(), means(operator, 1 << 20))
    networked = replace(means(operator), mounts=lambda: [Mount(str(operator.folder.resolve()), "nfs4", "server:/x")])
    with pytest.raises(StorageError, match=r"is on nfs4 .* the locks of a database cannot be trusted"):
        carry_out(operator, Database(), networked)
    assert operator.files() == before


STEPS = ("write_synced", "replace_file", "sync_folder", "sync_trees", "give_as")
"""Whatever the switch does to the disk goes through one of these, or through `Path`."""


class Killed(BaseException):
    """As good as SIGKILL: nothing is put right on the way out."""


@pytest.mark.parametrize("end", [Killed(), OSError(errno.ENOSPC, "No space left on device")], ids=["kill", "full"])
def test_an_end_at_any_step_leaves_an_instance_that_works(
    operator: Operator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: BaseException
) -> None:
    """Each time one step further; before the decision the old database is in force, then the new one."""
    operator.well("up", "ct1")
    operator.stores(0, 2)
    operator.well("down", "ct1")
    whole = tmp_path / "whole"
    shutil.copytree(operator.instance, whole)
    results = set()
    for at in range(1, 60):
        shutil.rmtree(operator.instance)
        shutil.copytree(whole, operator.instance)
        killed = _moved_and_ended(operator, at, monkeypatch, end)
        decided = (operator.instance / ".conquestctl/moving/switch.json").exists()
        databaseswitch.finish_all(operator.instance.parent)
        kind = "postgres" if "DATABASE=postgres" in (operator.instance / ".env").read_text() else "sqlite"
        assert kind == ("postgres" if decided or not killed else "sqlite")
        results.add((killed, kind))
        assert (b"PostGres" in (operator.instance / "mount/config/dicom.ini.j2").read_bytes()) is (kind == "postgres")
        assert ("secrets" in (operator.instance / "docker-compose.yml").read_text()) is (kind == "postgres")
        if not killed:
            break
    assert results == {(True, "sqlite"), (True, "postgres"), (False, "postgres")}
    operator.well("up", "ct1")
    assert operator.images() == 2


def _moved_and_ended(operator: Operator, at: int, monkeypatch: pytest.MonkeyPatch, end: BaseException) -> bool:
    """Move, and come to this end at the so-maniest thing that is done to the disk while the files are switched."""
    new, left = to_server(operator), at

    def counted(real: object) -> object:
        def step(*arguments: object, **more: object) -> object:
            nonlocal left
            left -= 1
            if left == 0:
                raise end
            return real(*arguments, **more)  # type: ignore[operator]

        return step

    with monkeypatch.context() as patched:
        real = databaseswitch.switch

        def switch(*arguments: object) -> object:
            for name in STEPS:
                patched.setattr(databaseswitch, name, counted(getattr(databaseswitch, name)))
            for name in ("rename", "unlink", "mkdir", "chmod"):
                patched.setattr(Path, name, counted(getattr(Path, name)))
            return real(*arguments)  # type: ignore[arg-type]

        patched.setattr("conquestctl.movedatabase.switch", switch)
        if isinstance(end, Killed):
            patched.setattr("conquestctl.movedatabase.discard", lambda _staged: None)
        try:
            carry_out(operator, new, means(operator))
        except (Killed, StorageError):
            return True
    return False


def test_a_server_that_was_started_meanwhile_keeps_its_database(operator: Operator) -> None:
    """Whoever started it may have stored something since the copy."""
    before = operator.files()
    fleet = Fleet.open(operator.folder / "instances")
    engine, told = ProcessEngine(), list[str]()

    def report(_name: str, text: str) -> None:
        told.append(text)
        if len(told) == 2:
            engine.create(fleet.get("ct1"))
            engine.start(fleet.get("ct1"))

    operator.well("up", "ct1")
    operator.well("down", "ct1")
    with pytest.raises(ConflictError, match="ct1 is running"):
        move(fleet, "ct1", to_server(operator), means(operator), report, datetime.now())  # noqa: DTZ005
    assert operator.files() == before


def test_a_copy_that_dies_is_said_with_its_last_words(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    before = operator.files()
    (operator.instance / "mount/config/dicom.sql").write_text("nonsense")
    ran = operator.moves_to("postgres")
    assert "the index of ct1 was not moved" in ran.err
    monkeypatch.setattr("sys.executable", shutil.which("false"))
    with pytest.raises(EngineError, match="the copy ended early; it said: nothing"):
        carry_out(operator, to_server(operator), means(operator))
    assert operator.files() == before
