"""The keys of dicom.ini that the server itself acts on, typed and with their defaults (conquest-server.md 2.2).

Converters and scripts read their own keys through `Settings.ini`.

The keys with "ThreshHold" exist in two spellings. Conquest reads only the old one, with two h; the modern one has
never had an effect there. Nobody can rely on that, and a person who writes the modern one means it, so both count here:
the old spelling first, else the modern one.
"""

from __future__ import annotations

import os
from typing import Any, TypeVar

from dgate.config import keys
from dgate.config.faults import Fault
from dgate.config.inifile import IniFile
from dgate.config.reader import Driver, Reader
from dgate.record import dataclass, field, fields

T = TypeVar("T")


def _key(name: str, default: T, *, also: str = "") -> T:
    """A field read from the key `name` (or, failing that, `also`); its type is that of the default."""
    return field(default=default, metadata={"key": name, "also": also})


def _path(name: str, default: str) -> str:
    """A file name: without a `/` it is relative to the instance directory."""
    return field(default=default, metadata={"key": name, "also": "", "path": True})


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Settings:
    """What dicom.ini says. Field order and meaning follow the tables of conquest-server.md 2.2.

    Without a text form, which would show the password, and without comparison: making both costs a start 1 ms.
    """

    ini: IniFile
    base_dir: str
    """The instance directory: where dicom.ini lies."""
    path: str
    """dicom.ini itself, whatever its name."""
    given_port: int | None
    """Option `-p` (or the environment), which goes before the file however often that is read."""
    given_ae_title: str | None
    """Option `-h`, likewise."""
    given_debug_level: int | None
    """Option `-b`, likewise."""

    # identity and network
    ae_title: str = _key("MyACRNema", "none")
    port: int = _key("TCPPort", 104)
    pacs_name: str = _key("PACSName", "MicroPACS")
    operator_console: str = _key("OperatorConsole", "")
    tcpip_timeout: int = _key("TCPIPTimeOut", 300)
    server_commands_from: str = _key("ServerCommandsFrom", "local")
    """Not a key of Conquest: who may send server commands, `local` (this host's own loopback address) or `any`."""
    pad_ae_with_zeros: bool = _key("PadAEWithZeros", default=False)
    send_upper_case_ae: bool = _key("SendUpperCaseAE", default=False)
    acrnema_map: str = _path("ACRNemaMap", "acrnema.map")
    sop_class_list: str = _path("SOPClassList", "dgatesop.lst")
    kfactor_file: str = _path("kFactorFile", "dicom.sql")
    dictionary: str = _path("Dictionary", "dgate.dic")
    trouble_log: str = _path("TroubleLog", "PacsTrouble.log")
    user_log: str = _path("UserLog", "PacsUser.log")
    debug_level: int = _key("DebugLevel", 0)

    # database
    driver: Driver = "sqlite"
    """Which of SQLite, PostGres, MySQL is 1; the first in this order when several are."""
    database: str = ""
    """SQLServer: a file name for SQLite (path rule applied), else the database's name."""
    sql_host: str = _key("SQLHost", "localhost")
    username: str = _key("Username", "Administrator")
    password: str = _key("Password", "password")
    password_file: str = _path("PasswordFile", "")
    """Not a key of Conquest: a file whose first line is the password; goes before Password."""
    use_escape_string_constants: bool = _key("UseEscapeStringConstants", default=False)
    double_backslash_to_db: bool = _key("DoubleBackSlashToDB", default=False)
    utf8_to_db: bool = _key("UTF8ToDB", default=False)
    utf8_from_db: bool = _key("UTF8FromDB", default=False)
    sqlite_startup: str = _key("SQLiteStartup", "PRAGMA synchronous = OFF")
    postgres_startup: str = _key("PostGreSQLStartup", "")
    mysql_startup: str = _key("MySQLStartup", "")
    truncate_field_names: int = _key("TruncateFieldNames", 10)
    max_field_length: int = _key("MaxFieldLength", 0)
    patient_table: str = _key("PatientTableName", "DICOMPatients")
    study_table: str = _key("StudyTableName", "DICOMStudies")
    series_table: str = _key("SeriesTableName", "DICOMSeries")
    image_table: str = _key("ImageTableName", "DICOMImages")
    worklist_table: str = _key("WorkListTableName", "DICOMWorkList")
    patient_query_sort_order: str = _key("PatientQuerySortOrder", "")
    study_query_sort_order: str = _key("StudyQuerySortOrder", "")
    series_query_sort_order: str = _key("SeriesQuerySortOrder", "")
    image_query_sort_order: str = _key("ImageQuerySortOrder", "")
    enable_computed_fields: bool = _key("EnableComputedFields", default=False)
    allow_truncate: tuple[str, ...] = ()
    """AllowTruncate: column names (as truncated) whose values may be cut without `***` in the log."""

    # storage; a device folder always ends in `/`
    mag_devices: tuple[str, ...] = ()
    mirror_devices: tuple[str, ...] = ()
    cache_devices: tuple[str, ...] = ()
    jukebox_devices: tuple[str, ...] = ()
    mag_full_threshold: int = _key("MAGDeviceFullThreshHold", 30, also="MAGDeviceFullThreshold")
    mag_threshold: int = _key("MAGDeviceThreshHold", 0, also="MAGDeviceThreshold")
    ignore_mag_threshold: bool = _key("IgnoreMAGDeviceThreshHold", default=False, also="IgnoreMAGDeviceThreshold")
    nightly_clean_threshold: int = _key("NightlyCleanThreshHold", 0, also="NightlyCleanThreshold")
    lru_sort: str = _key("LRUSort", "")
    file_name_syntax: str = _key("FileNameSyntax", "4")
    max_file_name_length: int = _key("MaxFileNameLength", 255)
    rename_on_rewrite: bool = _key("RenameOnRewrite", default=False)
    ignore_rewrite: bool = _key("IgnoreRewrite", default=False)
    incoming_compression: str = _key("IncomingCompression", "")
    dropped_file_compression: str = _key("DroppedFileCompression", "")
    archive_compression: str = _key("ArchiveCompression", "")
    file_compress_mode: int = _key("FileCompressMode", 0)
    lossy_quality: int = _key("LossyQuality", 95)
    use_builtin_jpeg: bool = _key("UseBuiltInJPEG", default=True)
    use_builtin_decompressor: bool = _key("UseBuiltInDecompressor", default=True)
    decompress_non16_bits_jpeg: bool = _key("DecompressNon16BitsJpeg", default=True)
    stop_on_jpeg_warnings: bool = _key("StopOnJPEGWarnings", default=False)
    use_openjpg: bool = _key("UseOpenJPG", default=False)
    allow_nki_as_dicom: bool = _key("AllowNKIAsDICOM", default=False)
    no_dicom_check: bool = _key("NoDicomCheck", default=False)
    storage_failed_error_code: int = _key("StorageFailedErrorCode", 0x0110)
    allow_empty_patient_id: bool = _key("AllowEmptyPatientID", default=False)
    fix_philips: bool = _key("FixPhilips", default=False)
    fix_kodak: bool = _key("FixKodak", default=False)
    uid_prefix: str = _key("UIDPrefix", "1.2.826.0.1.3680043.2.135.1066")
    temp_dir: str = _path("TempDir", "")
    watch_folder: str = _path("WatchFolder", "")
    import_export_drag_and_drop: bool = _key("ImportExportDragAndDrop", default=True)
    zip_time: str = _key("ZipTime", "")

    storage_commitment: bool = _key("StorageCommitment", default=False)
    """Not a key of Conquest: accept storage commitment (PS3.4 annex J), which the original lacks."""

    # query and worklist
    queries_return_iso_ir: int = _key("QueriesReturnISO_IR", 0)
    worklist_returns_iso_ir: int = _key("WorkListReturnsISO_IR", 100)
    worklist_mode: int = _key("WorkListMode", 0)
    prefetcher: bool = _key("Prefetcher", default=False)
    enable_read_ahead_thread: bool = _key("EnableReadAheadThread", default=True)
    overlap_virtual_get: int = _key("OverlapVirtualGet", 0)
    cache_virtual_data: bool = _key("CacheVirtualData", default=True)

    # forwarding; the converters themselves are read from `ini`
    export_converters: int = _key("ExportConverters", 0)
    forward_association_level: str = _key("ForwardAssociationLevel", "STUDY")
    forward_association_close_delay: int = _key("ForwardAssociationCloseDelay", 5)
    forward_association_refresh_delay: int = _key("ForwardAssociationRefreshDelay", 3600)
    forward_association_release: bool = _key("ForwardAssociationRelease", default=True)
    forward_collect_delay: int = _key("ForwardCollectDelay", 600)
    fail_hold_off: int = _key("FailHoldOff", 60)
    retry_delay: int = _key("RetryDelay", 100)
    retry_forward_failed: bool = _key("RetryForwardFailed", default=False)
    retry_forward_remote_dicom_error: bool = _key("RetryForwardRemoteDICOMError", default=False)
    maximum_export_retries: int = _key("MaximumExportRetries", 0)
    maximum_delayed_fetch_forward_retries: int = _key("MaximumDelayedFetchForwardRetries", 0)
    delayed_forwarder_threads: int = _key("DelayedForwarderThreads", 1)
    queue_size: int = _key("QueueSize", 128)

    # scripts; not keys of Conquest
    lua_max_instructions: int = _key("LuaMaxInstructions", 2000)
    """In millions: what one call of a script may take."""
    lua_max_memory: int = _key("LuaMaxMemory", 512)
    """In MB: what the scripts of one association may keep in memory."""
    lua_sandbox: bool = _key("LuaSandbox", default=False)
    """Scripts without `os`, `io`, `package`, `debug` and `system`."""

    without_effect: tuple[str, ...] = ()
    """Keys of the file that the original knows, but that do nothing here."""


