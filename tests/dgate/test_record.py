"""Each case runs with the standard module too: what is supported behaves the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from dgate import record

both = pytest.mark.parametrize("module", [dataclasses, record], ids=["standard", "ours"])


def made(module: Any, **options: bool) -> Any:
    @module.dataclass(**options)
    class Node:
        """Somebody."""

        title: str
        port: int = 104
        seen: list[str] = module.field(default_factory=list, compare=False)
        secret: str = module.field(default="", repr=False, metadata={"key": "Password"})

        def address(self) -> str:
            return f"{self.title}:{self.port}"

    return Node


@both
@pytest.mark.parametrize("slots", [False, True])
@pytest.mark.parametrize("frozen", [False, True])
class TestEveryKind:
    def test_values(self, module: Any, frozen: bool, slots: bool) -> None:
        node = made(module, frozen=frozen, slots=slots)
        one, two = node("A"), node("B", 11112, seen=["x"], secret="s")
        assert (one.title, one.port, one.seen, one.secret) == ("A", 104, [], "")
        assert (two.title, two.port, two.seen, two.secret) == ("B", 11112, ["x"], "s")
        assert node("A").seen is not node("A").seen
        assert one.address() == "A:104"
        assert node.__doc__ == "Somebody."
        assert node.__match_args__ == ("title", "port", "seen", "secret")
        assert hasattr(one, "__dict__") is not slots

    def test_comparison(self, module: Any, frozen: bool, slots: bool) -> None:
        node, other = made(module, frozen=frozen, slots=slots), made(module, frozen=frozen, slots=slots)
        assert node("A", seen=["x"]) == node("A")
        assert node("A") != node("A", secret="s")
        assert node("A") != other("A")
        assert node("A") != ("A", 104, "")
        if frozen:
            assert hash(node("A", seen=["x"])) == hash(node("A"))
        else:
            with pytest.raises(TypeError, match="unhashable"):
                hash(node("A"))

    def test_representation(self, module: Any, frozen: bool, slots: bool) -> None:
        shown = repr(made(module, frozen=frozen, slots=slots)("A", secret="s"))
        assert shown == "made.<locals>.Node(title='A', port=104, seen=[])"

    def test_mistakes(self, module: Any, frozen: bool, slots: bool) -> None:
        node = made(module, frozen=frozen, slots=slots)
        for wrong in (dict, lambda: {"title": "A", "nothing": 1}):
            with pytest.raises(TypeError, match=r"Node\.__init__\(\)"):
                node(**wrong())
        with pytest.raises(TypeError, match="multiple values"):
            node("A", title="B")

    def test_replacing(self, module: Any, frozen: bool, slots: bool) -> None:
        one = made(module, frozen=frozen, slots=slots)("A", seen=["x"])
        for replace in (module.replace, dataclasses.replace):
            assert replace(one, port=1) == type(one)("A", 1)
            assert replace(one, port=1).seen is one.seen
            with pytest.raises(TypeError):
                replace(one, nothing=1)

    def test_setting(self, module: Any, frozen: bool, slots: bool) -> None:
        one = made(module, frozen=frozen, slots=slots)("A")
        if frozen:
            with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'port'"):
                one.port = 1
            with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'port'"):
                del one.port
        else:
            one.port = 1
            assert one.port == 1


@both
def test_fields(module: Any) -> None:
    node = made(module, frozen=True, slots=True)
    for of in (node, node("A")):
        assert [item.name for item in module.fields(of)] == ["title", "port", "seen", "secret"]
        assert [item.name for item in dataclasses.fields(of)] == ["title", "port", "seen", "secret"]
    assert module.fields(node)[3].metadata["key"] == "Password"
    assert module.fields(node)[1].default == 104
    assert dataclasses.asdict(node("A")) == {"title": "A", "port": 104, "seen": [], "secret": ""}


@both
def test_inheritance(module: Any) -> None:
    @module.dataclass
    class Below(made(module)):  # type: ignore[misc]
        port: int = 11112
        extra: str = "e"

    below = Below("A")
    assert [item.name for item in module.fields(Below)] == ["title", "port", "seen", "secret", "extra"]
    assert (below.port, below.extra) == (11112, "e")


@both
def test_what_the_class_says_itself_stays(module: Any) -> None:
    @module.dataclass(eq=False, repr=False)
    class Named:
        name: str

        def __repr__(self) -> str:
            return "<named>"

    make: Callable[..., object] = Named
    assert repr(make("A")) == "<named>"
    assert make("A") != make("A")
    assert len({make("A"), make("A")}) == 2


@both
def test_nothing_in_it(module: Any) -> None:
    @module.dataclass(frozen=True)
    class Empty:
        pass

    assert Empty() == Empty()
    assert hash(Empty()) == hash(Empty())
    assert repr(Empty()).endswith("Empty()")


@both
def test_a_name_of_a_keyword_argument_of_ours_is_free(module: Any) -> None:
    @module.dataclass(frozen=True)
    class Odd:
        values: int
        named: int = 2
        of: int = 3

    make: Callable[..., Any] = Odd
    assert (make(1, of=4).values, make(values=5).values, make(1, of=4).of) == (1, 5, 4)
    assert make(named=7, values=1).named == 7
