from __future__ import annotations

from pathlib import Path

import pytest

from conquestctl.engine.base import Observed, PublishedPort, State
from conquestctl.engine.container_list import observe, published
from tests.unit.engine.stacks import instance

CT1 = instance(Path("/fleet/ct1"))


def summary(state: str = "running", status: str = "Up 3 seconds", **changes: object) -> dict[str, object]:
    own = {
        "com.docker.compose.project": CT1.project,
        "com.docker.compose.service": "ct1",
        "com.docker.compose.oneoff": "False",
        "org.conquestctl.spec": "abc",
        "org.conquestctl.published": "127.0.0.1:5678",
    }
    return {
        "Id": "0123456789abcdef",
        "Names": ["/conquest-abc123-ct1"],
        "Image": CT1.image,
        "State": state,
        "Status": status,
        "Labels": own,
        "Ports": [{"IP": "127.0.0.1", "PrivatePort": 5678, "PublicPort": 5678, "Type": "tcp"}],
    } | changes


def relabelled(**changes: str) -> dict[str, str]:
    own = summary()["Labels"]
    assert isinstance(own, dict)
    return {**own} | {f"com.docker.compose.{key}": value for key, value in changes.items()}


def test_a_running_one() -> None:
    seen = Observed("ct1", State.RUNNING, "0123456789abcdef", "abc", None, "127.0.0.1:5678", CT1.image)
    assert observe([CT1], [summary()]) == {"ct1": seen}


@pytest.mark.parametrize(
    ("state", "status", "expected", "code"),
    [
        ("created", "Created", State.CREATED, None),
        ("exited", "Exited (137) 2 minutes ago", State.EXITED, 137),
        ("restarting", "Restarting (1) 3 seconds ago", State.RESTARTING, 1),
        ("paused", "Up 2 hours (Paused)", State.PAUSED, None),
        ("dead", "Dead", State.EXITED, None),
        ("running", "Up 2 hours (unhealthy)", State.RUNNING, None),
    ],
)
def test_states(state: str, status: str, expected: State, code: int | None) -> None:
    seen = observe([CT1], [summary(state, status)])["ct1"]
    assert (seen.state, seen.exit_code) == (expected, code)


def test_nothing_of_ours_is_absent() -> None:
    other = summary(Labels=relabelled(project="else"))
    one_off = summary(Labels=relabelled(oneoff="True"))
    assert observe([CT1], [other, one_off, summary(Labels=None)])["ct1"] == Observed("ct1")


def test_the_liveliest_of_several_counts() -> None:
    old = summary("exited", "Exited (0) 1 minute ago", Id="old")
    assert observe([CT1], [old, summary(Id="new")])["ct1"].handle == "new"


def test_a_service_under_another_name_counts_when_it_is_the_only_one() -> None:
    renamed = summary(Labels=relabelled(service="server"))
    database = summary(Labels=relabelled(service="db"))
    assert observe([CT1], [renamed])["ct1"].state is State.RUNNING
    assert observe([CT1], [renamed, database])["ct1"].state is State.ABSENT
    assert observe([CT1], [summary(Id="main"), database])["ct1"].handle == "main"


def test_published_ports_of_running_and_resting_containers() -> None:
    resting = summary("created", Names=["/r"], Ports=[], Labels={"org.conquestctl.published": "[::1]:5680,0.0.0.0:1"})
    foreign = summary(Names=["/web"], Labels={}, Ports=[{"PrivatePort": 80, "PublicPort": 80}, {"PrivatePort": 443}])
    assert published([summary(), resting, foreign]) == [
        PublishedPort("127.0.0.1", 5678, "container conquest-abc123-ct1"),
        PublishedPort("::1", 5680, "container r"),
        PublishedPort("0.0.0.0", 1, "container r"),
        PublishedPort("0.0.0.0", 80, "container web"),
    ]


def test_an_address_of_ipv6_is_written_in_brackets() -> None:
    ports = [{"IP": "::1", "PrivatePort": 5678, "PublicPort": 5678}]
    assert observe([CT1], [summary(Ports=ports)])["ct1"].address == "[::1]:5678"
