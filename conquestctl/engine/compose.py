"""The compose file of an instance as frozen values: what a person reads there is what the engine carries out.

Only `.env` fills in `${X}`; the shell's own variables do not, so that the folder alone decides what runs. A key that is
not in the tables below is an error rather than a setting silently left out.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from conquestctl.engine.composecheck import check_host_network, check_references, check_somebody_is_there, refuse_circle
from conquestctl.engine.composefield import Field, parse
from conquestctl.engine.composetop import RUNS_IT, Network, Secret, network, only, secret_file, secrets_of, unsupported
from conquestctl.errors import InvalidError, StorageError
from conquestctl.fleet.instance import HOST_NETWORK, Instance

_PORT = re.compile(
    r"(?:\[?(?P<ip>[0-9A-Fa-f.:]+)\]?:)?(?P<host>\d{1,5}):(?P<container>\d{1,5})(?:/(?P<protocol>tcp|udp))?"
)


@dataclass(frozen=True, slots=True)
class Port:
    """A container port published on the host."""

    host_ip: str
    host_port: int
    container_port: int
    protocol: str = "tcp"


@dataclass(frozen=True, slots=True)
class Bind:
    """A folder or file of the host seen inside the container."""

    source: Path
    target: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Healthcheck:
    """How the engine asks a container for its health; durations in nanoseconds, 0 for the image's own."""

    test: tuple[str, ...] = ()
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Service:
    """One container of a stack. What the file leaves out is None, empty, or false."""

    name: str
    image: str
    container_name: str = ""
    hostname: str = ""
    user: str = ""
    working_dir: str = ""
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    environment: Mapping[str, str | None] = field(default_factory=dict)
    labels: Mapping[str, str | None] = field(default_factory=dict)
    init: bool = False
    read_only: bool = False
    tty: bool = False
    stdin_open: bool = False
    privileged: bool = False
    tmpfs: tuple[str, ...] = ()
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = ()
    group_add: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    extra_hosts: Mapping[str, str | None] = field(default_factory=dict)
    sysctls: Mapping[str, str | None] = field(default_factory=dict)
    pids_limit: int | None = None
    mem_limit: int | None = None
    shm_size: int | None = None
    cpus: float | None = None
    restart: str = "no"
    stop_signal: str = ""
    stop_grace_period: int | None = None
    log_driver: str = ""
    log_options: Mapping[str, str | None] = field(default_factory=dict)
    ports: tuple[Port, ...] = ()
    volumes: tuple[Bind, ...] = ()
    networks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Key of the network -> further aliases in it."""
    healthcheck: Healthcheck | None = None
    depends_on: tuple[str, ...] = ()
    healthy_first: tuple[str, ...] = ()
    """Those of `depends_on` that must be healthy, and not just started, before this one."""
    secrets: tuple[Secret, ...] = ()
    network_mode: str = ""
    """`host` for the machine's own network; the service is in no other then."""


@dataclass(frozen=True, slots=True)
class ComposeStack:
    """A whole compose file."""

    services: Mapping[str, Service]
    networks: Mapping[str, Network]
    secrets: Mapping[str, Path] = field(default_factory=dict)
    """Name -> file on the host."""

    def own_networks(self) -> tuple[Network, ...]:
        """The networks that come and go with the stack."""
        return tuple(network for network in self.networks.values() if network.own)

    def ordered(self) -> tuple[Service, ...]:
        """The services, each after those that it depends on."""
        done: dict[str, Service] = {}
        for name in self.services:
            self._visit(name, done)
        return tuple(done.values())

    def _visit(self, name: str, done: dict[str, Service]) -> None:
        if name in done:
            return
        for needed in self.services[name].depends_on:
            self._visit(needed, done)
        done[name] = self.services[name]


def read_stack(instance: Instance) -> ComposeStack:
    """Read the compose file of `instance`.

    Raises `InvalidError` with file and line for anything wrong in it, `StorageError` when it cannot be read.
    """
    try:
        text = instance.compose_file.read_text(encoding="utf-8")
    except FileNotFoundError:
        hint = f"It is part of every instance: bring it back, or `conquestctl rm {instance.name}` and create it anew."
        raise InvalidError(f"{instance.compose_file} is missing.", hint=hint, instance=instance.name) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InvalidError(f"{instance.compose_file}:{line}: not UTF-8 text", instance=instance.name) from None
    except OSError as error:
        raise StorageError(f"{instance.compose_file}: {error.strerror}", instance=instance.name) from None
    try:
        return parse_stack(text, instance.compose_file, instance.settings)
    except InvalidError as error:
        error.instance = instance.name
        raise


