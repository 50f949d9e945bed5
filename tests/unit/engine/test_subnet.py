from __future__ import annotations

from ipaddress import IPv4Network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conquestctl.engine.networks import Wanted, choose_subnet
from conquestctl.errors import ConflictError, InvalidError

POOL = "10.213.0.0/16"


def test_the_one_asked_for_when_it_is_free() -> None:
    assert str(choose_subnet(Wanted("n", "10.213.8.0/22"), [])) == "10.213.8.0/22"


def test_the_next_free_one_when_another_network_has_it() -> None:
    taken = [IPv4Network("10.213.0.0/21"), IPv4Network("10.213.9.0/24")]
    assert str(choose_subnet(Wanted("n", "10.213.8.0/22"), taken)) == "10.213.12.0/22"


def test_without_a_wish_a_22_of_the_pool() -> None:
    assert str(choose_subnet(Wanted("n", "", "10.9.0.0/20"), [IPv4Network("10.9.0.0/22")])) == "10.9.4.0/22"


def test_a_pool_that_is_used_up() -> None:
    with pytest.raises(ConflictError, match=r"no subnet of 10\.9\.0\.0/22") as caught:
        choose_subnet(Wanted("n", "", "10.9.0.0/22"), [IPv4Network("10.9.1.0/24")])
    assert "CONQUESTCTL_POOL" in caught.value.hint


@pytest.mark.parametrize(
    ("subnet", "pool", "key"),
    [("10.0.0.1/22", POOL, "FLEET_SUBNET"), ("x", POOL, "FLEET_SUBNET"), ("", "y", "CONQUESTCTL_POOL")],
)
def test_what_is_no_subnet(subnet: str, pool: str, key: str) -> None:
    with pytest.raises(InvalidError, match=key):
        choose_subnet(Wanted("n", subnet, pool), [])


SUBNETS = st.builds(lambda block, bits: IPv4Network((0x0AD50000 | block << 8, 24 - bits), strict=False),
                    st.integers(0, 255), st.integers(0, 4))  # fmt: skip


@settings(max_examples=150)
@given(SUBNETS, st.lists(SUBNETS, max_size=40))
def test_whatever_is_chosen_overlaps_nothing(wish: IPv4Network, taken: list[IPv4Network]) -> None:
    try:
        chosen = choose_subnet(Wanted("n", str(wish), POOL), taken)
    except ConflictError:
        free = IPv4Network(POOL).subnets(new_prefix=22)
        assert all(any(map(one.overlaps, taken)) for one in free)
    else:
        assert not any(map(chosen.overlaps, taken))
        assert chosen == wish or any(map(wish.overlaps, taken))
