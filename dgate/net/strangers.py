"""Who else knocks on a DICOM port: web browsers, health probes, TLS clients. Pure."""

from __future__ import annotations

_METHODS = (b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE", b"OPTION", b"PATCH ", b"TRACE ", b"CONNEC", b"PRI * ")
_TEXT = b"This is a DICOM port; it does not speak HTTP.\n"

HTTP_ANSWER = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=us-ascii\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(_TEXT)
) + _TEXT
"""Tells a web client what it reached, and nothing about who we are."""


def is_http(start: bytes) -> bool:
    """The first 6 bytes begin an HTTP request. No PDU does: its second byte is 0."""
    return any(start.startswith(method[: len(start)]) for method in _METHODS)


def is_tls(start: bytes) -> bool:
    """The first bytes are a TLS handshake record."""
    return start[:2] == b"\x16\x03"
