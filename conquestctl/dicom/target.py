"""What an operator can point at: a DICOM node by AE title, host and port."""

from __future__ import annotations

from dataclasses import dataclass

from conquestctl.errors import InvalidError
from conquestctl.fleet.names import check_ae_title, check_port

CALLING = "CONQUESTCTL"
"""Our own AE title unless the operator states another."""

EXAMPLE = "Write it as AET@HOST:PORT, for example CT1@127.0.0.1:5678 or CT1@[::1]:5678."


@dataclass(frozen=True, slots=True)
class EchoTarget:
    """One DICOM node to talk to."""

    label: str
    """How messages and tables call it: the instance's name, or what the operator typed."""
    ae_title: str
    """The called AE title."""
    host: str
    port: int


def parse_target(text: str) -> EchoTarget:
    """Read `AET@HOST:PORT`. Raises `InvalidError` that says which part is wrong."""
    title, at, address = text.rpartition("@")
    host, colon, port = address.rpartition(":")
    if not at or not colon or not host:
        raise InvalidError(f"'{text}' is no DICOM address", hint=EXAMPLE)
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise InvalidError(f"'{text}': an IPv6 address needs brackets", hint=EXAMPLE)
    if not host.strip():
        raise InvalidError(f"'{text}' names no host", hint=EXAMPLE)
    return EchoTarget(text, check_ae_title(title), host, check_port(port))
