"""dcmtk's programs. pynetdicom installs some of the same names into the environment the tests run in."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path


def find(program: str) -> str | None:
    """Return the path of dcmtk's program of this name, None when dcmtk is not installed."""
    ours = Path(sys.executable).parent
    folders = [folder for folder in os.get_exec_path() if Path(folder) != ours]
    return shutil.which(program, path=os.pathsep.join(folders))


def path(program: str) -> str:
    """Return the path of dcmtk's program of this name; to be called where `find` has found dcmtk."""
    found = find(program)
    assert found is not None, f"{program} of dcmtk is not installed"
    return found
