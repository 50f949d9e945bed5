"""What the archive needs to know from dicom.ini, ready for use. The one place that knows the names of the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgate.record import dataclass, field

if TYPE_CHECKING:
    from dgate.config.reader import Driver
    from dgate.config.settings import Settings

_ORIGINAL_STARTUP = "pragmasynchronous=off"


@dataclass(frozen=True, slots=True)
class ArchiveOptions:
    """Settings of storage, database and query."""

    ae_title: str
    driver: Driver
    database: str
    """SQLite: the file. A server's: its name there."""
    host: str
    username: str
    password: str = field(repr=False)
    password_file: str
    """Goes before the password, when there is one."""
    latin1: bool
    """A server's texts are in UTF-8 and what is received is latin-1: converted at the border."""
    startup: str
    """A statement of the operator's own to run on each connection. The original's default is not one."""
    devices: tuple[bytes, ...]
    full_threshold: int
    ignore_threshold: bool
    table_names: tuple[str, str, str, str]
    worklist_name: str
    sort_orders: tuple[str, str, str, str]
    truncate_names: int
    max_field_length: int
    allow_truncate: frozenset[str]
    file_name_syntax: str
    max_file_name: int
    rename_on_rewrite: bool
    ignore_rewrite: bool
    failed_status: int
    allow_empty_id: bool
    fix_philips: bool
    fix_kodak: bool
    computed_fields: bool
    iso_ir: int
    worklist_iso_ir: int
    worklist_mode: int
    incoming_compression: str
    dropped_compression: str
    dictionary: str
    mirrors: tuple[bytes, ...]
    caches: tuple[bytes, ...]
    jukeboxes: tuple[bytes, ...]
    threshold: int
    """MAGDeviceThreshHold: MB; below it the oldest patients go. 0 is never."""
    lru_sort: str
    watch_folder: bytes

    @property
    def sync_files(self) -> bool:
        """Whether the operator asked for durability against loss of power: then files are synced as commits are."""
        words = self.startup.lower() if self.driver == "sqlite" else ""
        return "synchronous" in words and ("full" in words or "extra" in words)


def options_from(settings: Settings) -> ArchiveOptions:
    """Pick what the archive uses."""
    startups = {
        "sqlite": settings.sqlite_startup,
        "postgres": settings.postgres_startup,
        "mysql": settings.mysql_startup,
    }
    startup = startups[settings.driver].strip().rstrip(";")
    return ArchiveOptions(
        ae_title=settings.ae_title,
        driver=settings.driver,
        database=settings.database,
        host=settings.sql_host,
        username=settings.username,
        password=settings.password,
        password_file=settings.password_file,
        latin1=settings.utf8_to_db and settings.utf8_from_db,
        startup="" if startup.lower().replace(" ", "") == _ORIGINAL_STARTUP else startup,
        devices=_folders(settings.mag_devices),
        full_threshold=settings.mag_full_threshold,
        ignore_threshold=settings.ignore_mag_threshold,
        table_names=(settings.patient_table, settings.study_table, settings.series_table, settings.image_table),
        worklist_name=settings.worklist_table,
        sort_orders=(
            settings.patient_query_sort_order,
            settings.study_query_sort_order,
            settings.series_query_sort_order,
            settings.image_query_sort_order,
        ),
        truncate_names=max(settings.truncate_field_names, 0),
        max_field_length=max(settings.max_field_length, 0),
        allow_truncate=frozenset(settings.allow_truncate),
        file_name_syntax=settings.file_name_syntax,
        max_file_name=settings.max_file_name_length,
        rename_on_rewrite=settings.rename_on_rewrite,
        ignore_rewrite=settings.ignore_rewrite,
        failed_status=settings.storage_failed_error_code,
        allow_empty_id=settings.allow_empty_patient_id,
        fix_philips=settings.fix_philips,
        fix_kodak=settings.fix_kodak,
        computed_fields=settings.enable_computed_fields,
        iso_ir=settings.queries_return_iso_ir,
        worklist_iso_ir=settings.worklist_returns_iso_ir,
        worklist_mode=settings.worklist_mode,
        incoming_compression=_setting_or_mode(settings.incoming_compression, settings.file_compress_mode),
        dropped_compression=_setting_or_mode(settings.dropped_file_compression, settings.file_compress_mode),
        dictionary=settings.dictionary,
        mirrors=_folders(settings.mirror_devices),
        caches=_folders(settings.cache_devices),
        jukeboxes=_folders(settings.jukebox_devices),
        threshold=settings.mag_threshold,
        lru_sort=settings.lru_sort,
        watch_folder=settings.watch_folder.encode("utf-8", "surrogateescape"),
    )


def _folders(names: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple(name.encode("utf-8", "surrogateescape") for name in names)


def _setting_or_mode(setting: str, file_compress_mode: int) -> str:
    """An empty setting falls back to the obsolete FileCompressMode, 1 to 4."""
    return setting or (f"n{file_compress_mode}" if 1 <= file_compress_mode <= 4 else "")
