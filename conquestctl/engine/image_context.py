"""What our image is built from, as a tar in memory: `image/` and the sources of `dgate`, nothing else."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from conquestctl.errors import NotFoundError, StorageError

DEFAULT_BASE = "debian:trixie-slim"

CA_FILE = "ca/bundle.pem"
"""Always in the context, empty when the host has none to offer: COPY fails for a file that is not there."""

_PACKAGE = Path(__file__).resolve().parent.parent
_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
_PROXY_KEYS = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")


def source_files() -> dict[str, bytes]:
    """Path in the context -> content, for everything that ends in the image.

    Raises `NotFoundError` when the program was installed without them.
    """
    places = (_PACKAGE.parent / "image", _PACKAGE / "data" / "image")
    image = next((folder for folder in places if (folder / "Dockerfile").is_file()), None)
    dgate = _PACKAGE.parent / "dgate"
    if image is None or not dgate.is_dir():
        raise NotFoundError("the sources of the image are not part of this installation", hint="Install it again.")
    files = {path.name: path.read_bytes() for path in image.iterdir() if path.is_file()}
    sources = (path for path in dgate.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    files |= {f"dgate/{path.relative_to(dgate).as_posix()}": path.read_bytes() for path in sources}
    return dict(sorted(files.items()))


def digest(files: Mapping[str, bytes]) -> str:
    """Hash of the sources. The host's certificates are not part of it: it is the same wherever it is taken."""
    state = hashlib.sha256()
    for name, content in files.items():
        state.update(f"{name}\0{len(content)}\0".encode())
        state.update(content)
    return state.hexdigest()


def build_context(files: Mapping[str, bytes], ca_bundle: bytes) -> bytes:
    """The tar that the engine builds from; times and owners are fixed, so equal content is equal bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in {**files, CA_FILE: ca_bundle}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mode = 0o755 if content.startswith(b"#!") else 0o644
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def ca_bundle(environ: Mapping[str, str], given: Path | None) -> bytes:
    """The certificates that the build trusts: the given file, else what this host itself trusts, else nothing.

    Raises `StorageError` when the given file cannot be read.
    """
    if given is not None:
        return _read_given(given)
    named = [environ[key] for key in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") if environ.get(key)]
    for name in (*named, *_BUNDLES):
        try:
            return Path(name).read_bytes()
        except OSError:
            continue  # a variable that names nothing is not our business; the next place may have it
    return b""


def proxy_arguments(environ: Mapping[str, str]) -> dict[str, str]:
    """The proxy settings as build arguments. The engine knows these names and keeps them out of the history."""
    keys = [spelling for key in _PROXY_KEYS for spelling in (key, key.lower())]
    return {key: environ[key] for key in keys if environ.get(key)}


def needs_host_network(arguments: Mapping[str, str]) -> bool:
    """A proxy on this machine's loopback address is only reachable from a build that shares the host's network."""
    proxies = (value for key, value in arguments.items() if key.lower() != "no_proxy")
    return any(f"//{host}" in value for value in proxies for host in ("127.", "localhost", "[::1]"))


def _read_given(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}", hint="--ca-cert takes a file with PEM certificates.") from None
    if b"-----BEGIN CERTIFICATE-----" not in content:
        raise NotFoundError(f"{path} holds no PEM certificate", hint="--ca-cert takes a file with PEM certificates.")
    return content
