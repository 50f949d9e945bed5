"""The engine's own errors as ours: each says what, why and what to type next."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import requests
from docker.errors import APIError, BuildError, DockerException

from conquestctl.errors import ConflictError, ConquestError, EngineError, InvalidError, NotFoundError, StorageError

_PORT_TAKEN = re.compile(
    r"Bind for (?P<allocated>\S+:\d+) failed: port is already allocated"
    r"|listen (?:tcp|udp)\d? (?P<bound>\S+:\d+): bind: address already in use"
    r"|failed to bind host port (?:for )?(?P<newer>\S+:\d+)"
)
_NAME_TAKEN = re.compile(r'container name "/?(?P<name>[^"]+)" is already in use by container "?(?P<id>[0-9a-f]{12,64})')
_FOREIGN_ADDRESS = re.compile(r"listen (?:tcp|udp)\d? (?P<address>\S+): bind: cannot assign requested address")
_BIND_MISSING = re.compile(r"bind source path does not exist: (?P<path>.+)")
_NO_IMAGE = re.compile(r"[Nn]o such image: (?P<image>\S+)")
_NO_NETWORK = re.compile(r"network (?P<name>\S+) not found")


@contextmanager
def translated(instance: str | None = None) -> Iterator[None]:
    """Turn whatever the SDK raises inside into a `ConquestError` about `instance`."""
    try:
        yield
    except ConquestError:
        raise
    except APIError as error:
        raise from_api(error, instance) from error
    except requests.exceptions.Timeout as error:
        hint = "It may be overloaded or stuck; `docker ps` shows whether it answers at all."
        raise EngineError("the Docker engine took too long to answer", hint=hint, instance=instance) from error
    except (requests.exceptions.RequestException, DockerException, BuildError) as error:
        hint = "It may have been stopped just now; `conquestctl doctor` shows what answers."
        raise EngineError(f"the Docker engine broke off: {error}", hint=hint, instance=instance) from error


def from_api(error: APIError, instance: str | None) -> ConquestError:
    """One of the engine's refusals in our words; one that we do not know is shown as it is."""
    text = reason(error)
    found = next((known(match) for pattern, known in _KNOWN if (match := pattern.search(text))), None)
    if found is None and error.status_code == 404 and "container" in text.lower():
        found = NotFoundError("there is no container", hint="`conquestctl up` starts it.")
    found = found or EngineError(f"the Docker engine refused: {text}")
    found.instance = instance
    return found


def _name_taken(match: re.Match[str]) -> ConquestError:
    name = match["name"]
    hint = f"Somebody made it by hand or another conquestctl is at it. See `docker ps -a`, then `docker rm {name}`."
    return ConflictError(f"there is already a container called {name}", hint=hint)


def _bind_missing(match: re.Match[str]) -> ConquestError:
    hint = "The folder is part of the instance; bring it back or create the instance anew."
    return StorageError(f"{match['path'].strip()} is missing", hint=hint)


def _foreign_address(match: re.Match[str]) -> ConquestError:
    hint = "BIND must be an address of this machine: `ip address` lists them."
    return InvalidError(f"{match['address']} is not an address of this machine", hint=hint)


def _network_gone(match: re.Match[str]) -> ConquestError:
    return EngineError(f"the network {match['name']} is gone", hint="`conquestctl up` makes it again.")


def image_missing(image: str, instance: str | None = None) -> NotFoundError:
    """An image that is not on the engine."""
    hint = (
        f"`conquestctl image load FILE` brings in a saved one, `docker pull {image}` fetches a published one, "
        "`conquestctl image build` makes ours."
    )
    return NotFoundError(f"the image {image} is not on this engine", hint=hint, instance=instance)


def taken_port(error: APIError) -> tuple[str, int] | None:
    """Address and port that could not be published because something else has them."""
    match = _PORT_TAKEN.search(reason(error))
    if match is None:
        return None
    address, _, port = (match["allocated"] or match["bound"] or match["newer"]).rpartition(":")
    return address.strip("[]"), int(port)


def reason(error: APIError) -> str:
    """What the engine wrote."""
    return str(error.explanation or error).strip()


_KNOWN: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], ConquestError]], ...] = (
    (_NAME_TAKEN, _name_taken),
    (_NO_IMAGE, lambda match: image_missing(match["image"])),
    (_BIND_MISSING, _bind_missing),
    (_FOREIGN_ADDRESS, _foreign_address),
    (_NO_NETWORK, _network_gone),
)