def load_settings(
    ini: IniFile,
    base_dir: str,
    *,
    port: int | None = None,
    ae_title: str | None = None,
    debug_level: int | None = None,
    file_name: str = "dicom.ini",
) -> tuple[Settings, tuple[Fault, ...]]:
    """Read every known key; `port`, `ae_title` and `debug_level` (options `-p`, `-h`, `-b`) go before the file's.

    Pure, never raises: what is wrong is in the faults, and a non-fatal one says what was taken instead.
    """
    path = os.path.join(base_dir, file_name)
    reader = Reader(ini, base_dir, path)
    values: dict[str, Any] = {item.name: reader.read(item) for item in fields(Settings) if "key" in item.metadata}
    values["driver"] = reader.driver()
    values["database"] = reader.database(values["driver"])
    values["allow_truncate"] = tuple(name for part in ini.get("AllowTruncate").split(",") if (name := part.strip()))
    values["mag_devices"] = reader.devices("MAG", 1, required=True)
    for kind in ("MIRROR", "CACHE", "JUKEBOX"):
        values[f"{kind.lower()}_devices"] = reader.devices(kind, 0, required=False)
    values["ae_title"] = reader.ae_title(values["ae_title"]) if ae_title is None else ae_title
    values["port"] = reader.port(values["port"]) if port is None else port
    values["server_commands_from"] = reader.commands_from(values["server_commands_from"])
    values["debug_level"] = values["debug_level"] if debug_level is None else debug_level
    values["without_effect"] = keys.without_effect(ini)
    reader.report_cuts()
    reader.report_unknown(_SPELLINGS)
    given: dict[str, Any] = {"given_port": port, "given_ae_title": ae_title, "given_debug_level": debug_level}
    return Settings(ini=ini, base_dir=base_dir, path=path, **given, **values), tuple(reader.faults)


