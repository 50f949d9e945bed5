"""One value of a compose file together with where it stands, so that every complaint names file and line."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from yaml.constructor import SafeConstructor

from conquestctl.engine.interpolate import InterpolationError, interpolate
from conquestctl.errors import InvalidError

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_TRUE, _FALSE = {"y", "yes", "true", "on"}, {"n", "no", "false", "off"}
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?(?:(\d+)us)?")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([bkmgt]?)i?b?", re.IGNORECASE)
_NANOSECONDS = (3600 * 10**9, 60 * 10**9, 10**9, 10**6, 10**3)


@dataclass(frozen=True, slots=True)
class Source:
    """The file being read and what `${X}` in it means."""

    file: Path
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Field:
    """A node of the file under its dotted path (`services.ct1.ports`). Readers raise `InvalidError` naming the line."""

    source: Source
    path: str
    node: yaml.Node

    def error(self, why: str, *, hint: str = "") -> InvalidError:
        """An error that says where this value stands."""
        line = self.node.start_mark.line + 1
        where = f"{self.path}: " if self.path else ""
        return InvalidError(f"{self.source.file}:{line}: {where}{why}", hint=hint)

    def is_null(self) -> bool:
        """Nothing was written after the key."""
        return bool(self.node.tag == f"{_TAG}null")

    def items(self) -> dict[str, Field]:
        """The keys of a mapping in the order of the file; `<<` is merged, a key given twice is an error."""
        if self.is_null():
            return {}
        if not isinstance(self.node, yaml.MappingNode):
            raise self.error("must be a list of `key: value` lines")
        entries = self._entries(self.node, ())
        return {key: self._child(f"{self.path}.{key}".lstrip("."), node) for key, node in entries.items()}

    def elements(self) -> list[Field]:
        """The entries of a list."""
        if self.is_null():
            return []
        if not isinstance(self.node, yaml.SequenceNode):
            raise self.error("must be a list, one `- entry` per line")
        return [self._child(self.path, node) for node in self.node.value]

    def is_list(self) -> bool:
        """It is a list, not a mapping or a single value."""
        return isinstance(self.node, yaml.SequenceNode)

    def is_scalar(self) -> bool:
        """It is a single value."""
        return isinstance(self.node, yaml.ScalarNode)

    def text(self) -> str:
        """A single value as text, `${X}` filled in."""
        if not isinstance(self.node, yaml.ScalarNode) or self.is_null():
            raise self.error("must be a single value")
        if self.node.tag == f"{_TAG}int":  # 0x10, 010 and 1_000 mean what YAML says they mean
            return str(SafeConstructor().construct_yaml_int(self.node))
        if self.node.tag not in {f"{_TAG}{kind}" for kind in ("str", "float", "bool", "timestamp")}:
            raise self.error(f"the YAML tag {self.node.tag} is not understood")
        try:
            return interpolate(str(self.node.value), self.source.values)
        except InterpolationError as error:
            raise self.error(str(error)) from None

    def boolean(self) -> bool:
        """`true` or `false` in the spellings that docker-compose takes."""
        word = self.text().lower()
        if word not in _TRUE | _FALSE:
            raise self.error(f"must be true or false, not {word!r}")
        return word in _TRUE

    def integer(self) -> int:
        """A whole number."""
        text = self.text()
        try:
            return int(text, 0)
        except ValueError:
            raise self.error(f"must be a whole number, not {text!r}") from None

    def number(self) -> float:
        """A number that is not negative."""
        text = self.text()
        if not re.fullmatch(r"\d+(\.\d+)?|\.\d+", text):
            raise self.error(f"must be a number, not {text!r}")
        return float(text)

    def duration(self) -> int:
        """`1m30s` and the like, in nanoseconds."""
        text = self.text()
        match = _DURATION.fullmatch(text)
        if not text or match is None:
            raise self.error(f"must be a duration like 30s or 1m30s, not {text!r}")
        return sum(round(float(part) * unit) for part, unit in zip(match.groups(), _NANOSECONDS, strict=True) if part)

    def size(self) -> int:
        """`512m` and the like, in bytes."""
        text = self.text()
        match = _SIZE.fullmatch(text.strip())
        if match is None:
            raise self.error(f"must be a size like 512m or 2g, not {text!r}")
        return int(float(match[1]) * 1024 ** ("bkmgt".index(match[2].lower()) if match[2] else 0))

    def texts(self) -> tuple[str, ...]:
        """A list of single values."""
        return tuple(element.text() for element in self.elements())

    def one_or_many(self) -> tuple[str, ...]:
        """A single value or a list of them."""
        return (self.text(),) if self.is_scalar() and not self.is_null() else self.texts()

    def words(self) -> tuple[str, ...] | None:
        """A command: a list as it is, a string split as a shell would split it. None when left empty."""
        if self.is_null():
            return None
        if self.is_list():
            return self.texts()
        try:
            return tuple(shlex.split(self.text()))
        except ValueError as error:
            raise self.error(f"cannot be split into words: {error}") from None

    def pairs(self, separator: str = "=") -> dict[str, str | None]:
        """`KEY=value` entries or a mapping; a key without value gives None."""
        if not self.is_list():
            return {key: None if field.is_null() else field.text() for key, field in self.items().items()}
        split = [element.text().partition(separator) for element in self.elements()]
        return {key.strip(): value if found else None for key, found, value in split}

    def _child(self, path: str, node: yaml.Node) -> Field:
        return Field(self.source, path, node)

    def _entries(self, node: yaml.MappingNode, around: tuple[yaml.Node, ...]) -> dict[str, yaml.Node]:
        """Key -> value; what `<<` brings in is overridden by the mapping's own keys."""
        merged: dict[str, yaml.Node] = {}
        own: dict[str, yaml.Node] = {}
        for key, value in node.value:
            here = self._child(self.path, key)
            if not isinstance(key, yaml.ScalarNode):
                raise here.error("a key must be a single word")
            if key.tag == f"{_TAG}merge":
                merged |= self._merged(value, (*around, node))
            elif key.value in own:
                raise here.error(f"the key {key.value!r} is given twice")
            else:
                own[key.value] = value
        return merged | own

    def _merged(self, value: yaml.Node, around: tuple[yaml.Node, ...]) -> dict[str, yaml.Node]:
        sources = value.value if isinstance(value, yaml.SequenceNode) else [value]
        merged: dict[str, yaml.Node] = {}
        for source in reversed(sources):  # the first of several wins
            if not isinstance(source, yaml.MappingNode) or source in around:
                raise self._child(self.path, value).error("`<<` must name another mapping")
            merged |= self._entries(source, around)
        return merged


def parse(file: Path, text: str, values: Mapping[str, str]) -> Field:
    """The whole file as one field. Raises `InvalidError` with file and line when it is not YAML."""
    try:
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise InvalidError(f"{file}:{line}: not valid YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise InvalidError(f"{file}: not valid YAML: {_first_line(error)}") from None
    if node is None:
        raise InvalidError(f"{file}: the file is empty")
    return Field(Source(file, values), "", node)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
