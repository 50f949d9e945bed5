"""dcmtk's programs. pynetdicom installs scripts of the same names into whatever environment it is in."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def find(program: str) -> str | None:
    """Return the path of dcmtk's program of this name, None when dcmtk is not installed."""
    found = (shutil.which(program, path=folder) for folder in os.get_exec_path())
    return next((path for path in found if path is not None and not _is_script(path)), None)


def path(program: str) -> str:
    """Return the path of dcmtk's program of this name; to be called where `find` has found dcmtk."""
    found = find(program)
    assert found is not None, f"{program} of dcmtk is not installed"
    return found


def _is_script(program: str) -> bool:
    with Path(program).open("rb") as file:
        return file.read(2) == b"#!"
