"""The top level of a compose file beside its services: networks, and secrets that are files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from conquestctl.engine.composefield import Field
from conquestctl.errors import InvalidError

RUNS_IT = "`docker compose up` in that folder still runs it; conquestctl carries out the keys in docs/compose.md only."
SECRETS_FOLDER = "/run/secrets"
"""Where a service finds its secrets when it does not say where it wants them."""


@dataclass(frozen=True, slots=True)
class Network:
    """A network of the file: the fleet's, which is made elsewhere, or the stack's own."""

    key: str
    name: str
    subnet: str = ""
    """Of the stack's own network; empty for an external one."""
    internal: bool = False
    """Without a way out of it."""

    @property
    def own(self) -> bool:
        """Whether it comes and goes with the stack."""
        return bool(self.subnet)


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret that a service is given: its name in the file, and where in the container it is found."""

    source: str
    target: str


def unsupported(key: str, entry: Field) -> InvalidError:
    """The error for a key that is not carried out."""
    return entry.error(f"conquestctl does not carry out the key `{key}`", hint=RUNS_IT)


def only(entry: Field, keys: set[str]) -> dict[str, Field]:
    """The keys of a mapping. Raises `InvalidError` for one that is none of these."""
    parts = entry.items()
    for key, part in parts.items():
        if key not in keys:
            raise unsupported(key, part)
    return parts


def network(key: str, entry: Field, values: Mapping[str, str]) -> Network:
    """An external network, or one of the stack's own with its subnet; `values` is `.env`. Raises `InvalidError`."""
    parts = only(entry, {"external", "name", "internal", "ipam"})
    external = "external" in parts and parts["external"].boolean()
    if external:
        only(entry, {"external", "name"})
        return Network(key, parts["name"].text() if "name" in parts else key)
    if "ipam" not in parts:
        why = "a network needs `external: true`, or a subnet of its own: Docker's address pools have room for thirty"
        raise entry.error(why, hint=RUNS_IT)
    default = f"{values.get('COMPOSE_PROJECT_NAME', '')}_{key}"
    name = parts["name"].text() if "name" in parts else default
    internal = "internal" in parts and parts["internal"].boolean()
    return Network(key, name, _subnet(parts["ipam"]), internal)


def _subnet(entry: Field) -> str:
    """The one subnet of `ipam`."""
    parts = only(entry, {"config"})
    configs = parts["config"].elements() if "config" in parts else []
    if len(configs) != 1 or "subnet" not in (fields := only(configs[0], {"subnet"})):
        raise entry.error("must have one entry under `config`, with a `subnet`", hint=RUNS_IT)
    text = fields["subnet"].text()
    try:
        return str(IPv4Network(text.strip()))
    except ValueError as error:
        raise fields["subnet"].error(f"not a subnet: {error}") from None


def secret_file(entry: Field) -> Path:
    """The file of a secret, relative to the compose file. Raises `InvalidError`."""
    parts = only(entry, {"file"})
    if "file" not in parts:
        raise entry.error("only secrets with a `file` are carried out", hint=RUNS_IT)
    return entry.source.file.parent / Path(parts["file"].text()).expanduser()


def secrets_of(entry: Field) -> tuple[Secret, ...]:
    """The secrets of a service: names, or `source` and `target`."""
    return tuple(_secret(element) for element in entry.elements())


def _secret(element: Field) -> Secret:
    if element.is_scalar():
        return Secret(element.text(), f"{SECRETS_FOLDER}/{element.text()}")
    parts = only(element, {"source", "target"})
    if "source" not in parts:
        raise element.error("a secret needs a `source`")
    source = parts["source"].text()
    target = parts["target"].text() if "target" in parts else source
    return Secret(source, target if target.startswith("/") else f"{SECRETS_FOLDER}/{target}")
