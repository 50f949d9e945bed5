"""The guard against loops, by itself."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dgate.forward.lanes import JITTER, SLOWEST, pause_after
from dgate.forward.visited import FROM_OTHERS, FROM_THE_SAME, LIMIT, PAUSE, WINDOW, Visits


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_comes_back_unchanged_from_a_known_node() -> None:
    visits = Visits(Clock())
    assert not visits.comes_back("1", "B", "CT", 7, known=True)
    visits.note("1", "B", "CT", 7)
    assert visits.comes_back("1", "B", "B", 7, known=True)
    assert visits.comes_back("1", "B", "C", 7, known=True)
    assert not visits.comes_back("1", "B", "CT", 7, known=True)
    assert not visits.comes_back("1", "C", "B", 7, known=True)
    assert not visits.comes_back("2", "B", "B", 7, known=True)


def test_a_changed_object_is_sent_again_but_not_for_ever() -> None:
    visits = Visits(Clock())
    visits.note("1", "B", "CT", 0)
    for digest in range(1, FROM_OTHERS):
        assert not visits.comes_back("1", "B", "B", digest, known=True)
        visits.note("1", "B", "B", digest)
    assert visits.comes_back("1", "B", "B", -1, known=True)
    assert visits.comes_back("1", "B", "STRANGER", -1, known=False)


def test_the_same_sender_may_send_again() -> None:
    clock = Clock()
    visits = Visits(clock)
    for _ in range(FROM_THE_SAME):
        assert not visits.comes_back("1", "B", "CT", 7, known=True)
        visits.note("1", "B", "CT", 7)
    assert visits.comes_back("1", "B", "CT", 7, known=True)
    clock.now += PAUSE + 1
    visits.note("1", "B", "CT", 7)
    assert not visits.comes_back("1", "B", "CT", 7, known=True)


def test_an_hour_later_all_is_forgotten() -> None:
    clock = Clock()
    visits = Visits(clock)
    visits.note("1", "B", "CT", 7)
    clock.now += WINDOW + 1
    assert not visits.comes_back("1", "B", "B", 7, known=True)


def test_memory_is_bounded() -> None:
    visits = Visits(Clock())
    for number in range(LIMIT + 10):
        visits.note(str(number), "B", "CT", 7)
    assert not visits.comes_back("9", "B", "B", 7, known=True)
    assert visits.comes_back("10", "B", "B", 7, known=True)


@given(st.integers(1, 10_000), st.floats(0, 1e6), st.floats(0, 1))
def test_pauses_grow_and_are_bounded(failures: int, delay: float, chance: float) -> None:
    pause = pause_after(failures, delay, lambda: chance)
    assert delay <= pause <= delay * SLOWEST * (1 + JITTER) + 1e-6
    assert pause_after(failures + 1, delay, lambda: 0.0) >= pause_after(failures, delay, lambda: 0.0)
