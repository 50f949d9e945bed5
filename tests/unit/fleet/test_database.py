from __future__ import annotations

import os
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conquestctl.errors import ConflictError, ConquestError, InvalidError, StorageError, UsageError
from conquestctl.fleet import subnet
from conquestctl.fleet.create import create
from conquestctl.fleet.database import (
    Database,
    ini_with,
    of_options,
    of_url,
    read_password,
    refuse_shared_folder,
    seen_from,
)
from conquestctl.fleet.edit import set_values
from conquestctl.fleet.instance import Instance
from conquestctl.fleet.mountinfo import Mount
from conquestctl.fleet.render import template_folder
from conquestctl.fleet.request import requests_for
from conquestctl.fleet.scan import Fleet
from dgate.config.inifile import IniFile
from tests.unit.fleet.support import around, make

TEMPLATE = (template_folder() / "mount/config/dicom.ini.j2").read_bytes()


def made(tmp_path: Path, *names: str, database: Database) -> list[Instance]:
    requests = requests_for(names, values={}, extra={}, database=database)
    return create(Fleet.open(tmp_path / "fleet"), requests, around(tmp_path))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u@h:5/n", ("postgres", "h:5", "u", "n")),
        ("postgres://u@h/n", ("postgres", "h", "u", "n")),
        ("mysql://a%40b@10.0.0.1/n", ("mariadb", "10.0.0.1", "a@b", "n")),
        ("mariadb://u@[2001:db8::1]:3307/n", ("mariadb", "[2001:db8::1]:3307", "u", "n")),
        ("mariadb://u@[::1]/n", ("mariadb", "[::1]", "u", "n")),
    ],
)
def test_a_server_that_is_there(url: str, expected: tuple[str, ...]) -> None:
    database = of_url(url)
    assert (database.kind, database.host, database.user, database.name) == expected
    assert not database.own
    assert not database.local


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://u:secret@h/n", "can be read by everybody"),
        ("oracle://u@h/n", "oracle is no database server"),
        ("h/n", "nothing is no database server"),
        ("postgresql://u@/n", "no host in it"),
        ("postgresql://h/n", "no user in it"),
        ("postgresql://u@h", "the name of a database"),
        ("postgresql://u@h/a/b", "the name of a database"),
        ("postgresql://u@h:99999/n", "--database-url"),
        ("postgresql://u@h/n?sslmode=off", "a query"),
        ("postgresql://u@h;x/n", "no host"),
        ("postgresql://u%0aPassword=x@h/n", "no user"),
    ],
)
def test_a_url_that_is_none(url: str, words: str) -> None:
    with pytest.raises(InvalidError, match=words) as caught:
        of_url(url)
    assert "secret" not in caught.value.message + caught.value.hint


@settings(max_examples=300)
@given(
    st.one_of(st.text(max_size=30), st.from_regex(r"postgresql://[^\n]{0,12}@[^\n]{0,12}/[^\n]{0,8}", fullmatch=True))
)
def test_whatever_is_typed_leads_to_whole_lines_or_a_refusal(url: str) -> None:
    try:
        database = of_url(url)
    except InvalidError:
        return
    ini = IniFile.parse(ini_with(TEMPLATE, database))
    assert (ini.get("SQLHost"), ini.get("Username"), ini.get("SQLServer")) == (
        database.host,
        database.user,
        database.name,
    )


def test_the_options() -> None:
    assert of_options(None, None) == Database()
    assert of_options("postgres", None).image == "postgres:17"
    assert of_options("mariadb", "own/mariadb:1").image == "own/mariadb:1"
    for kind, image in (("oracle", None), (None, "postgres:17"), ("sqlite", "x")):
        with pytest.raises(UsageError):
            of_options(kind, image)


def test_loopback_is_another_machine_inside_a_container() -> None:
    assert seen_from("localhost:5432", container=True) == "host.docker.internal:5432"
    assert seen_from("[::1]:5432", container=True) == "host.docker.internal:5432"
    assert seen_from("localhost:5432", container=False) == "localhost:5432"
    assert seen_from("db.example.org", container=True) == "db.example.org"
    assert seen_from("[2001:db8::1]:3307", container=True) == "[2001:db8::1]:3307"


def test_a_template_without_the_lines_is_not_filled_in() -> None:
    with pytest.raises(InvalidError, match="no block of lines for SQLite"):
        ini_with(b"[sscscp]\n", of_options("postgres", None))


@pytest.mark.parametrize(("kind", "driver"), [("postgres", "PostGres"), ("mariadb", "MySQL")])
def test_an_instance_with_a_server_of_its_own(tmp_path: Path, kind: str, driver: str) -> None:
    (ct1,) = made(tmp_path, "ct1", database=of_options(kind, None))
    ini = IniFile.parse((ct1.mount / "config/dicom.ini.j2").read_bytes())
    assert (ini.get(driver), ini.get("SQLite"), ini.get("SQLHost")) == ("1", "", "db")
    assert (ct1.folder / ini.get("PasswordFile")).stat().st_mode & 0o777 == 0o600
    assert ct1.has_server
    assert ct1.settings["DATABASE"] == kind
    assert ct1.settings["DATABASE_RUN_AS"].partition(":")[0] != "0"
    assert (ct1.folder / "db").is_dir()


