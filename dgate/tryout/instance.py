"""The instance that is tried out, as its next start would read it, and an archive for the trial.

That archive is an empty one in a folder that goes away with the trial. What lines look up comes from the instance's
own database, which is only read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dgate.archive.archive import DiskArchive, open_archive
from dgate.config.amap import AcrNemaMap
from dgate.config.inifile import IniFile
from dgate.config.kfactor import parse_dicom_sql
from dgate.config.rendering import RenderError, render_dicom_ini
from dgate.config.settings import load_settings
from dgate.index.index import DatabaseError
from dgate.index.schema import ensure_database
from dgate.record import dataclass, replace
from dgate.start import CONFIG, StartError, read_identity

if TYPE_CHECKING:
    from dgate.config.kfactor import KFactor
    from dgate.config.settings import Settings
    from dgate.interfaces import Log


class TrialError(Exception):
    """Why there can be no trial."""


@dataclass(frozen=True, slots=True)
class Instance:
    """What its configuration says."""

    settings: Settings
    kfactor: KFactor
    amap: AcrNemaMap


def load_instance(environ: Mapping[str, str]) -> Instance:
    """The instance in whose folder we stand; name and port are those of the environment. Raises `TrialError`."""
    try:
        identity = read_identity(environ)
        template = os.path.join(CONFIG, "dicom.ini.j2")
        rendered = render_dicom_ini(
            _read(template), _read(os.path.join(CONFIG, "converters.txt"), needed=False),
            identity.ae_title, identity.port, template_name=template,
        )  # fmt: skip
        ini = IniFile.parse(rendered)
        settings, faults = load_settings(ini, CONFIG, port=identity.port, ae_title=identity.ae_title)
        kfactor = parse_dicom_sql(_read(settings.kfactor_file).decode("latin-1"), settings.kfactor_file)
        amap = AcrNemaMap.parse(_read(settings.acrnema_map, needed=False))
    except OSError as error:
        raise TrialError(f"{error.filename}: {error.strerror}") from error
    except (StartError, RenderError) as error:
        raise TrialError(str(error)) from error
    fatal = [str(fault) for fault in (*faults, *kfactor.faults) if fault.fatal]
    if fatal:
        raise TrialError(fatal[0])
    return Instance(settings, kfactor, amap)


def _read(path: str, *, needed: bool = True) -> bytes:
    if not needed and not os.path.exists(path):
        return b""
    with open(path, "rb") as file:
        return file.read()


def stand_ins(settings: Settings, folder: str) -> dict[str, str]:
    """Folders for the devices of the trial, each with the device it stands for."""
    return {f"{folder}/MAG{number}/": device for number, device in enumerate(settings.mag_devices)}


@contextmanager
def trial_archive(instance: Instance, folder: str, log: Log) -> Iterator[DiskArchive]:
    """An empty archive in a folder of our own, without converters yet. Raises `TrialError`."""
    settings = trial_settings(instance.settings, folder)
    try:
        for device in settings.mag_devices:
            os.makedirs(device)
        ensure_database(settings, instance.kfactor)
        archive = open_archive(settings, instance.kfactor, log)
    except (OSError, DatabaseError) as error:
        raise TrialError(f"there is no room for a trial: {error}") from error
    try:
        yield archive
    finally:
        archive.close()


def trial_settings(settings: Settings, folder: str) -> Settings:
    """The same settings, but for where things are; nothing is thrown away for want of space."""
    return replace(
        settings,
        driver="sqlite",
        database=f"{folder}/trial.db3",
        mag_devices=tuple(stand_ins(settings, folder)),
        mirror_devices=(),
        mag_full_threshold=0,
        mag_threshold=0,
        watch_folder="",
        worklist_mode=0,
    )