FIXED_AT_START = (
    "port",
    "kfactor_file",
    "dictionary",
    "trouble_log",
    "user_log",
    "driver",
    "database",
    "sql_host",
    "username",
    "password",
    "password_file",
    "use_escape_string_constants",
    "double_backslash_to_db",
    "utf8_to_db",
    "utf8_from_db",
    "sqlite_startup",
    "postgres_startup",
    "mysql_startup",
    "truncate_field_names",
    "max_field_length",
    "patient_table",
    "study_table",
    "series_table",
    "image_table",
    "worklist_table",
    "mag_devices",
    "mirror_devices",
    "cache_devices",
    "jukebox_devices",
)
"""What a running server has open or has built upon: a change in the file counts from the next start on."""


def key_of(name: str) -> str:
    """The key of dicom.ini that a field comes from, for messages."""
    return _OTHER_KEYS.get(name) or next(item.metadata["key"] for item in fields(Settings) if item.name == name)


_OTHER_KEYS = {
    "driver": "SQLite, PostGres, MySQL",
    "database": "SQLServer",
    "allow_truncate": "AllowTruncate",
    **{f"{kind.lower()}_devices": f"{kind}Devices" for kind in ("MAG", "MIRROR", "CACHE", "JUKEBOX")},
}
_SPELLINGS = {
    item.metadata[which].lower(): item.metadata[which]
    for item in fields(Settings)
    for which in ("key", "also")
    if item.metadata.get(which)
}
