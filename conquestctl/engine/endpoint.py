"""Where the Docker engine is to be found, and whether anything answers there, without importing the Docker SDK.

The order is the one of Docker's own command line: `DOCKER_HOST`, `DOCKER_CONTEXT`, the current context in
`config.json`, the default socket.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from conquestctl.errors import EngineError

DEFAULT = "unix:///var/run/docker.sock"
PROBE_SECONDS = 2.0
_SCHEMES = {"unix", "tcp", "http", "https", "ssh"}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An engine's address and who named it."""

    url: str
    source: str
    """`DOCKER_HOST`, `Docker context remote`, or empty for the default."""
    certificates: Path | None = None
    """Folder with ca.pem, cert.pem, key.pem when the engine is spoken to over TLS."""
    verify: bool = True

    def __str__(self) -> str:
        return f"{self.url} ({self.source})" if self.source else self.url


def find_endpoint(environ: Mapping[str, str]) -> Endpoint:
    """The engine that Docker's own command line would use. Raises `EngineError` for a context that is not there."""
    folder = Path(environ.get("DOCKER_CONFIG") or Path(environ.get("HOME") or "~").expanduser() / ".docker")
    if environ.get("DOCKER_HOST"):
        return _checked(_from_host(environ, folder))
    name = environ.get("DOCKER_CONTEXT") or _current_context(folder)
    if not name or name == "default":
        return Endpoint(DEFAULT, "")
    return _checked(_from_context(name, folder))


def probe(endpoint: Endpoint) -> None:
    """Raise `EngineError`, saying why, when nothing can be reached at the address. An ssh address is not tried."""
    parts = urlsplit(endpoint.url)
    try:
        if parts.scheme == "unix":
            _connect_unix(parts.path)
        elif parts.scheme != "ssh":
            socket.create_connection((parts.hostname or "", parts.port or 2375), PROBE_SECONDS).close()
    except OSError as error:
        raise unreachable(endpoint, error) from None


def unreachable(endpoint: Endpoint, error: OSError) -> EngineError:
    """The sentence for each way in which an engine cannot be reached."""
    if isinstance(error, PermissionError):
        return EngineError(
            f"the Docker engine at {endpoint} refuses this user: no permission to open its socket",
            hint="Add yourself to the group `docker` (then log in again), or use --engine process.",
        )
    if endpoint.source:
        return EngineError(
            f"no Docker engine answers at {endpoint}: {_why(error)}",
            hint=f"Correct {endpoint.source}, start that engine, or use --engine process.",
        )
    return EngineError(
        f"no Docker engine answers at {endpoint}: {_why(error)}",
        hint="Start it (`sudo systemctl start docker`) or install it; without one, use --engine process.",
    )


def _why(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such socket, so Docker is not installed or not running"
    if isinstance(error, ConnectionRefusedError):
        return "it is not running"
    if isinstance(error, socket.gaierror):
        return "the host name cannot be resolved"
    if isinstance(error, TimeoutError):
        return f"no answer within {PROBE_SECONDS:g} s"
    if error.errno in {errno.ENOTSOCK, errno.EPROTOTYPE}:
        return "that is not a socket"
    return error.strerror or str(error)


def _connect_unix(path: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(PROBE_SECONDS)
        connection.connect(path)


def _checked(endpoint: Endpoint) -> Endpoint:
    try:
        parts = urlsplit(endpoint.url)
        known = parts.scheme in _SCHEMES and bool(parts.path if parts.scheme == "unix" else parts.hostname)
        known = known and (parts.scheme == "unix" or parts.port != 0)
    except ValueError:
        known = False
    if not known:
        raise EngineError(
            f"{endpoint.source} names {endpoint.url!r}, which is no address of an engine",
            hint="It looks like unix:///var/run/docker.sock, tcp://host:2376 or ssh://user@host.",
        )
    return endpoint


def _from_host(environ: Mapping[str, str], folder: Path) -> Endpoint:
    url = environ["DOCKER_HOST"]
    if not environ.get("DOCKER_TLS_VERIFY") and not environ.get("DOCKER_TLS"):
        return Endpoint(url, "DOCKER_HOST")
    certificates = Path(environ.get("DOCKER_CERT_PATH") or folder)
    return Endpoint(url, "DOCKER_HOST", certificates, verify=bool(environ.get("DOCKER_TLS_VERIFY")))


def _current_context(folder: Path) -> str:
    try:
        settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        # Docker's own command line warns and goes on with the default when this file is missing or broken.
        return ""
    name = settings.get("currentContext") if isinstance(settings, dict) else None
    return name if isinstance(name, str) else ""


def _from_context(name: str, folder: Path) -> Endpoint:
    digest = hashlib.sha256(name.encode()).hexdigest()
    try:
        meta = json.loads((folder / "contexts" / "meta" / digest / "meta.json").read_text(encoding="utf-8"))
        docker = meta["Endpoints"]["docker"]
        url, verify = str(docker["Host"]), not docker.get("SkipTLSVerify", False)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise EngineError(
            f"the Docker context {name!r} is not there or cannot be read",
            hint="`docker context ls` lists them; `docker context use default` goes back to this machine's engine.",
        ) from None
    certificates = folder / "contexts" / "tls" / digest / "docker"
    return Endpoint(url, f"Docker context {name}", certificates if _is_folder(certificates) else None, verify)


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 -- false, not an exception, for a folder we may not read
