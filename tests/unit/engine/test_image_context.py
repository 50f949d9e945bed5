from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from conquestctl.engine.image_context import (
    CA_FILE,
    build_context,
    ca_bundle,
    digest,
    needs_host_network,
    proxy_arguments,
    source_files,
)
from conquestctl.errors import NotFoundError, StorageError

PEM = b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"


def test_the_server_and_nothing_of_the_orchestrator() -> None:
    names = source_files().keys()
    assert {"Dockerfile", "healthcheck", "dgate/__init__.py"} <= names
    assert not [name for name in names if "conquestctl" in name or name.endswith(".pyc")]


def test_the_tar_has_modes_and_certificates() -> None:
    with tarfile.open(fileobj=io.BytesIO(build_context(source_files(), PEM))) as tar:
        assert tar.getmember("healthcheck").mode == 0o755
        assert tar.getmember("Dockerfile").mode == 0o644
        bundle = tar.extractfile(CA_FILE)
        assert bundle is not None
        assert bundle.read() == PEM


def test_equal_content_is_equal_bytes() -> None:
    assert build_context({"a": b"1"}, b"") == build_context({"a": b"1"}, b"")


def test_the_digest_sees_content_and_names() -> None:
    digests = [digest({"a": b"1"}), digest({"a": b"2"}), digest({"b": b"1"}), digest({"a": b"1", "b": b""}), digest({})]
    assert len(set(digests)) == 5


def test_whose_certificates(tmp_path: Path) -> None:
    (tmp_path / "own.pem").write_bytes(PEM)
    (tmp_path / "host.pem").write_bytes(b"host")
    environ = {"SSL_CERT_FILE": str(tmp_path / "gone.pem"), "REQUESTS_CA_BUNDLE": str(tmp_path / "host.pem")}
    assert ca_bundle(environ, None) == b"host"
    assert ca_bundle(environ, tmp_path / "own.pem") == PEM


def test_a_given_certificate_must_be_one(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No such file"):
        ca_bundle({}, tmp_path / "gone.pem")
    (tmp_path / "x").write_bytes(b"x")
    with pytest.raises(NotFoundError, match="no PEM certificate"):
        ca_bundle({}, tmp_path / "x")


def test_proxy_settings_and_where_they_can_be_reached_from() -> None:
    environ = {"https_proxy": "http://127.0.0.1:3128", "NO_PROXY": "x", "HTTP_PROXY": "", "PATH": "/bin"}
    assert proxy_arguments(environ) == {"https_proxy": "http://127.0.0.1:3128", "NO_PROXY": "x"}
    assert needs_host_network(proxy_arguments(environ))
    assert not needs_host_network({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "http://127.0.0.1"})
