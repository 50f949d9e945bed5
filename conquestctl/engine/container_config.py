"""From a service of the compose file to what the engine's `POST /containers/create` takes. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from conquestctl.engine import labels
from conquestctl.engine.compose import Bind, ComposeStack, Healthcheck, Port, Service
from conquestctl.engine.composetop import Network
from conquestctl.fleet.instance import Instance

Json = dict[str, object]

FORMAT = "1"
"""Goes into the hash; raise it when the same compose file must lead to a different container."""


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """One container to make: its name, the request body, and networks to join after it is made."""

    service: str
    name: str
    image: str
    config: Json
    further_networks: Mapping[str, tuple[str, ...]]
    """Name of the network -> aliases. The engine takes one network at creation; the others are joined before start."""
    own_networks: tuple[Network, ...] = ()
    """Those of its networks that come and go with the stack."""
    healthy_first: tuple[str, ...] = ()
    """Services of the stack that must be healthy before it is started."""


def container_specs(instance: Instance, stack: ComposeStack) -> list[ContainerSpec]:
    """Every container of a stack, in the order they are to start."""
    return [_container_spec(instance, stack, service) for service in stack.ordered()]


def spec_hash(specs: list[ContainerSpec], image_ids: Mapping[str, str]) -> str:
    """Hash of all that matters about a stack: the same for the same content, whatever its order in the file.

    `image_ids` are the engine's ids by image name, so that a rebuilt image counts as a change.
    """
    content = [
        FORMAT,
        *([s.name, s.config, dict(s.further_networks), image_ids.get(s.image, "")] for s in specs),
        # Nothing at all for a stack without: what already runs goes on as it is.
        *([network.name, network.subnet, network.internal] for s in specs for network in s.own_networks),
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def with_spec(spec: ContainerSpec, digest: str) -> Json:
    """The request body, labelled with the hash."""
    own = spec.config["Labels"]
    if not isinstance(own, dict):
        raise TypeError("labels are a mapping")
    return {**spec.config, "Labels": {**own, **labels.spec_labels(digest)}}


def _container_spec(instance: Instance, stack: ComposeStack, service: Service) -> ContainerSpec:
    aliases = {stack.networks[key].name: (service.name, *more) for key, more in service.networks.items()}
    first, *others = aliases or [service.network_mode]
    config: Json = {
        "Image": service.image,
        "Hostname": service.hostname,
        "User": service.user,
        "WorkingDir": service.working_dir,
        "Env": _environment(service.environment, instance.settings),
        "Labels": _labels(instance, service),
        "Tty": service.tty,
        "OpenStdin": service.stdin_open,
        "ExposedPorts": {_inside(port): {} for port in service.ports},
        "HostConfig": _host_config(service, first, _secret_binds(stack, service)),
    }
    if aliases:
        config["NetworkingConfig"] = {"EndpointsConfig": {first: {"Aliases": list(aliases[first])}}}
    optional: Json = {
        "Cmd": None if service.command is None else list(service.command),
        "Entrypoint": None if service.entrypoint is None else list(service.entrypoint),
        "StopSignal": service.stop_signal or None,
        "StopTimeout": None if service.stop_grace_period is None else -(-service.stop_grace_period // 10**9),
        "Healthcheck": None if service.healthcheck is None else _healthcheck(service.healthcheck),
    }
    config |= {key: value for key, value in optional.items() if value is not None}
    name = service.container_name or f"{instance.project}_{service.name}_1"
    own = tuple(network for key in service.networks if (network := stack.networks[key]).own)
    further = {other: aliases[other] for other in others}
    return ContainerSpec(service.name, name, service.image, config, further, own, service.healthy_first)


def _secret_binds(stack: ComposeStack, service: Service) -> tuple[Bind, ...]:
    """A secret is a file of the host, seen read-only; its content goes into no configuration."""
    return tuple(Bind(stack.secrets[one.source], one.target, read_only=True) for one in service.secrets)


def _environment(pairs: Mapping[str, str | None], settings: Mapping[str, str]) -> list[str]:
    """`KEY=value`; a key without value takes it from `.env`, and is left out when it is not there either."""
    filled = {key: settings.get(key) if value is None else value for key, value in pairs.items()}
    return sorted(f"{key}={value}" for key, value in filled.items() if value is not None)


def _labels(instance: Instance, service: Service) -> dict[str, str]:
    own = {key: value or "" for key, value in service.labels.items()}
    taken = [Port(instance.bind, instance.port, instance.port)] if service.network_mode else service.ports
    published = ",".join(_outside(port) for port in taken)
    return own | labels.stack_labels(instance, service.name) | {labels.PUBLISHED: published}


def _outside(port: Port) -> str:
    address = port.host_ip or "0.0.0.0"
    return f"[{address}]:{port.host_port}" if ":" in address else f"{address}:{port.host_port}"


def _inside(port: Port) -> str:
    return f"{port.container_port}/{port.protocol}"


def _host_config(service: Service, network: str, secrets: tuple[Bind, ...]) -> Json:
    config: Json = {
        "NetworkMode": network,
        "Init": service.init,
        "ReadonlyRootfs": service.read_only,
        "Privileged": service.privileged,
        "CapAdd": list(service.cap_add),
        "CapDrop": list(service.cap_drop),
        "SecurityOpt": list(service.security_opt),
        "GroupAdd": list(service.group_add),
        "Dns": list(service.dns),
        "Sysctls": {key: value or "" for key, value in service.sysctls.items()},
        "ExtraHosts": sorted(f"{host}:{address or ''}" for host, address in service.extra_hosts.items()),
        "Tmpfs": {target: options for target, _, options in (entry.partition(":") for entry in service.tmpfs)},
        "Mounts": [_mount(bind) for bind in (*service.volumes, *secrets)],
        "PortBindings": _port_bindings(service.ports),
        "RestartPolicy": _restart_policy(service.restart),
    }
    optional: Json = {
        "PidsLimit": service.pids_limit,
        "Memory": service.mem_limit,
        "ShmSize": service.shm_size,
        "NanoCpus": None if service.cpus is None else round(service.cpus * 10**9),
        "LogConfig": {"Type": service.log_driver, "Config": dict(service.log_options)} if service.log_driver else None,
    }
    return config | {key: value for key, value in optional.items() if value is not None}


def _mount(bind: Bind) -> Json:
    """A mount, not a `Binds` entry: for a missing folder the engine then complains instead of making one as root."""
    return {"Type": "bind", "Source": str(bind.source), "Target": bind.target, "ReadOnly": bind.read_only}


def _port_bindings(ports: tuple[Port, ...]) -> dict[str, list[dict[str, str]]]:
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in ports:
        bindings.setdefault(_inside(port), []).append({"HostIp": port.host_ip, "HostPort": str(port.host_port)})
    return bindings


def _restart_policy(policy: str) -> Json:
    name, _, count = policy.partition(":")
    return {"Name": name, "MaximumRetryCount": int(count or 0)}


def _healthcheck(check: Healthcheck) -> Json:
    return {
        "Test": list(check.test),
        "Interval": check.interval,
        "Timeout": check.timeout,
        "StartPeriod": check.start_period,
        "Retries": check.retries,
    }
