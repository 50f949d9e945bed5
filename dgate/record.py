"""`dataclass`, `field`, `fields` and `replace` for the server, at a fraction of the time at start.

The standard module imports `inspect` and compiles half a dozen functions for each class: together almost half of the
processor time until the first echo. Here a class costs one compiled function. What is supported behaves as in the
standard module, to which record.pyi points type checkers: `frozen`, `slots`, `eq` and `repr` of a class; `default`,
`default_factory`, `repr`, `compare` and `metadata` of a field; inheritance. Its functions (`asdict`, `replace`, ...)
take these classes for its own.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any, NoReturn

__all__ = ["dataclass", "field", "fields", "replace"]

_MISSING = object()


class Field:
    """What a class says of one of its fields."""

    __slots__ = ("compare", "default", "factory", "metadata", "name", "repr")

    def __init__(
        self, default: Any, factory: Any = _MISSING, *, shown: bool = True, compare: bool = True, metadata: Any = None
    ) -> None:
        self.name = ""
        self.default, self.factory = default, factory
        self.repr, self.compare, self.metadata = shown, compare, metadata or {}


def field(
    *,
    default: Any = _MISSING,
    default_factory: Any = _MISSING,
    repr: bool = True,  # noqa: A002 - the standard name
    compare: bool = True,
    metadata: Any = None,
) -> Any:
    """A field that is more than a default."""
    return Field(default, default_factory, shown=repr, compare=compare, metadata=metadata)


def fields(of: Any) -> tuple[Field, ...]:
    """The fields of a class or an instance, in their order."""
    return tuple(of.__record_fields__.values())


def replace(record: Any, /, **changes: Any) -> Any:
    """A new instance with some other values."""
    values = {name: getattr(record, name) for name in record.__record_fields__ if name not in changes}
    return record.__class__(**values, **changes)


def dataclass(
    cls: Any = None,
    /,
    *,
    frozen: bool = False,
    slots: bool = False,
    eq: bool = True,
    repr: bool = True,  # noqa: A002 - the standard name
) -> Any:
    """Make `__init__`, and what else is asked for, from the annotations of a class."""
    if cls is None:
        return lambda cls: _completed(cls, frozen, slots, eq, repr)
    return _completed(cls, frozen, slots, eq, repr)


def _completed(cls: Any, frozen: bool, slots: bool, eq: bool, shown: bool) -> Any:
    every = {}
    for base in reversed(cls.__mro__):
        every.update(base.__dict__.get("__record_fields__", ()))
    own = _own_fields(cls)
    every.update(own)
    if slots:
        cls = _with_slots(cls, own)
    given = cls.__dict__
    cls.__record_fields__ = every
    cls.__dataclass_fields__ = _STANDARD
    cls.__match_args__ = tuple(every)
    if "__init__" not in given:
        cls.__init__ = _first_initializer(cls, every, frozen)
    if shown and "__repr__" not in given:
        cls.__repr__ = _representation
    if eq and "__eq__" not in given:
        _let_compare(cls, every, frozen)
    if frozen:
        cls.__setattr__, cls.__delattr__ = _refuse_to_set, _refuse_to_delete
    return cls


def _own_fields(cls: Any) -> dict[str, Field]:
    found = {}
    for name in cls.__annotations__ if "__annotations__" in cls.__dict__ else ():
        one = cls.__dict__.get(name, _MISSING)
        if not isinstance(one, Field):
            one = Field(one)
        elif one.default is not _MISSING:
            setattr(cls, name, one.default)
        else:
            delattr(cls, name)
        one.name = name
        found[name] = one
    return found


def _with_slots(cls: Any, own: dict[str, Field]) -> Any:
    """Slots are made with a class, so it is made once more."""
    content = {name: value for name, value in cls.__dict__.items() if name not in own}
    content.pop("__dict__", None)
    content.pop("__weakref__", None)
    content["__slots__"] = tuple(own)
    made = type(cls)(cls.__name__, cls.__bases__, content)
    made.__qualname__ = cls.__qualname__
    return made


def _first_initializer(cls: Any, every: dict[str, Field], frozen: bool) -> Any:
    """Compiles the real `__init__` when the first instance is made: most classes have none before the first echo."""

    def __init__(self: Any, /, *values: Any, **named: Any) -> None:  # noqa: N807
        real = _initializer(cls, every, frozen)
        if cls.__dict__.get("__init__") is __init__:
            cls.__init__ = real
        real(self, *values, **named)

    return __init__


def _initializer(cls: Any, every: dict[str, Field], frozen: bool) -> Any:
    """`__init__` as one compiled function; a frozen instance is filled past its own `__setattr__`."""
    known = {"_set": object.__setattr__}
    arguments, lines = ["self"], []
    for name, one in every.items():
        value = name
        if one.factory is not _MISSING:
            known[f"_make_{name}"], known["_missing"] = one.factory, _MISSING
            arguments.append(f"{name}=_missing")
            value = f"_make_{name}() if {name} is _missing else {name}"
        elif one.default is not _MISSING:
            known[f"_default_{name}"] = one.default
            arguments.append(f"{name}=_default_{name}")
        else:
            arguments.append(name)
        lines.append(f" _set(self, {name!r}, {value})" if frozen else f" self.{name} = {value}")
    source = f"def __init__({', '.join(arguments)}):\n" + ("\n".join(lines) or " pass")
    exec(source, known)  # noqa: S102 - the names of our own fields, as the standard module does it
    made = known["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    return made


def _let_compare(cls: Any, every: dict[str, Field], frozen: bool) -> None:
    names = [name for name, one in every.items() if one.compare]
    values = attrgetter(*names) if names else lambda _: ()

    def same(self: Any, other: object) -> Any:
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    cls.__eq__ = same
    cls.__hash__ = (lambda self: hash(values(self))) if frozen else None


def _representation(self: Any) -> str:
    shown = (f"{name}={getattr(self, name)!r}" for name, one in self.__record_fields__.items() if one.repr)
    return f"{self.__class__.__qualname__}({', '.join(shown)})"


def _refuse_to_set(_: object, name: str, __: object) -> NoReturn:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(_: object, name: str) -> NoReturn:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot delete field {name!r}")


class _StandardFields:
    """The fields as the standard module has them, made when it asks."""

    def __get__(self, record: object, cls: Any) -> dict[str, Any]:
        import dataclasses

        made = []
        for one in fields(cls):
            said = {"repr": one.repr, "compare": one.compare, "metadata": one.metadata}
            if one.factory is not _MISSING:
                said["default_factory"] = one.factory
            elif one.default is not _MISSING:
                said["default"] = one.default
            made.append((one.name, object, dataclasses.field(**said)))
        return dataclasses.make_dataclass(cls.__name__, made).__dataclass_fields__


_STANDARD = _StandardFields()
