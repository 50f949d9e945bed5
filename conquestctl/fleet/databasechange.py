"""The files of an instance for another database, made beside those that count and not yet in force.

Everything is built in one hidden folder of the instance: `.env`, compose file, `dicom.ini.j2`, password, the folder of
a new server's tables. `conquestctl.fleet.databaseswitch` puts it in force.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from conquestctl.engine.compose import ComposeStack, parse_stack
from conquestctl.errors import ConflictError, InvalidError, StorageError
from conquestctl.fleet.database import FOLDER, PASSWORD_FILE, SECRETS, SERVICE, SQLITE, Database
from conquestctl.fleet.databasefiles import database_view, put_database_files
from conquestctl.fleet.envfile import parse as parse_env
from conquestctl.fleet.instance import COMPOSE_FILE, ENV_FILE, Instance
from conquestctl.fleet.merge import merged
from conquestctl.fleet.render import DICOM_INI, RECORD, DatabaseView, renderer, view_of
from conquestctl.fleet.settings import instance_from
from conquestctl.fleet.storage import storage_errors
from dgate.config.inifile import IniFile
from dgate.config.settings import Settings, load_settings

STAGE = ".conquestctl/moving"
"""Where the new files are; a path that server and instance have in common."""
DECISION = "switch.json"
"""Among the new files: what has to be done with them. Where it is there, the new database is in force."""
MOVING_SERVICE = f"{SERVICE}-moving"
"""What the new server is called while the old one has its name."""
MOVING_FILE = ".moving"
"""End of the name of an SQLite file that is not whole yet."""
_MIB = 1 << 20
_ROOM = {"sqlite": 16 * _MIB, "postgres": 100 * _MIB, "mariadb": 300 * _MIB}
"""What a database takes that has nothing in it yet, generously."""


@dataclass(frozen=True, slots=True)
class Staged:
    """An instance as it is, and its files for another database."""

    instance: Instance
    old: Database
    new: Database
    file: Path | None
    """Where the new SQLite file is to be."""
    old_file: Path | None
    """The old SQLite file, if it lies in the instance."""
    then: Instance
    """The instance as its new `.env` has it."""

    @property
    def folder(self) -> Path:
        """Of the new files."""
        return self.instance.folder / STAGE

    @property
    def command(self) -> tuple[str, ...]:
        """What copies the index, run in the folder that holds `mount/`."""
        keys: dict[str, str] = {}
        if self.file is not None:
            keys["database"] = f"./{self.file.relative_to(self.instance.folder)}{MOVING_FILE}"
        else:
            keys["password_file"] = f"./{STAGE}/{PASSWORD_FILE}"
        if self.new.own:
            keys["host"] = MOVING_SERVICE
        return ("-P", "-m", "dgate.moving", f"{STAGE}/dicom.ini.j2", *(f"{key}={keys[key]}" for key in keys))

    def stack(self) -> ComposeStack:
        """What the new compose file says, with the paths of its database's files as they are now."""
        file = self.folder / COMPOSE_FILE
        return parse_stack(file.read_text(encoding="utf-8"), file, self.then.settings)


def database_of(instance: Instance) -> Database:
    """Where the index of an instance is. Raises `StorageError`, `InvalidError`."""
    settings = ini_settings(instance, _template(instance))
    kind = instance.settings.get("DATABASE", SQLITE)
    if kind == SQLITE:
        return Database()
    image = instance.settings.get("DATABASE_IMAGE", "")
    return Database(kind, image, settings.sql_host, settings.username, settings.database)


def ini_settings(instance: Instance, template: bytes) -> Settings:
    """What a `dicom.ini.j2` says of the database."""
    return load_settings(IniFile.parse(template), str(instance.mount / "config"))[0]


def _template(instance: Instance) -> bytes:
    with storage_errors(f"cannot read {instance.folder / DICOM_INI}", instance.name):
        return (instance.folder / DICOM_INI).read_bytes()


def stage(instance: Instance, new: Database, subnet: str) -> Staged:
    """Make the new files; nothing that counts is changed.

    Raises `InvalidError` for files that were edited by hand where the database stands in them, `ConflictError` for a
    place that is taken, `StorageError`.
    """
    old = database_of(instance)
    folder = instance.folder / STAGE
    before = _own_view(instance, old)
    after = database_view(new, instance.settings["RUN_AS"], subnet)
    texts, record = _texts(instance, before, after)
    then = instance_from(instance.name, folder, parse_env(texts[ENV_FILE], f"the new {ENV_FILE}", {}))
    _check_env(instance, new, then)
    settings = _checked(instance, new, texts[DICOM_INI])
    file = instance.folder / settings.database if new.kind == SQLITE else None
    staged = Staged(instance, old, new, file, _old_file(instance, old), then)
    _refuse_taken(staged)
    with storage_errors(f"cannot prepare the move of {instance.name}, nothing was changed", instance.name):
        discard(staged)
        folder.mkdir(parents=True)
        give_as(instance.folder, folder)
        for name, text in ((ENV_FILE, texts[ENV_FILE]), (COMPOSE_FILE, texts[COMPOSE_FILE])):
            (folder / name).write_bytes(text.encode())
        (folder / "dicom.ini.j2").write_bytes(texts[DICOM_INI].encode("latin-1"))
        (folder / "rendered.json").write_bytes(record)
        if after is not None:
            put_database_files(folder, after, instance.settings["RUN_AS"])
    staged.stack()
    return staged


def discard(staged: Staged) -> None:
    """Remove the new files, unless they are in force already: then they are somebody's index. Raises `OSError`."""
    if (staged.folder / DECISION).exists():
        return
    if staged.folder.exists():
        shutil.rmtree(staged.folder)
    if staged.file is not None:
        for path in staged.file.parent.glob(f"{staged.file.name}{MOVING_FILE}*"):
            path.unlink()


