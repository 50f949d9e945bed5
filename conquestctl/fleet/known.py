"""Where this user's fleets are, so that two of them do not hand out the same port or subnet.

Only a hint, never intent: a line per fleet root in one file of the user's state folder. A fleet that is gone is
forgotten; a fleet that was never written down is still safe, because ports in use are seen by asking the host.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from conquestctl.fleet.storage import replace_file

FILE = "fleets"


def state_folder(environ: Mapping[str, str]) -> Path:
    """Return this user's state folder, made if need be: XDG_STATE_HOME, else in the home, else in the temporary folder.

    A service account may have no home it can write to. Raises `OSError` when not even the last one can be made.
    """
    base = environ.get("XDG_STATE_HOME") or Path(environ.get("HOME") or "/nonexistent", ".local", "state")
    folder = Path(base, "conquestctl")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return _temporary_folder()
    return folder if os.access(folder, os.W_OK) else _temporary_folder()


def _temporary_folder() -> Path:
    last = Path(tempfile.gettempdir(), f"conquestctl-{os.getuid()}")
    last.mkdir(mode=0o700, exist_ok=True)
    if last.stat().st_uid != os.getuid():
        raise PermissionError(1, "the folder belongs to somebody else", str(last))
    return last


def known_roots(folder: Path) -> list[Path]:
    """Return the roots written down in the state folder that still exist."""
    try:
        lines = (folder / FILE).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except FileNotFoundError:
        return []
    return [Path(line) for line in lines if line and Path(line).is_dir()]


def remember(folder: Path, root: Path) -> None:
    """Write down a root, and drop those that are gone. The caller holds the host-wide lock. Raises `OSError`."""
    roots = known_roots(folder)
    if root in roots or "\n" in str(root):
        return
    text = "".join(f"{known}\n" for known in [*roots, root])
    replace_file(folder / FILE, text.encode("utf-8", "surrogateescape"))
