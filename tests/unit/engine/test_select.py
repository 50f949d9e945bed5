from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from conquestctl.engine.select import select_engine
from conquestctl.errors import EngineError, UsageError


def nowhere(tmp_path: Path) -> dict[str, str]:
    return {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}


def test_process_as_asked(tmp_path: Path) -> None:
    engine, why = select_engine("process", nowhere(tmp_path))
    assert (engine.name, why) == ("process", "local processes, as asked")


def test_auto_falls_back_and_says_why(tmp_path: Path) -> None:
    engine, why = select_engine("auto", nowhere(tmp_path))
    assert engine.name == "process"
    assert f"no Docker engine answers at unix://{tmp_path}/none.sock (DOCKER_HOST)" in why
    assert why.startswith("local processes, because no Docker engine answers at ")
    assert "\n" not in why


def test_docker_asked_for_and_not_there(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no Docker engine answers"):
        select_engine("docker", nowhere(tmp_path))


def test_an_unknown_choice(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="podman"):
        select_engine("podman", nowhere(tmp_path))


def test_without_an_engine_the_sdk_is_not_imported(tmp_path: Path) -> None:
    code = (
        "import sys; from conquestctl.engine.select import select_engine;"
        f"select_engine('auto', {nowhere(tmp_path)!r}); print('docker' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
