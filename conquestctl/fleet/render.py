"""From templates to the files of an instance folder, in memory; and the memory of what was rendered."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import conquestctl
from conquestctl.errors import NotFoundError
from conquestctl.fleet.database import Database, ini_with
from conquestctl.fleet.envfile import quoted
from conquestctl.fleet.instance import COMPOSE_FILE, ENV_FILE, MOUNT, Instance
from conquestctl.fleet.storage import storage_errors

DICOM_INI = f"{MOUNT}/config/dicom.ini.j2"
RECORD = ".conquestctl/rendered.json"
"""SHA-256 of each generated file as it was made: a file that differs now was edited by hand."""

FOLDERS = tuple(f"{MOUNT}/{name}" for name in ("config", "scripts", "data", "dbase", "logs"))

_KEEPERS = frozenset({".keep", ".gitkeep"})
_PLAIN_SCALAR = re.compile(r"[a-z][a-z0-9_-]*")
_YAML_WORDS = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null"])
"""Words a YAML 1.1 reader takes for something else than text."""


@dataclass(frozen=True, slots=True)
class DatabaseView:
    """A database server; all but the first two only of one in the stack."""

    asked: Database
    kind: str
    own: bool
    run_as: str = ""
    subnet: str = ""
    secret: str = "database_password"  # noqa: S105 -- the name of a file
    """The file with the password that the server itself may read."""


@dataclass(frozen=True, slots=True)
class View:
    """Everything the templates may use."""

    name: str
    ae_title: str
    port: int
    bind: str
    image: str
    run_as: str
    project: str
    network: str
    subnet: str
    database: DatabaseView | None = None
    """None: an SQLite file."""
    host_network: bool = False
    """In the machine's own network, instead of the fleet's."""


def view_of(instance: Instance, database: DatabaseView | None) -> View:
    """What an instance that is there would be rendered from, with this database."""
    return View(
        name=instance.name,
        ae_title=instance.ae_title,
        port=instance.port,
        bind=instance.bind,
        image=instance.image,
        run_as=instance.settings["RUN_AS"],
        project=instance.project,
        network=instance.network,
        subnet=instance.settings["FLEET_SUBNET"],
        database=database,
        host_network=instance.on_host,
    )


Render = Callable[[View], Mapping[str, bytes]]
"""Gives path in the instance folder -> content."""


def renderer(folder: Path | None = None) -> Render:
    """Read the templates once and return the function that renders an instance from them.

    Raises `NotFoundError` if this installation has none, `StorageError` if they cannot be read.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = folder or template_folder()
    jinja = Environment(  # noqa: S701 -- no HTML here; each place has the filter it needs
        loader=FileSystemLoader(folder), undefined=StrictUndefined, keep_trailing_newline=True, auto_reload=False
    )
    jinja.filters |= {"yaml_scalar": yaml_scalar, "env_value": quoted}
    templates = {name: jinja.get_template(f"{name}.j2") for name in (ENV_FILE, COMPOSE_FILE)}
    fixed = _fixed_files(folder)
    hashes = {path: _digest(content) for path, content in fixed.items()}

    def render(view: View) -> Mapping[str, bytes]:
        files = {name: template.render(asdict(view)).encode() for name, template in templates.items()}
        settings = {DICOM_INI: ini_with(fixed[DICOM_INI], view.database.asked)} if view.database else {}
        record = {"version": conquestctl.__version__, "sha256": {**_hashes(files), **hashes, **_hashes(settings)}}
        return {**files, **fixed, **settings, RECORD: (json.dumps(record, indent=2) + "\n").encode()}

    return render


def template_folder() -> Path:
    """Return the templates of this installation, or of the checkout this runs from. Raises `NotFoundError`."""
    package = Path(conquestctl.__file__).resolve().parent
    for folder in (package / "data" / "templates", package.parent / "templates"):
        if (folder / f"{COMPOSE_FILE}.j2").is_file():
            return folder
    raise NotFoundError("the templates are not part of this installation", hint="Install conquestctl again.")


def yaml_scalar(text: str) -> str:
    """Write an ASCII text so that YAML reads it back as the same text: plain where that is safe, else in quotes."""
    if _PLAIN_SCALAR.fullmatch(text) and text not in _YAML_WORDS:
        return text
    return json.dumps(text)


def _fixed_files(folder: Path) -> dict[str, bytes]:
    """Everything under `mount/` of the templates, as it is: `dicom.ini.j2` there is filled in at each start."""
    with storage_errors("cannot read the templates"):
        paths = (path for path in sorted((folder / MOUNT).rglob("*")) if path.is_file() and path.name not in _KEEPERS)
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def _hashes(files: Mapping[str, bytes]) -> dict[str, str]:
    """Hashes of what is generated. `.env` is not: it is the statement of intent, and everybody's to edit."""
    return {path: _digest(content) for path, content in files.items() if path != ENV_FILE}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
