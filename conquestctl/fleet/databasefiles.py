"""What an instance with a database server has in its folder beyond others: the password, and room for the tables."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from conquestctl.fleet.database import FOLDER, PASSWORD_FILE, SECRETS, SERVER_USER, SQLITE, Database
from conquestctl.fleet.render import DatabaseView

PASSWORD_BYTES = 32
SERVER_SECRET = "server_password"  # noqa: S105 -- the name of a file
_OURS_ONLY = 0o600


def database_view(asked: Database, run_as: str, subnet: str) -> DatabaseView | None:
    """What the templates are told; None for SQLite.

    A server never runs as root, also where everything else does. A file of mode 0600 cannot be read by two users, so
    then it gets one of its own.
    """
    if asked.kind == SQLITE:
        return None
    if not asked.own:
        return DatabaseView(asked, asked.kind, own=False)
    if run_as.partition(":")[0] != "0":
        return DatabaseView(asked, asked.kind, own=True, run_as=run_as, subnet=subnet)
    server_user = "{}:{}".format(*SERVER_USER)
    return DatabaseView(asked, asked.kind, own=True, run_as=server_user, subnet=subnet, secret=SERVER_SECRET)


def put_database_files(folder: Path, view: DatabaseView, run_as: str) -> None:
    """Write the password, a new one for a new server, and make the folder of the tables. Raises `OSError`."""
    password = view.asked.password or secrets.token_hex(PASSWORD_BYTES)
    (folder / SECRETS).mkdir(mode=0o700)
    status = folder.stat()
    _give(folder / SECRETS, f"{status.st_uid}:{status.st_gid}")
    _write(folder / PASSWORD_FILE, password, run_as)
    if not view.own:
        return
    if view.secret != Path(PASSWORD_FILE).name:
        _write(folder / SECRETS / view.secret, password, view.run_as)
    (folder / FOLDER).mkdir(mode=0o700)
    _give(folder / FOLDER, view.run_as)


def _write(path: Path, password: str, owner: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _OURS_ONLY)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(password)
    path.chmod(_OURS_ONLY)
    _give(path, owner)


def _give(path: Path, owner: str) -> None:
    """Only root gives things away; for others it is theirs already."""
    if os.geteuid() == 0:
        uid, gid = map(int, owner.split(":"))
        os.chown(path, uid, gid)
