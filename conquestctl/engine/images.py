"""Our image on an engine: there or not, built from which sources, built anew, carried to a machine without network."""

from __future__ import annotations

import gzip
import io
import os
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docker.errors import APIError, ImageNotFound

from conquestctl.engine import image_context, labels
from conquestctl.engine.docker_errors import image_missing, translated
from conquestctl.engine.image_context import DEFAULT_BASE
from conquestctl.errors import ConquestError, EngineError, InvalidError, NotFoundError, StorageError
from conquestctl.fleet.settings import DEFAULT_IMAGE

if TYPE_CHECKING:
    from docker import APIClient

Report = Callable[[str], None]

LAST_LINES = 15
"""As much of a failed build's output as an error shows."""


@dataclass(frozen=True, slots=True)
class Source:
    """How to build: on which base, trusting whom, through which proxies."""

    base: str
    """Empty: the base the present image was built on, else the default."""
    certificates: bytes
    proxies: Mapping[str, str]
    may_pull: bool = False
    no_cache: bool = False

    @classmethod
    def of_environ(
        cls,
        environ: Mapping[str, str],
        *,
        base: str = "",
        ca_cert: Path | None = None,
        may_pull: bool = False,
        no_cache: bool = False,
    ) -> Source:
        """The host's own certificates and proxies, and the base in CONQUESTCTL_BASE, unless others are given."""
        certificates = image_context.ca_bundle(environ, ca_cert)
        return cls(
            base or environ.get("CONQUESTCTL_BASE", ""),
            certificates,
            image_context.proxy_arguments(environ),
            may_pull,
            no_cache,
        )


@dataclass(frozen=True, slots=True)
class Image:
    """One of our images on the engine."""

    tag: str
    identifier: str
    size: int
    created: int
    """Unix time."""
    base: str
    current: bool
    """Built from the sources that this program has now."""


def image_id(client: APIClient, image: str) -> str:
    """The engine's id for a name, empty when it has no such image."""
    try:
        return str(client.inspect_image(image)["Id"])  # type: ignore[no-untyped-call]
    except ImageNotFound:
        return ""


def exists(client: APIClient, image: str) -> bool:
    """Whether the engine has it."""
    return bool(image_id(client, image))


def ensure(client: APIClient, image: str, source: Source, report: Report) -> None:
    """Have the image there: ours is built when missing or made from other sources, others are not fetched unasked.

    Raises `NotFoundError` when it (or, for ours, its base) is not there and may not be pulled.
    """
    if image == DEFAULT_IMAGE:
        if not _is_current(client, image):
            build(client, image, source, report)
    elif not exists(client, image):
        if not source.may_pull:
            raise image_missing(image)
        _pull(client, image, report)


def build(client: APIClient, tag: str, source: Source, report: Report) -> None:
    """Build our image under `tag`, a line of progress at a time to `report`.

    Raises `EngineError` with the last lines when the build fails, `NotFoundError` when the base may not be pulled.
    """
    with translated():
        before = image_id(client, tag)
        base = source.base or _own_labels(client, tag).get(labels.BASE) or DEFAULT_BASE
        _have_base(client, base, source, report)
        files = image_context.source_files()
        events: Any = client.build(
            fileobj=io.BytesIO(image_context.build_context(files, source.certificates)),
            custom_context=True,
            tag=tag,
            decode=True,
            rm=True,
            forcerm=True,
            nocache=source.no_cache,
            buildargs={**source.proxies, "BASE": base},
            labels={labels.CONTEXT: image_context.digest(files), labels.BASE: base},
            network_mode="host" if image_context.needs_host_network(source.proxies) else None,
        )
        _follow(events, report, tag)
        _drop_replaced(client, before)


def list_(client: APIClient) -> list[Image]:
    """Our images, newest first."""
    with translated():
        found = client.images(filters={"label": [labels.CONTEXT]})
    current = image_context.digest(image_context.source_files())
    return [
        Image(
            tag=tag,
            identifier=str(summary["Id"]),
            size=int(summary["Size"]),
            created=int(summary["Created"]),
            base=summary["Labels"].get(labels.BASE, ""),
            current=summary["Labels"].get(labels.CONTEXT) == current,
        )
        for summary in found
        for tag in summary.get("RepoTags") or []
        if tag != "<none>:<none>"
    ]


