from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from conquestctl.engine import image_context, images
from conquestctl.engine.docker import DockerEngine
from conquestctl.errors import EngineError, InvalidError, NotFoundError
from tests.integration.dockerside import IMAGE, open_engine

pytestmark = pytest.mark.docker

BASE = os.environ.get("CONQUESTCTL_BASE", IMAGE)
"""An image that has python3, so that no test needs a package index."""

CERTIFICATE = b"-----BEGIN CERTIFICATE-----\nonly-lent\n-----END CERTIFICATE-----\n"


def source(base: str = BASE, *, may_pull: bool = False) -> images.Source:
    return images.Source(base, CERTIFICATE, {"HTTPS_PROXY": "http://user:secret@proxy.invalid:1"}, may_pull)


@pytest.fixture(scope="module")
def engine() -> DockerEngine:
    return open_engine()


@pytest.fixture(scope="module")
def tag(engine: DockerEngine) -> Iterator[str]:
    name = f"h-engine/dgate:{secrets.token_hex(4)}"
    lines: list[str] = []
    images.build(engine.client, name, source(), lines.append)
    assert any(line.startswith("Step ") for line in lines)
    yield name
    engine.client.remove_image(name, force=True)


def run(engine: DockerEngine, image: str, *command: str) -> str:
    """Output of a command in a container that may do nothing, as a user nobody knows."""
    body = {
        "Image": image,
        "Entrypoint": list(command),
        "User": "4711:4711",
        "HostConfig": {"ReadonlyRootfs": True, "NetworkMode": "none"},
    }
    made = engine.client.create_container_from_config(body)
    try:
        engine.client.start(made["Id"])
        status = engine.client.wait(made["Id"], timeout=60)["StatusCode"]
        output = bytes(engine.client.logs(made["Id"])).decode()
        assert status == 0, output
        return output
    finally:
        engine.client.remove_container(made["Id"], force=True)


def test_it_holds_the_server_compiled_and_nothing_of_the_orchestrator(engine: DockerEngine, tag: str) -> None:
    found = json.loads(run(engine, tag, "python3", "-c", (
        "import dgate.interfaces, importlib.util, json, os, sys;"
        "print(json.dumps([dgate.__file__, os.path.exists(dgate.__cached__), os.getcwd(), '' in sys.path,"
        "importlib.util.find_spec('conquestctl') is None]))"
    )))  # fmt: skip
    assert found == ["/opt/dgate/dgate/__init__.py", True, "/conquest", False, True]
    assert run(engine, tag, "sh", "-c", "test -x /opt/dgate/bin/healthcheck; echo $PYTHONDONTWRITEBYTECODE") == "1\n"


def test_nothing_that_was_lent_stays(engine: DockerEngine, tag: str) -> None:
    assert "secret" not in str(engine.client.history(tag)) + str(engine.client.inspect_image(tag))
    assert run(engine, tag, "sh", "-c", "ls -d /ca /etc/apt/apt.conf.d/99lent-ca 2>/dev/null | wc -l") == "0\n"
    assert run(engine, tag, "sh", "-c", "grep -rs only-lent /etc /opt /conquest /usr/share | wc -l") == "0\n"
    assert run(engine, tag, "sh", "-c", "find /var/lib/apt/lists /usr/share/doc -type f | wc -l") == "0\n"


def test_how_it_starts_and_is_asked_for_its_health(engine: DockerEngine, tag: str) -> None:
    config = engine.client.inspect_image(tag)["Config"]
    assert config["Entrypoint"] == ["python3", "-m", "dgate.start"]
    assert config["WorkingDir"] == "/conquest"
    assert config["StopSignal"] == "SIGTERM"
    assert config["Healthcheck"]["Test"] == ["CMD", "/opt/dgate/bin/healthcheck"]


def test_it_is_listed_with_what_it_was_made_from(engine: DockerEngine, tag: str) -> None:
    (found,) = [image for image in images.list_(engine.client) if image.tag == tag]
    assert (found.base, found.current) == (BASE, True)
    assert found.identifier == images.image_id(engine.client, tag)


def test_it_is_built_when_missing_or_outdated_and_not_otherwise(
    engine: DockerEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"h-engine/ensure:{secrets.token_hex(4)}"
    monkeypatch.setattr(images, "DEFAULT_IMAGE", name)
    lines: list[str] = []
    try:
        images.ensure(engine.client, name, source(), lines.append)
        first = images.image_id(engine.client, name)
        assert first
        lines.clear()
        images.ensure(engine.client, name, source(), lines.append)
        assert lines == []
        files = image_context.source_files()
        monkeypatch.setattr(image_context, "source_files", lambda: {**files, "dgate/new.py": b"x = 1\n"})
        images.ensure(engine.client, name, source(""), lines.append)
        assert images.image_id(engine.client, name) != first
        assert [image.base for image in images.list_(engine.client) if image.tag == name] == [BASE]
    finally:
        engine.client.remove_image(name, force=True)


def test_nothing_is_fetched_unasked(engine: DockerEngine) -> None:
    with pytest.raises(NotFoundError, match="its base h-engine/none:1 is not on this engine") as caught:
        images.build(engine.client, "h-engine/x:1", source("h-engine/none:1"), lambda _line: None)
    assert "conquestctl image build" in caught.value.hint


def test_a_failed_build_shows_its_last_lines(engine: DockerEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"Dockerfile": f"FROM {BASE}\nRUN echo so far; echo so bad >&2; exit 3\n".encode()}
    monkeypatch.setattr(image_context, "source_files", lambda: files)
    with pytest.raises(EngineError, match=r"building h-engine/x:1 failed: .*code: 3") as caught:
        images.build(engine.client, "h-engine/x:1", source(), lambda _line: None)
    assert "  so far\n" in caught.value.message
    assert "so bad" in caught.value.message
    assert "--ca-cert" in caught.value.hint


@pytest.mark.parametrize("name", ["image.tar", "image.tar.gz"])
def test_it_travels_in_a_file(engine: DockerEngine, tag: str, tmp_path: Path, name: str) -> None:
    copy = f"h-engine/copy:{secrets.token_hex(4)}"
    engine.client.tag(tag, copy)
    identifier = images.image_id(engine.client, copy)
    size = images.save(engine.client, copy, tmp_path / name)
    assert size == (tmp_path / name).stat().st_size
    assert [path.name for path in tmp_path.iterdir()] == [name]
    engine.client.remove_image(copy)
    assert images.load(engine.client, tmp_path / name) == [copy]
    assert images.image_id(engine.client, copy) == identifier
    engine.client.remove_image(copy)


def test_files_that_hold_no_image(engine: DockerEngine, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no file"):
        images.load(engine.client, tmp_path / "none.tar")
    (tmp_path / "junk.tar").write_bytes(b"junk" * 1000)
    with pytest.raises(InvalidError, match="not a saved image"):
        images.load(engine.client, tmp_path / "junk.tar")
    with pytest.raises(NotFoundError, match="h-engine/none:1"):
        images.save(engine.client, "h-engine/none:1", tmp_path / "x.tar")
    assert not (tmp_path / "x.tar").exists()
