"""The Docker engine: carries out compose files through the Docker SDK.

The low-level client is used throughout, because the high-level one inspects every container it lists.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import docker
from docker.errors import APIError, DockerException, NotFound
from docker.tls import TLSConfig

from conquestctl.engine import container_list, docker_exec, images, labels, networks, own_networks
from conquestctl.engine.base import Captured, Observed, PublishedPort
from conquestctl.engine.compose import ComposeStack, read_stack
from conquestctl.engine.container_config import ContainerSpec, container_specs, spec_hash, with_spec
from conquestctl.engine.docker_errors import from_api, image_missing, reason, taken_port, translated
from conquestctl.engine.endpoint import Endpoint
from conquestctl.engine.health import wait_healthy
from conquestctl.engine.holder import port_holder
from conquestctl.errors import ConflictError, ConquestError, EngineError, NotFoundError
from conquestctl.fleet.instance import Instance
from conquestctl.fleet.subnet import DEFAULT_POOL

INSTEAD = "instead"
"""In the place of the hash of what a container is made from: nothing is ever up to date with it."""
CONNECT_SECONDS = 10
CALL_SECONDS = 120
"""An engine that starts sixty containers at once is slow to answer and not broken."""
POOL = 32


def connect(endpoint: Endpoint) -> docker.APIClient:
    """A client that has spoken with the engine. Raises `EngineError` when what listens there is no Docker engine."""
    tls = _tls(endpoint)
    try:
        client = docker.APIClient(
            base_url=endpoint.url,
            version="auto",
            timeout=CONNECT_SECONDS,
            tls=tls or False,
            max_pool_size=POOL,
            use_ssh_client=endpoint.url.startswith("ssh://"),
        )
    except (DockerException, OSError, ValueError) as error:
        raise EngineError(
            f"what answers at {endpoint} does not talk like a Docker engine: {error}",
            hint="`docker version` shows what Docker's own command line makes of it.",
        ) from error
    client.timeout = CALL_SECONDS
    return client


def _tls(endpoint: Endpoint) -> TLSConfig | None:
    if endpoint.certificates is None:
        return None
    folder = endpoint.certificates
    pair = (str(folder / "cert.pem"), str(folder / "key.pem"))
    return TLSConfig(
        client_cert=pair if os.path.exists(pair[0]) else None,  # noqa: PTH110 -- false where we may not look
        ca_cert=str(folder / "ca.pem") if endpoint.verify else None,
        verify=endpoint.verify,
    )


class DockerEngine:
    """`Engine` over one client; safe from several threads."""

    name = "docker"

    def __init__(
        self,
        client: docker.APIClient,
        environ: Mapping[str, str],
        report: Callable[[str], None] = lambda _line: None,
        *,
        may_pull: bool = False,
    ) -> None:
        self.client = client
        self.report = report
        """Takes the lines of an image build."""
        self.may_pull = may_pull
        """Whether `prepare` may fetch images; nothing leaves this machine unless asked."""
        self._environ = environ
        self._pool = environ.get("CONQUESTCTL_POOL") or DEFAULT_POOL
        self._image_ids: dict[str, str] = {}
        self._made: dict[str, dict[str, str]] = {}
        """Containers made and not yet started, by project and service: `start` need not ask for those."""

    def prepare(self, instances: Sequence[Instance]) -> None:
        """Networks and images. Ours is built when it is missing or its sources changed; others must be there."""
        self.ensure_networks(instances)
        source = images.Source.of_environ(self._environ, may_pull=self.may_pull)
        for image in dict.fromkeys(instance.image for instance in instances):
            with translated():
                images.ensure(self.client, image, source, self.report)
        self._image_ids.clear()

    def ensure_networks(self, instances: Sequence[Instance]) -> None:
        """Make the networks that the instances share, unless they are there."""
        roots = {instance.network: instance for instance in instances}
        for name, instance in roots.items():
            wanted = networks.Wanted(name, instance.settings.get("FLEET_SUBNET", ""), self._pool)
            networks.ensure(self.client, wanted, instance.folder.parent)

    def missing_images(self, names: Iterable[str]) -> list[str]:
        """Those of the images that the engine does not have."""
        with translated():
            return [name for name in sorted(names) if not images.exists(self.client, name)]

    def remove_networks(self, instances: Sequence[Instance]) -> None:
        """Remove the networks that the instances share. Raises `EngineError` while a container is in one."""
        for name in {instance.network for instance in instances}:
            networks.remove(self.client, name)

    def observe(self, instances: Sequence[Instance]) -> dict[str, Observed]:
        """One listing call, however many instances there are."""
        with translated():
            summaries = self.client.containers(all=True, filters={"label": [labels.PROJECT]})
        return container_list.observe(instances, summaries)

    def spec_hash(self, instance: Instance) -> str:
        """Hash over the compose file as it is filled in now, and over the image behind its name."""
        return self._hash(instance, container_specs(instance, read_stack(instance)))

    def create(self, instance: Instance) -> None:
        """Make every container of the stack and its own networks. One that fails takes back those made before it."""
        specs = container_specs(instance, read_stack(instance))
        self._made[instance.project] = self._create_all(instance, specs, self._hash(instance, specs))

    def _create_all(self, instance: Instance, specs: Sequence[ContainerSpec], digest: str) -> dict[str, str]:
        made: dict[str, str] = {}
        own = [network for spec in specs for network in spec.own_networks]
        try:
            own_networks.ensure(self.client, instance, own, self._pool)
            for spec in specs:
                made[spec.service] = self._create(instance, spec, digest)
        except BaseException:
            for container in made.values():
                with translated(instance.name):
                    self.client.remove_container(container, force=True)
            if own:
                own_networks.remove(self.client, instance)
            raise
        return made

    def start(self, instance: Instance) -> None:
        """Start the containers of the stack in their order; one that somebody removed from a stack is made again.

        One that needs another to be healthy waits for that. Raises `ConflictError` when a port is taken,
        `NotFoundError` when there is no container at all, and what the wait for another raises.
        """
        present = self._made.pop(instance.project, None) or self._services(instance)
        if not present:
            raise NotFoundError(f"{instance.name} has no container", hint=_up(instance), instance=instance.name)
        specs = container_specs(instance, read_stack(instance))
        for spec in specs:
            if spec.service not in present:
                own_networks.ensure(self.client, instance, spec.own_networks, self._pool)
                present[spec.service] = self._create(instance, spec, self._hash(instance, specs))
            self._start_after(instance, spec, present)

    def _start_after(self, instance: Instance, spec: ContainerSpec, present: Mapping[str, str]) -> None:
        for needed in spec.healthy_first:
            wait_healthy(self.client, present[needed], needed, instance.name)
        self._start(instance, present[spec.service])

    def run_instead(self, instance: Instance, stack: ComposeStack) -> Iterator[bytes]:
        """Run another stack where the instance's own would be, and give what its server's container writes.

        All of it is gone when that has ended, or nobody wants to hear more. Its containers have the names of the
        instance's own: whoever starts the instance meanwhile meets them, and what a kill leaves goes with the next
        `up` or `down`.
        """
        specs = container_specs(instance, stack)
        self.remove(instance)
        try:
            # The server's first: it is what others take for the instance.
            made = self._create_all(instance, specs[::-1], INSTEAD)
            for spec in specs:
                self._start_after(instance, spec, made)
            yield from self.logs(instance, follow=True)
        finally:
            self.stop(instance)
            self.remove(instance)

    def stop(self, instance: Instance, timeout: float | None = None) -> None:
        """Stop every container of the stack, the server's first. Each knows its `stop_grace_period` itself."""
        seconds = None if timeout is None else max(0, round(timeout))
        main = self._main(instance)
        for summary in sorted(self._stack(instance), key=lambda one: main is None or one["Id"] != main["Id"]):
            with translated(instance.name), _absent_is_fine():
                self.client.stop(summary["Id"], timeout=seconds)

    def remove(self, instance: Instance) -> None:
        """Remove the stopped containers of the stack and the networks that are its own. Volumes stay."""
        self._made.pop(instance.project, None)
        stack = self._stack(instance)
        for summary in stack:
            with translated(instance.name), _absent_is_fine():
                self.client.remove_container(summary["Id"])
        if instance.has_server or any(container_list.networks_of(one) - {instance.network} for one in stack):
            own_networks.remove(self.client, instance)

    def logs(self, instance: Instance, *, tail: int | None = None, follow: bool = False) -> Iterator[bytes]:
        """Output of the server's container. Raises `NotFoundError` when there is none."""
        container = self._existing(instance)
        with translated(instance.name):
            chunks: Any = self.client.logs(container, stream=True, follow=follow, tail="all" if tail is None else tail)
        return _guarded(chunks, instance.name)

    def execute(self, instance: Instance, command: Sequence[str]) -> int:
        """Run in the server's container. Raises `EngineError` when it does not run."""
        container = self._existing(instance)
        with _running(instance):
            return docker_exec.run(self.client, container, command)

    def capture(self, instance: Instance, command: Sequence[str]) -> Captured:
        """Run in the server's container and keep what it writes. Raises `EngineError` when it does not run."""
        container = self._existing(instance)
        with _running(instance):
            return docker_exec.capture(self.client, container, command)

    def published_ports(self) -> list[PublishedPort]:
        """Host ports of all containers on the engine, whoever made them: one listing call."""
        with translated():
            return container_list.published(self.client.containers(all=True))

    def _hash(self, instance: Instance, specs: list[ContainerSpec]) -> str:
        with translated(instance.name):
            return spec_hash(specs, {spec.image: self._image_id(spec.image) for spec in specs})

    def _image_id(self, image: str) -> str:
        """Asked once per image: a fleet of sixty shares one."""
        if image not in self._image_ids:
            self._image_ids[image] = images.image_id(self.client, image)
        return self._image_ids[image]

    def _create(self, instance: Instance, spec: ContainerSpec, digest: str) -> str:
        if not self._image_id(spec.image):
            raise image_missing(spec.image, instance.name)
        with translated(instance.name):
            body = with_spec(spec, digest)
            made = self.client.create_container_from_config(body, spec.name)  # type: ignore[no-untyped-call]
            for network, aliases in spec.further_networks.items():
                self.client.connect_container_to_network(made["Id"], network, aliases=list(aliases))
        return str(made["Id"])

    def _start(self, instance: Instance, container: str) -> None:
        with translated(instance.name):
            try:
                self.client.start(container)
            except APIError as error:
                raise self._not_started(instance, error) from error

    def _not_started(self, instance: Instance, error: APIError) -> ConquestError:
        taken = taken_port(error)
        if taken is None:
            return from_api(error, instance.name)
        owners = [one.owner for one in self.published_ports() if one.port == taken[1]]
        others = [owner for owner in owners if owner != f"container {instance.project}"]
        by = others[0] if others else port_holder(taken[1]) or "another program on the engine's machine"
        return ConflictError(
            f"port {taken[1]} on {taken[0]} is taken by {by}",
            hint=f"Stop that, or choose another: conquestctl set {instance.name} PORT={taken[1] + 1}",
            instance=instance.name,
        )

    def _stack(self, instance: Instance) -> list[dict[str, Any]]:
        """Every container of the instance's project, one-off ones left out."""
        with translated(instance.name):
            found = self.client.containers(all=True, filters={"label": [f"{labels.PROJECT}={instance.project}"]})
        return [one for one in found if not labels.is_one_off(container_list.labels_of(one))]

    def _services(self, instance: Instance) -> dict[str, str]:
        """Ids of the containers of the stack by their service."""
        return {container_list.labels_of(one).get(labels.SERVICE, ""): one["Id"] for one in self._stack(instance)}

    def _main(self, instance: Instance) -> container_list.Summary | None:
        return container_list.main_container(instance, self._stack(instance))

    def _existing(self, instance: Instance) -> str:
        found = self._main(instance)
        if found is None:
            raise NotFoundError(f"{instance.name} has no container", hint=_up(instance), instance=instance.name)
        return str(found["Id"])


class _absent_is_fine:  # noqa: N801 -- reads as a word in a `with` line
    """Swallow exactly "no such container" and "already being removed": somebody else was faster."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if isinstance(error, NotFound):
            return True
        return isinstance(error, APIError) and error.status_code == 409 and "already in progress" in reason(error)


@contextmanager
def _running(instance: Instance) -> Iterator[None]:
    """Say in our words that the container does not run. Raises `EngineError`."""
    try:
        with translated(instance.name):
            yield
    except EngineError as error:
        if "is not running" not in error.message:
            raise
        message = f"{instance.name} is not running"
        raise EngineError(message, hint=_up(instance), instance=instance.name) from error


def _guarded(chunks: Iterator[bytes], instance: str) -> Iterator[bytes]:
    with translated(instance):
        yield from chunks


def _up(instance: Instance) -> str:
    return f"conquestctl up {instance.name}"
