from __future__ import annotations

import hashlib
import json
import socket
from pathlib import Path

import pytest

from conquestctl.engine.endpoint import DEFAULT, Endpoint, find_endpoint, probe, unreachable
from conquestctl.errors import EngineError
from tests.unprivileged import as_nobody


def write_context(folder: Path, name: str, host: str, *, tls: bool = False) -> None:
    digest = hashlib.sha256(name.encode()).hexdigest()
    meta = folder / "contexts" / "meta" / digest
    meta.mkdir(parents=True)
    document = {"Name": name, "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": False}}}
    (meta / "meta.json").write_text(json.dumps(document))
    if tls:
        (folder / "contexts" / "tls" / digest / "docker").mkdir(parents=True)


def test_the_default_socket(tmp_path: Path) -> None:
    assert find_endpoint({"HOME": str(tmp_path)}) == Endpoint(DEFAULT, "")


def test_docker_host_wins_over_contexts(tmp_path: Path) -> None:
    write_context(tmp_path, "remote", "tcp://remote:2376")
    environ = {"DOCKER_CONFIG": str(tmp_path), "DOCKER_HOST": "tcp://h:2376", "DOCKER_CONTEXT": "remote"}
    assert find_endpoint(environ) == Endpoint("tcp://h:2376", "DOCKER_HOST")


def test_docker_host_with_tls(tmp_path: Path) -> None:
    environ = {"DOCKER_HOST": "tcp://h:2376", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tmp_path)}
    assert find_endpoint(environ) == Endpoint("tcp://h:2376", "DOCKER_HOST", tmp_path, verify=True)


def test_the_current_context_and_the_variable_that_overrides_it(tmp_path: Path) -> None:
    write_context(tmp_path, "one", "unix:///one.sock")
    write_context(tmp_path, "two", "tcp://two:2376", tls=True)
    (tmp_path / "config.json").write_text('{"currentContext": "one"}')
    assert find_endpoint({"DOCKER_CONFIG": str(tmp_path)}) == Endpoint("unix:///one.sock", "Docker context one")
    second = find_endpoint({"DOCKER_CONFIG": str(tmp_path), "DOCKER_CONTEXT": "two"})
    assert second.url == "tcp://two:2376"
    assert second.certificates is not None
    assert find_endpoint({"DOCKER_CONFIG": str(tmp_path), "DOCKER_CONTEXT": "default"}).url == DEFAULT


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"currentContext": 5}', "\x00"])
def test_a_broken_config_means_the_default(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    assert find_endpoint({"DOCKER_CONFIG": str(tmp_path)}).url == DEFAULT


def test_a_context_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="context 'gone'") as caught:
        find_endpoint({"DOCKER_CONFIG": str(tmp_path), "DOCKER_CONTEXT": "gone"})
    assert "docker context ls" in caught.value.hint


@pytest.mark.parametrize("host", ["nonsense", "unix://", "tcp://", "ftp://x", "tcp://h:99999", "tcp://[::1"])
def test_a_docker_host_that_is_none(host: str) -> None:
    with pytest.raises(EngineError, match=r"DOCKER_HOST names .* which is no address"):
        find_endpoint({"DOCKER_HOST": host})


def test_a_socket_that_listens(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        probe(Endpoint(f"unix://{tmp_path}/s", ""))


def test_the_sentences_for_each_reason(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no such socket, so Docker is not installed or not running"):
        probe(Endpoint(f"unix://{tmp_path}/none", ""))
    (tmp_path / "plain").touch()
    with pytest.raises(EngineError, match="it is not running"):
        probe(Endpoint(f"unix://{tmp_path}/plain", ""))
    with pytest.raises(EngineError, match="cannot be resolved") as caught:
        probe(Endpoint("tcp://no-such-host.invalid:2375", "DOCKER_HOST"))
    assert caught.value.hint.startswith("Correct DOCKER_HOST")
    assert "group `docker`" in unreachable(Endpoint(DEFAULT, ""), PermissionError(13, "Permission denied")).hint


def test_a_closed_port() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
    with pytest.raises(EngineError, match="it is not running"):
        probe(Endpoint(f"tcp://127.0.0.1:{port}", "DOCKER_HOST"))


def test_no_permission(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        (tmp_path / "s").chmod(0)
        with as_nobody(), pytest.raises(EngineError, match="no permission"):
            probe(Endpoint(f"unix://{tmp_path}/s", ""))