def test_each_has_a_password_and_a_subnet_of_its_own(tmp_path: Path) -> None:
    two = made(tmp_path, "ct1", "ct2", database=of_options("postgres", None))
    three = [*two, *made(tmp_path, "ct3", database=of_options("mariadb", None))]
    assert len({(one.folder / "secrets/database_password").read_text() for one in three}) == 3
    subnets = [IPv4Network(one.settings["DATABASE_SUBNET"]) for one in three]
    assert len(set(subnets)) == 3
    assert not any(one.overlaps(IPv4Network(three[0].settings["FLEET_SUBNET"])) for one in subnets)


def test_sixty_databases_fit_beside_each_other(tmp_path: Path) -> None:
    del tmp_path
    pool = subnet.parse_pool(subnet.DEFAULT_POOL)
    taken = [subnet.choose_subnet(pool, [])]
    for _ in range(60):
        taken.append(subnet.choose_small(pool, taken))
    assert len(set(taken)) == 61
    assert str(subnet.choose_subnet(pool, taken)) == "10.213.4.0/22"


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(192, 255), st.integers(16, 30)), max_size=20))
def test_a_small_subnet_overlaps_nothing(used: list[tuple[int, int]]) -> None:
    taken = [IPv4Network(f"10.213.{third}.0/{prefix}", strict=False) for third, prefix in used]
    pool = subnet.parse_pool("10.213.224.0/19")
    free = [one for one in pool.subnets(new_prefix=29) if not any(one.overlaps(other) for other in taken)]
    if free:
        assert subnet.choose_small(pool, taken) == free[-1]
    else:
        with pytest.raises(ConflictError, match="free for a database") as caught:
            subnet.choose_small(pool, taken)
        assert str(pool) in caught.value.message


def test_an_sqlite_instance_is_as_before(tmp_path: Path) -> None:
    (ct1,) = make(tmp_path, "ct1")
    assert not [key for key in ct1.settings if key.startswith("DATABASE")]
    assert not (ct1.folder / "secrets").exists()
    assert (ct1.mount / "config/dicom.ini.j2").read_bytes() == TEMPLATE
    with pytest.raises(InvalidError, match="no setting"):
        set_values(Fleet.open(tmp_path / "fleet"), "ct1", {"DATABASE_IMAGE": "postgres:17"}, around(tmp_path))


def test_what_kind_of_database_is_not_set_by_hand(tmp_path: Path) -> None:
    made(tmp_path, "ct1", database=of_options("postgres", None))
    fleet = Fleet.open(tmp_path / "fleet")
    with pytest.raises(InvalidError, match="is not changed"):
        set_values(fleet, "ct1", {"DATABASE": "mariadb"}, around(tmp_path))
    change = set_values(fleet, "ct1", {"database-image": "postgres:18"}, around(tmp_path))
    assert change.new == {"DATABASE_IMAGE": "postgres:18"}
    assert change.restart_needed


def test_one_database_is_not_for_two_instances() -> None:
    with pytest.raises(UsageError, match="several instances"):
        requests_for(["ct1", "ct2"], values={}, extra={}, database=of_url("postgresql://u@h/n"))


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "9p", "fuse.sshfs"])
def test_a_shared_file_system_is_refused(tmp_path: Path, kind: str) -> None:
    mounts = [Mount("/", "ext4", "/dev/a"), Mount(str(tmp_path.resolve()), kind, "server:/x")]
    with pytest.raises(StorageError, match=f"is on {kind} .*locks"):
        refuse_shared_folder(tmp_path, mounts)
    refuse_shared_folder(tmp_path.parent, mounts)


def test_create_refuses_one_for_whatever_has_files_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = [Mount("/", "nfs4", "server:/x")]
    monkeypatch.setattr("conquestctl.fleet.create.read_mounts", lambda: mounts)
    for database in (Database(), of_options("postgres", None)):
        with pytest.raises(StorageError, match="network or shared file system"):
            made(tmp_path, "ct1", database=database)
    assert not list((tmp_path / "fleet").iterdir())
    (ct1,) = made(tmp_path, "ct1", database=of_url("postgresql://u@h/n"))
    assert not ct1.has_server


def test_a_password_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    for content in (None, b"", b"\nx", b"\xff\xfe"):
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(ConquestError, match="--database-password-file"):
            read_password(file)
    file.write_text("pass word\nmore\n")
    assert read_password(file) == "pass word"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_fleet_of_root_runs_its_database_as_somebody_else(tmp_path: Path) -> None:
    (tmp_path / "fleet").mkdir()
    (ct1,) = made(tmp_path, "ct1", database=of_options("postgres", None))
    passwords = [ct1.folder / "secrets" / name for name in ("database_password", "server_password")]
    assert [(file.stat().st_uid, file.stat().st_mode & 0o777) for file in passwords] == [(0, 0o600), (999, 0o600)]
    assert len({file.read_text() for file in passwords}) == 1
    assert (ct1.folder / "db").stat().st_uid == 999