def save(client: APIClient, image: str, path: Path) -> int:
    """Write the image to a file, compressed when its name ends in `.gz`; returns its size.

    The file is complete or not there. Raises `NotFoundError`, `StorageError`.
    """
    with translated():
        if not exists(client, image):
            raise image_missing(image)
        chunks: Any = client.get_image(image)
        unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            _write(chunks, unfinished, compress=path.suffix in {".gz", ".tgz"})
            unfinished.replace(path)
        except OSError as error:
            raise StorageError(f"{path}: {error.strerror}") from error
        finally:
            unfinished.unlink(missing_ok=True)
    return path.stat().st_size


def load(client: APIClient, path: Path) -> list[str]:
    """Bring in an image that `save` (or `docker save`) wrote; returns the names in it.

    Raises `NotFoundError`, `StorageError`, and `InvalidError` for a file that is none.
    """
    try:
        with path.open("rb") as file, translated():
            events = list(client.load_image(file, quiet=True))  # type: ignore[no-untyped-call]
    except FileNotFoundError:
        raise NotFoundError(f"there is no file {path}") from None
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}") from None
    except EngineError as error:
        raise InvalidError(f"{path} is not a saved image: {error.message}") from error
    failed = [str(event["error"]) for event in events if "error" in event]
    lines = [str(event.get("stream", "")) for event in events]
    names = [line.partition(": ")[2].strip() for line in lines if line.startswith("Loaded")]
    if failed or not names:
        raise InvalidError(f"{path} is not a saved image: {failed[0] if failed else 'nothing was found in it'}")
    return names


def _write(chunks: Iterable[bytes], path: Path, *, compress: bool) -> None:
    with path.open("xb") as file:
        if compress:
            with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=6, mtime=0) as packed:
                packed.writelines(chunks)
        else:
            file.writelines(chunks)
        file.flush()
        os.fsync(file.fileno())


def _own_labels(client: APIClient, image: str) -> Mapping[str, str]:
    try:
        return client.inspect_image(image)["Config"].get("Labels") or {}  # type: ignore[no-untyped-call]
    except ImageNotFound:
        return {}


def _is_current(client: APIClient, image: str) -> bool:
    """There and made from our sources; one without our label was put there on purpose and is left alone."""
    if not exists(client, image):
        return False
    made_from = _own_labels(client, image).get(labels.CONTEXT)
    return made_from in {None, image_context.digest(image_context.source_files())}


def _have_base(client: APIClient, base: str, source: Source, report: Report) -> None:
    """The engine would fetch a missing base by itself during a build; that is for the user to say."""
    if base == "scratch" or exists(client, base):
        return
    if not source.may_pull:
        raise NotFoundError(
            f"our image has to be built and its base {base} is not on this engine; nothing is fetched unasked",
            hint="`conquestctl image build` fetches it and builds; without network: `conquestctl image load FILE`.",
        )
    _pull(client, base, report)


def _drop_replaced(client: APIClient, before: str) -> None:
    """What the name stood for until now goes, unless it has another name or a container still uses it."""
    with suppress(APIError):
        if before and not client.inspect_image(before).get("RepoTags"):  # type: ignore[no-untyped-call]
            client.remove_image(before)


def _pull(client: APIClient, image: str, report: Report) -> None:
    repository, separator, tag = image.rpartition(":")
    if not separator or "/" in tag:
        repository, tag = image, "latest"
    report(f"fetching {image}")
    for event in client.pull(repository, tag=tag, stream=True, decode=True):
        if "error" in event:
            raise EngineError(
                f"cannot fetch {image}: {event['error']}",
                hint="Without network: --base with an image that is there, or `conquestctl image load FILE`.",
            )


def _follow(events: Iterable[Mapping[str, Any]], report: Report, tag: str) -> None:
    last: deque[str] = deque(maxlen=LAST_LINES)
    for event in events:
        for line in str(event.get("stream") or event.get("status") or "").splitlines():
            if line.strip():
                last.append(line.rstrip())
                report(line.rstrip())
        if "error" in event:
            raise _build_failed(tag, str(event["error"]), last)


def _build_failed(tag: str, error: str, last: Iterable[str]) -> ConquestError:
    shown = "\n".join(f"  {line}" for line in last)
    hint = (
        "If a package index could not be reached or trusted: set HTTPS_PROXY, or pass the proxy's certificate with "
        "--ca-cert. A base that has python3 already needs no network: --base IMAGE."
    )
    return EngineError(f"building {tag} failed: {error.strip()}\n{shown}", hint=hint)
