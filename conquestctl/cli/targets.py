"""Which DICOM nodes a command means: instances by name or glob, and any node by its address."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from conquestctl.cli.session import Session
from conquestctl.dicom.target import EchoTarget, parse_target
from conquestctl.errors import UsageError

if TYPE_CHECKING:
    from conquestctl.fleet.instance import Instance
    from conquestctl.fleet.scan import Broken


def choose(session: Session, words: Sequence[str], every: bool) -> tuple[list[EchoTarget], list[Broken]]:
    """Return the nodes meant, each once, in the order asked for, and the folders among them that cannot be read.

    No word means the whole fleet. Raises `NotFoundError` for a name that nobody has and for an empty fleet,
    `InvalidError` for what is no address, `UsageError` for words together with `every`.
    """
    if every and words:
        raise UsageError("both names and --all were given", hint="Leave one of them out.")
    if words and all(is_address(word) for word in words):
        return list(dict.fromkeys(map(parse_target, words))), []  # needs no fleet
    fleet = session.fleet()
    found: dict[EchoTarget, None] = {}
    for word in words or ["*"]:
        nodes = [parse_target(word)] if is_address(word) else map(node_of, fleet.select([word]))
        found.update(dict.fromkeys(nodes))
    return list(found), fleet.broken_among(words, all_=not words)


def choose_one(session: Session, word: str) -> EchoTarget:
    """Return the one node meant. Raises `NotFoundError` or `InvalidError` when it is none."""
    return parse_target(word) if is_address(word) else node_of(session.fleet().get(word))


def is_address(word: str) -> bool:
    """Whether a word is meant as `AET@HOST:PORT`; no instance's name holds an @."""
    return "@" in word


def node_of(instance: Instance) -> EchoTarget:
    """Return the DICOM node an instance is, as this machine reaches it."""
    return EchoTarget(instance.name, instance.ae_title, instance.host, instance.port)
