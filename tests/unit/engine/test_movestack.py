"""The stack that copies an index, made from the compose file that counts and the one that is to count."""

from __future__ import annotations

from pathlib import Path

import pytest

from conquestctl.engine.container_config import container_specs
from conquestctl.engine.movestack import move_stack
from conquestctl.errors import InvalidError
from conquestctl.fleet.create import create
from conquestctl.fleet.database import Database, of_options, of_url
from conquestctl.fleet.databasechange import Staged, stage
from conquestctl.fleet.instance import Instance
from conquestctl.fleet.request import requests_for
from conquestctl.fleet.scan import Fleet
from tests.unit.fleet.support import around

SUBNET = "10.213.255.248/29"
SQLITE, POSTGRES, MARIADB = Database(), of_options("postgres", None), of_options("mariadb", None)
ELSEWHERE = of_url("mariadb://dicom@dbhost/ct1")


def staged(tmp_path: Path, old: Database, new: Database) -> Staged:
    requests = requests_for(["ct1"], values={}, extra={}, database=old)
    (ct1,) = create(Fleet.open(tmp_path / "fleet"), requests, around(tmp_path))
    return stage(ct1, new, SUBNET)


def networks(instance: Instance) -> set[str]:
    return {instance.network, f"{instance.project}_database"}


def test_from_one_server_to_another_both_run_beside_the_copier(tmp_path: Path) -> None:
    made = staged(tmp_path, POSTGRES, MARIADB)
    stack, folder = move_stack(made), made.instance.folder
    old, new, copier = (stack.services[name] for name in ("db", "db-moving", "ct1"))
    assert (old.image, new.image, copier.image) == ("postgres:17", "mariadb:11", made.instance.image)
    assert {service.restart for service in (old, new, copier)} == {"no"}
    assert [bind.source for bind in old.volumes] == [folder / "db"]
    assert [bind.source for bind in new.volumes] == [made.folder / "db"]
    assert copier.healthy_first == ("db", "db-moving")
    assert copier.ports == ()
    assert copier.command is not None
    assert copier.command[-2:] == (
        "password_file=./.conquestctl/moving/secrets/database_password",
        "host=db-moving",
    )
    specs = {spec.service: spec for spec in container_specs(made.instance, stack)}
    assert specs["ct1"].name == made.instance.project, "whoever starts the instance meets it"
    assert {specs["ct1"].config["HostConfig"]["NetworkMode"], *specs["ct1"].further_networks} == networks(made.instance)  # type: ignore[index]
    secrets = {service: {bind["Source"] for bind in _mounts(specs[service].config)} for service in specs}
    assert str(made.folder / "secrets" / made_secret(made.folder)) in secrets["db-moving"]
    assert str(folder / "secrets/database_password") in secrets["ct1"]


def _mounts(config: dict[str, object]) -> list[dict[str, str]]:
    host = config["HostConfig"]
    assert isinstance(host, dict)
    mounts: list[dict[str, str]] = host["Mounts"]
    return mounts


def made_secret(folder: Path) -> str:
    """The file that the new server itself reads: where everything is root's it has one of its own."""
    return max(path.name for path in (folder / "secrets").iterdir())


@pytest.mark.parametrize(
    ("old", "new", "services"),
    [
        (SQLITE, POSTGRES, {"db-moving", "ct1"}),
        (POSTGRES, SQLITE, {"db", "ct1"}),
        (SQLITE, ELSEWHERE, {"ct1"}),
        (POSTGRES, ELSEWHERE, {"db", "ct1"}),
    ],
)
def test_only_servers_of_the_instance_itself_are_run(
    tmp_path: Path, old: Database, new: Database, services: set[str]
) -> None:
    made = staged(tmp_path, old, new)
    stack = move_stack(made)
    assert set(stack.services) == services
    assert set(stack.services["ct1"].healthy_first) == services - {"ct1"}
    keys = {word.partition("=")[0] for word in made.command[4:]}
    assert keys == ({"database"} if new.kind == "sqlite" else {"password_file"} | ({"host"} if new.own else set()))


def test_a_compose_file_without_the_instance_is_said(tmp_path: Path) -> None:
    made = staged(tmp_path, SQLITE, ELSEWHERE)
    file = made.instance.compose_file
    file.write_text(file.read_text().replace("\n  ct1:\n", "\n  other:\n"))
    with pytest.raises(InvalidError, match="there is no service ct1 in "):
        move_stack(made)