def parse_stack(text: str, file: Path, values: Mapping[str, str]) -> ComposeStack:
    """The stack in `text`; `file` is for messages and for relative paths, `values` is `.env`. Raises `InvalidError`."""
    root = parse(file, text, values)
    top = {key: entry for key, entry in root.items().items() if not key.startswith("x-")}
    for key, entry in top.items():
        if key not in {"version", "services", "networks", "secrets"}:
            raise unsupported(key, entry)
    if "services" not in top or not top["services"].items():
        raise root.error("there is no service in it")
    networks = {key: network(key, entry, values) for key, entry in _items(top, "networks").items()}
    secrets = {key: Path(_normal(secret_file(entry))) for key, entry in _items(top, "secrets").items()}
    services = {name: _service(name, entry) for name, entry in top["services"].items().items()}
    for name, entry in top["services"].items().items():
        check_references(services[name], entry, ComposeStack(services, networks, secrets))
        check_host_network(services[name], entry, values)
    check_somebody_is_there(services, top["services"], values)
    refuse_circle(services, top["services"])
    return ComposeStack(services, networks, secrets)


def _items(fields: Mapping[str, Field], key: str) -> dict[str, Field]:
    return fields[key].items() if key in fields else {}


def _service(name: str, entry: Field) -> Service:
    values: dict[str, object] = {}
    for key, part in entry.items().items():
        if key in _SIMPLE:
            values[key] = _SIMPLE[key](part)
        elif key in _SEVERAL:
            values |= _SEVERAL[key](part)
        elif not key.startswith("x-"):
            raise unsupported(key, part)
    if not values.get("image"):
        raise entry.error("a service needs an `image`")
    return Service(name=name, **values)  # type: ignore[arg-type]


def _logging(entry: Field) -> dict[str, object]:
    parts = only(entry, {"driver", "options"})
    driver = parts["driver"].text() if "driver" in parts else "json-file"
    return {"log_driver": driver, "log_options": parts["options"].pairs() if "options" in parts else {}}


def _ports(entry: Field) -> tuple[Port, ...]:
    return tuple(_port(element) for element in entry.elements())


def _port(element: Field) -> Port:
    """`[address:]host:container[/protocol]`; ranges and ports chosen by the engine have no place in a fleet."""
    text = element.text()
    match = _PORT.fullmatch(text)
    if match is None:
        raise element.error(f"must look like 127.0.0.1:5678:5678, not {text!r}")
    host, container = int(match["host"]), int(match["container"])
    if not (0 < host < 65536 and 0 < container < 65536):
        raise element.error(f"a port lies between 1 and 65535: {text!r}")
    address = match["ip"] or ""
    if address:
        try:
            ipaddress.ip_address(address)
        except ValueError:
            raise element.error(f"{address!r} is not an IP address") from None
    return Port(address, host, container, match["protocol"] or "tcp")


def _volumes(entry: Field) -> tuple[Bind, ...]:
    return tuple(_bind(element) for element in entry.elements())


def _bind(element: Field) -> Bind:
    """`./folder:/inside[:ro]`, relative to the compose file; `~` is the home folder, as docker-compose has it."""
    text = element.text()
    source, _, rest = text.partition(":")
    target, _, mode = rest.partition(":")
    if not source.startswith((".", "/", "~")) or not target.startswith("/"):
        raise element.error(f"must look like ./folder:/inside or /folder:/inside:ro, not {text!r}", hint=RUNS_IT)
    if mode not in {"", "rw", "ro"}:
        raise element.error(f"the mode {mode!r} is not carried out, only ro and rw", hint=RUNS_IT)
    base = element.source.file.parent
    return Bind(Path(_normal(base / Path(source).expanduser())), target, mode == "ro")


def _normal(path: Path) -> str:
    """Without `.` and `..`, without following links: what the engine is told reads like what the file says."""
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and len(parts) > 1:
            parts.pop()
        elif part != "..":
            parts.append(part)
    return str(Path(*parts))


