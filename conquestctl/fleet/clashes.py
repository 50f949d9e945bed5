"""What two instances may not share. `create` and `set` prevent it; an editor and `cp -r` do not. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from conquestctl.fleet.instance import Instance


@dataclass(frozen=True, slots=True)
class Clash:
    """Several instances with the same value where each needs its own."""

    what: str
    value: str
    instances: tuple[str, ...]

    @property
    def message(self) -> str:
        """The clash as a sentence."""
        return f"{' and '.join(self.instances)} have the same {self.what}, {self.value}"


_EACH_ITS_OWN: Mapping[str, Callable[[Instance], str]] = {
    "port": lambda instance: str(instance.port),
    "AE title": lambda instance: instance.ae_title,
    "COMPOSE_PROJECT_NAME (a copied folder?)": lambda instance: instance.project,
}


def clashes(instances: Sequence[Instance]) -> list[Clash]:
    """Return every value that more than one instance claims."""
    return [
        Clash(what, value, tuple(names))
        for what, value_of in _EACH_ITS_OWN.items()
        for value, names in _claims(instances, value_of).items()
        if len(names) > 1
    ]


def _claims(instances: Iterable[Instance], value_of: Callable[[Instance], str]) -> dict[str, list[str]]:
    claims = defaultdict(list)
    for instance in instances:
        claims[value_of(instance)].append(instance.name)
    return claims
