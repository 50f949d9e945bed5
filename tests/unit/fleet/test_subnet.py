from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conquestctl.errors import ConflictError, InvalidError
from conquestctl.fleet import subnet

ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
tun0\t0000D50A\t00000000\t0001\t0\t0\t0\t00F0FFFF\t0\t0\t0
"""


def test_routes_are_read_without_the_default_route(tmp_path: Path) -> None:
    path = tmp_path / "route"
    path.write_text(ROUTES, encoding="ascii")
    assert subnet.host_routes(path) == [IPv4Network("172.17.0.0/16"), IPv4Network("10.213.0.0/20")]
    assert subnet.host_routes(tmp_path / "none") == []


def test_the_first_free_subnet_is_taken() -> None:
    pool = subnet.parse_pool(subnet.DEFAULT_POOL)
    assert str(subnet.choose_subnet(pool, [])) == "10.213.0.0/22"
    assert str(subnet.choose_subnet(pool, subnet.parse_routes(ROUTES))) == "10.213.16.0/22"


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 255), st.integers(16, 30)), max_size=20))
def test_a_chosen_subnet_overlaps_nothing(used: list[tuple[int, int]]) -> None:
    taken = [IPv4Network(f"10.213.{third}.0/{prefix}", strict=False) for third, prefix in used]
    pool = subnet.parse_pool("10.213.0.0/16")
    try:
        chosen = subnet.choose_subnet(pool, taken)
    except ConflictError:
        blocks = list(pool.subnets(new_prefix=22))
        assert all(any(block.overlaps(other) for other in taken) for block in blocks)
    else:
        assert chosen.subnet_of(pool)
        assert not any(chosen.overlaps(other) for other in taken)


def test_a_used_up_pool_proposes_another() -> None:
    taken = [IPv4Network("10.0.0.0/8"), IPv4Network("172.16.0.0/12")]
    with pytest.raises(ConflictError) as caught:
        subnet.choose_subnet(IPv4Network("10.213.0.0/16"), taken)
    assert "CONQUESTCTL_POOL=192.168.240.0/20" in caught.value.hint


@pytest.mark.parametrize("text", ["", "10.0.0.1/8", "abc", "10.0.0.0/30", "fd00::/48"])
def test_a_bad_pool_is_named(text: str) -> None:
    with pytest.raises(InvalidError, match="CONQUESTCTL_POOL"):
        subnet.parse_pool(text)


def test_a_small_pool_is_used_whole() -> None:
    assert str(subnet.choose_subnet(subnet.parse_pool("10.1.2.0/24"), [])) == "10.1.2.0/24"


def test_only_ipv4_subnets_count() -> None:
    assert subnet.parse_subnets(["", "10.1.0.0/22", "fd00::/64", "x"]) == [IPv4Network("10.1.0.0/22")]