def _own_view(instance: Instance, database: Database) -> DatabaseView | None:
    """What the templates were told when the instance got its database."""
    made = database_view(database, instance.settings["RUN_AS"], instance.settings.get("DATABASE_SUBNET", ""))
    if made is None or not made.own:
        return made
    return replace(made, run_as=instance.settings.get("DATABASE_RUN_AS", made.run_as))


def _texts(
    instance: Instance, before: DatabaseView | None, after: DatabaseView | None
) -> tuple[Mapping[str, str], bytes]:
    """The new text of each file that says something of the database, and the memory of what was rendered."""
    render = renderer()
    theirs, original = render(view_of(instance, after)), render(view_of(instance, before))
    texts = {}
    for name in (ENV_FILE, COMPOSE_FILE, DICOM_INI):
        encoding = "latin-1" if name == DICOM_INI else "utf-8"
        with storage_errors(f"cannot read {instance.folder / name}", instance.name):
            mine = (instance.folder / name).read_bytes().decode(encoding)
        text = merged(original[name].decode(encoding), mine, theirs[name].decode(encoding))
        if text is None:
            raise InvalidError(
                f"{instance.folder / name} was edited by hand in the lines about the database; nothing was moved",
                hint=f"Put these lines back as `conquestctl create` writes them, move, and edit {name} again.",
                instance=instance.name,
            )
        texts[name] = text
    return texts, _record(instance, theirs)


def _record(instance: Instance, rendered: Mapping[str, bytes]) -> bytes:
    """The old memory, with the new hashes of the two files that were rendered anew."""
    made = json.loads(rendered[RECORD])
    try:
        known = json.loads((instance.folder / RECORD).read_bytes())
        known["sha256"] |= {name: made["sha256"][name] for name in (COMPOSE_FILE, DICOM_INI)}
    except (OSError, ValueError, KeyError, TypeError):
        known = made
    return (json.dumps(known, indent=2) + "\n").encode()


def _check_env(instance: Instance, new: Database, then: Instance) -> None:
    """A line of somebody's own may come after ours in `.env`, and the last one counts."""
    kind, image = then.settings.get("DATABASE", SQLITE), then.settings.get("DATABASE_IMAGE", "")
    if (kind, image) != (new.kind, new.image):
        raise InvalidError(
            f"{instance.folder / ENV_FILE} has other lines DATABASE or DATABASE_IMAGE besides; nothing was moved",
            hint="Take them out, and move again.",
            instance=instance.name,
        )


def _checked(instance: Instance, new: Database, template: str) -> Settings:
    """The settings of the new dicom.ini.j2, which must lead to the new database whatever else was edited in it."""
    settings = ini_settings(instance, template.encode("latin-1"))
    drivers = {"sqlite": "sqlite", "postgres": "postgres", "mariadb": "mysql"}
    server = (new.host, new.name) if new.kind != SQLITE else ("", "")
    found = (settings.sql_host, settings.database) if new.kind != SQLITE else ("", "")
    if settings.driver != drivers[new.kind] or server != found:
        raise InvalidError(
            f"{instance.folder / DICOM_INI} has other lines about a database besides; nothing was moved",
            hint="Take out what was added there about SQLite, PostGres, MySQL, SQLHost and SQLServer.",
            instance=instance.name,
        )
    return settings


def _old_file(instance: Instance, old: Database) -> Path | None:
    if old.kind != SQLITE:
        return None
    file = Path(ini_settings(instance, _template(instance)).database)
    file = file if file.is_absolute() else instance.folder / file
    return file if file.exists() else None


def _refuse_taken(staged: Staged) -> None:
    """Raise `ConflictError` where something lies already that is not part of the old database."""
    wanted = [staged.file] if staged.file is not None else [staged.instance.folder / SECRETS]
    wanted += [staged.instance.folder / FOLDER] if staged.new.own else []
    of_old = {staged.old_file}
    if staged.old.kind != SQLITE:
        of_old |= {staged.instance.folder / SECRETS, staged.instance.folder / FOLDER}
    for path in wanted:
        if path not in of_old and path.exists() and (path.is_file() or any(path.iterdir())):
            raise ConflictError(
                f"{path} is in the way: the new database would be there, and it is not part of the old one",
                hint="Move it somewhere else, or delete it if nobody needs it.",
                instance=staged.instance.name,
            )


def require_room(staged: Staged, free: Callable[[Path], int]) -> None:
    """Raise `StorageError` where the new database would not fit beside the old one; `free` is told a folder."""
    if not staged.new.local:
        return
    place = staged.file.parent if staged.file is not None else staged.instance.folder
    needed = _ROOM[staged.new.kind] + 2 * _size(staged)
    with storage_errors(f"cannot look at {place}", staged.instance.name):
        left = free(place)
    if left < needed:
        raise StorageError(
            f"not enough space in {place}: about {needed // _MIB} MB are needed beside the old database, "
            f"{left // _MIB} MB are free",
            hint="Free some space, or move the index to a server elsewhere: --database-url.",
            instance=staged.instance.name,
        )


def _size(staged: Staged) -> int:
    """Bytes of the old database, as far as they are here."""
    if staged.old_file is not None:
        return sum(path.stat().st_size for path in staged.old_file.parent.glob(f"{staged.old_file.name}*"))
    if not staged.old.own:
        return 0
    paths = (staged.instance.folder / FOLDER).rglob("*")
    return sum(path.lstat().st_size for path in paths if path.is_file())


def give_as(pattern: Path, path: Path) -> None:
    """Let a path belong to whom the other one belongs; only root makes things that are not its own."""
    if os.geteuid() == 0:
        status = pattern.stat()
        os.chown(path, status.st_uid, status.st_gid)