def _networks(entry: Field) -> dict[str, tuple[str, ...]]:
    if entry.is_list():
        return dict.fromkeys(entry.texts(), ())
    found: dict[str, tuple[str, ...]] = {}
    for key, options in entry.items().items():
        for name, part in options.items().items():
            if name != "aliases":
                raise unsupported(name, part)
        found[key] = tuple(alias for part in options.items().values() for alias in part.texts())
    return found


def _healthcheck(entry: Field) -> Healthcheck:
    parts = entry.items()
    readers: dict[str, Callable[[Field], object]] = {
        "test": _health_test, "interval": Field.duration, "timeout": Field.duration,
        "start_period": Field.duration, "retries": Field.integer,
    }  # fmt: skip
    if "disable" in parts and parts.pop("disable").boolean():
        return Healthcheck(test=("NONE",))
    for key, part in parts.items():
        if key not in readers:
            raise unsupported(key, part)
    return Healthcheck(**{key: readers[key](part) for key, part in parts.items()})  # type: ignore[arg-type]


def _health_test(entry: Field) -> tuple[str, ...]:
    if not entry.is_list():
        return ("CMD-SHELL", entry.text())
    words = entry.texts()
    if not words or words[0] not in {"NONE", "CMD", "CMD-SHELL"}:
        raise entry.error("a list must begin with NONE, CMD or CMD-SHELL")
    return words


def _depends_on(entry: Field) -> dict[str, object]:
    """Names of services, or a mapping that says for each whether it must be healthy."""
    if entry.is_list():
        return {"depends_on": entry.texts()}
    healthy = tuple(name for name, options in entry.items().items() if _must_be_healthy(options))
    return {"depends_on": tuple(entry.items()), "healthy_first": healthy}


def _must_be_healthy(options: Field) -> bool:
    parts = only(options, {"condition"})
    condition = parts["condition"].text() if "condition" in parts else "service_started"
    if condition not in {"service_started", "service_healthy"}:
        why = "only `condition: service_started` and `condition: service_healthy` are carried out"
        raise parts["condition"].error(why, hint=RUNS_IT)
    return condition == "service_healthy"


def _network_mode(entry: Field) -> str:
    if entry.text() != HOST_NETWORK:
        raise entry.error(f"only `network_mode: {HOST_NETWORK}` is carried out", hint=RUNS_IT)
    return HOST_NETWORK


def _restart(entry: Field) -> str:
    policy = entry.text()
    if not re.fullmatch(r"no|always|unless-stopped|on-failure(:\d+)?", policy):
        raise entry.error(f"must be no, always, unless-stopped or on-failure[:N], not {policy!r}")
    return policy


_SIMPLE: dict[str, Callable[[Field], object]] = {
    **dict.fromkeys(("image", "container_name", "hostname", "user", "working_dir", "stop_signal"), Field.text),
    **dict.fromkeys(("init", "read_only", "tty", "stdin_open", "privileged"), Field.boolean),
    **dict.fromkeys(("cap_add", "cap_drop", "security_opt", "group_add"), Field.texts),
    **dict.fromkeys(("tmpfs", "dns"), Field.one_or_many),
    **dict.fromkeys(("command", "entrypoint"), Field.words),
    **dict.fromkeys(("environment", "labels", "sysctls"), Field.pairs),
    **dict.fromkeys(("mem_limit", "shm_size"), Field.size),
    "extra_hosts": lambda entry: entry.pairs(":"),
    "pids_limit": Field.integer,
    "cpus": Field.number,
    "stop_grace_period": Field.duration,
    "restart": _restart,
    "ports": _ports,
    "volumes": _volumes,
    "networks": _networks,
    "network_mode": _network_mode,
    "healthcheck": _healthcheck,
    "secrets": secrets_of,
}  # fmt: skip
_SEVERAL: dict[str, Callable[[Field], dict[str, object]]] = {"logging": _logging, "depends_on": _depends_on}
"""Keys that say more than one thing."""
SUPPORTED_KEYS = tuple(sorted([*_SIMPLE, *_SEVERAL]))
"""What a service may contain; the documentation lists exactly these."""
