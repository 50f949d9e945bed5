"""The index of an instance in containers, moved from a file through both servers and back to a file."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from conquestctl.dicom.samples import bundled, one_of_each_kind
from conquestctl.engine import labels
from conquestctl.engine.base import State
from conquestctl.fleet.instance import Instance
from tests.integration.databaseside import have_database_image
from tests.integration.dockerside import wait_for
from tests.integration.operators import Operator

pytestmark = pytest.mark.docker


def send(operator: Operator, first: int, end: int) -> None:
    operator.types_well("send", "pacs", *map(str, one_of_each_kind(bundled())[first:end]))


def states(operator: Operator, instance: Instance) -> dict[str, str]:
    """What the engine says of each service of the stack."""
    label = f"{labels.PROJECT}={instance.project}"
    found = operator.engine.client.containers(all=True, filters={"label": [label]})
    return {one["Labels"][labels.SERVICE]: one["Status"] for one in found}


def moved(operator: Operator, *words: str) -> dict[str, int]:
    """Move the stopped instance; how many rows each table has."""
    operator.types_well("down", "pacs")
    ran = operator.types_well("database", "move", "pacs", *words, "--json")
    assert all(Path(one).exists() for one in ran.document["kept"])
    pacs = operator.instances()["pacs"]
    assert set(states(operator, pacs)) == set()
    assert not (pacs.folder / ".conquestctl/moving").exists()
    assert not operator.engine.client.networks(names=[f"{pacs.project}_database"])
    return {one["table"]: one["rows"] for one in ran.document["tables"]}


def test_an_index_goes_round_all_three_databases(operator: Operator) -> None:
    image = have_database_image(operator.engine.client)
    operator.types_well("create", "pacs")
    operator.types_well("up", "pacs")
    send(operator, 0, 2)
    ran = operator.types("database", "move", "pacs", "--to", "postgres", "--database-image", image)
    assert "its index can be moved while it is down only" in ran.err
    assert moved(operator, "--to", "postgres", "--database-image", image)["DICOMImages"] == 2

    compose = operator.instances()["pacs"].compose_file
    compose.write_text(compose.read_text().replace("interval: 5s", "interval: 1s"))
    operator.types_well("up", "pacs")
    assert operator.status("pacs")["images"] == 2
    send(operator, 2, 3)
    operator.types_well("down", "pacs")
    killed_while_it_moves(operator, "--to", "mariadb", "--database-image", image)
    assert operator.status("pacs")["images"] == 3
    assert moved(operator, "--to", "mariadb", "--database-image", image)["DICOMImages"] == 3

    assert "interval: 1s" in compose.read_text()
    pacs = operator.instances()["pacs"]
    assert len(list(pacs.folder.glob("old-database-*/docker-compose.yml"))) == 2
    assert {path.name for path in pacs.folder.glob("old-database-*/*") if path.is_dir()} == {"db", "secrets"}
    operator.types_well("up", "pacs")
    assert operator.status("pacs")["images"] == 3
    send(operator, 3, 4)
    operator.types_well("down", "pacs")
    ran = operator.types("database", "move", "pacs", "--to", "sqlite")
    assert "was edited by hand in the lines about the database; nothing was moved" in ran.err
    compose.write_text(compose.read_text().replace("interval: 1s", "interval: 5s"))
    assert moved(operator, "--to", "sqlite")["DICOMImages"] == 4
    operator.types_well("up", "pacs")
    assert operator.status("pacs")["images"] == 4
    assert set(states(operator, pacs)) == {"pacs"}


def killed_while_it_moves(operator: Operator, *words: str) -> None:
    """Kill conquestctl while it waits for the new server; then `up` brings back what was, and nothing else is left."""
    pacs = operator.instances()["pacs"]
    running = operator.starts("database", "move", "pacs", *words)
    wait_for(lambda: "(healthy)" in states(operator, pacs).get("db", ""), "the old database server", 60)
    assert set(states(operator, pacs)) == {"db", "db-moving", "pacs"}
    running.send_signal(signal.SIGKILL)
    running.communicate()
    operator.types_well("up", "pacs")
    assert set(states(operator, pacs)) == {"db", "pacs"}
    assert operator.states() == {"pacs": State.RUNNING}
