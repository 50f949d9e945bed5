"""The keys of dicom.ini that the server itself acts on, typed and with their defaults (conquest-server.md 2.2).

Converters and scripts read their own keys through `Settings.ini`.

The keys with "ThreshHold" exist in two spellings. Conquest reads only the old one, with two h; the modern one has
never had an effect there. Nobody can rely on that, and a person who writes the modern one means it, so both count here:
the old spelling first, else the modern one.
"""

from __future__ import annotations

import os
from dataclasses import Field, dataclass, field, fields
from typing import Any, Literal, TypeVar

from dgate.config.faults import Fault
from dgate.config.identity import MAX_AE_TITLE
from dgate.config.inifile import IniFile

T = TypeVar("T")
Driver = Literal["sqlite", "postgres", "mysql"]

_DRIVERS: tuple[tuple[str, Driver], ...] = (("SQLite", "sqlite"), ("PostGres", "postgres"), ("MySQL", "mysql"))


def _key(name: str, default: T, *, also: str = "") -> T:
    """A field read from the key `name` (or, failing that, `also`); its type is that of the default."""
    return field(default=default, metadata={"key": name, "also": also})


def _path(name: str, default: str) -> str:
    """A file name: without a `/` it is relative to the instance directory."""
    return field(default=default, metadata={"key": name, "also": "", "path": True})


@dataclass(frozen=True, slots=True)
class Settings:
    """What dicom.ini says. Field order and meaning follow the tables of conquest-server.md 2.2."""

    ini: IniFile
    base_dir: str
    """The instance directory: where dicom.ini lies."""
    path: str
    """dicom.ini itself, whatever its name."""
    given_port: int | None
    """Option `-p` (or the environment), which goes before the file however often that is read."""
    given_ae_title: str | None
    """Option `-h`, likewise."""

    # identity and network
    ae_title: str = _key("MyACRNema", "none")
    port: int = _key("TCPPort", 104)
    pacs_name: str = _key("PACSName", "MicroPACS")
    operator_console: str = _key("OperatorConsole", "")
    tcpip_timeout: int = _key("TCPIPTimeOut", 300)
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

    # query and worklist
    queries_return_iso_ir: int = _key("QueriesReturnISO_IR", 0)
    worklist_returns_iso_ir: int = _key("WorkListReturnsISO_IR", 100)
    worklist_mode: int = _key("WorkListMode", 0)
    enable_read_ahead_thread: bool = _key("EnableReadAheadThread", default=True)
    cache_virtual_data: bool = _key("CacheVirtualData", default=True)


def load_settings(
    ini: IniFile,
    base_dir: str,
    *,
    port: int | None = None,
    ae_title: str | None = None,
    file_name: str = "dicom.ini",
) -> tuple[Settings, tuple[Fault, ...]]:
    """Read every known key; `port` and `ae_title` (options `-p`, `-h`) go before the file's.

    Pure, never raises: what is wrong is in the faults, and a non-fatal one says what was taken instead.
    """
    path = os.path.join(base_dir, file_name)
    reader = _Reader(ini, base_dir, path)
    values: dict[str, Any] = {item.name: reader.read(item) for item in fields(Settings) if "key" in item.metadata}
    values["driver"] = reader.driver()
    values["database"] = reader.database(values["driver"])
    values["allow_truncate"] = tuple(name for part in ini.get("AllowTruncate").split(",") if (name := part.strip()))
    values["mag_devices"] = reader.devices("MAG", 1, required=True)
    for kind in ("MIRROR", "CACHE", "JUKEBOX"):
        values[f"{kind.lower()}_devices"] = reader.devices(kind, 0, required=False)
    values["ae_title"] = reader.ae_title(values["ae_title"]) if ae_title is None else ae_title
    values["port"] = reader.port(values["port"]) if port is None else port
    reader.report_cuts()
    given: dict[str, Any] = {"given_port": port, "given_ae_title": ae_title}
    return Settings(ini=ini, base_dir=base_dir, path=path, **given, **values), tuple(reader.faults)


FIXED_AT_START = (
    "port",
    "acrnema_map",
    "kfactor_file",
    "dictionary",
    "trouble_log",
    "user_log",
    "driver",
    "database",
    "sql_host",
    "username",
    "password",
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


def resolve(base_dir: str, value: str) -> str:
    """The path rule of 2.1: no `/` in it means the instance directory, otherwise it is used as it is."""
    return value if "/" in value or not value else os.path.join(base_dir, value)


class _Reader:
    """Turns values of one file into typed ones and collects the faults on the way."""

    def __init__(self, ini: IniFile, base_dir: str, file: str) -> None:
        self._ini = ini
        self._base_dir = base_dir
        self._file = file
        self.faults: list[Fault] = []

    def read(self, item: Field[Any]) -> str | int:
        """The value of a field made by `_key` or `_path`, typed like its default."""
        default: Any = item.default
        entry = self._ini.find(item.metadata["key"]) or self._ini.find(item.metadata["also"])
        if entry is None:
            value: str | int = default
        elif isinstance(default, str):
            value = entry.value
        else:
            value = self._number(entry.key, entry.value, default)
        if "path" in item.metadata:
            return resolve(self._base_dir, str(value or default))
        return bool(value) if isinstance(default, bool) else value

    def driver(self) -> Driver:
        chosen = [(key, driver) for key, driver in _DRIVERS if self._number(key, self._ini.get(key, "0"), 0)]
        if not chosen:
            self._fault(
                "SQLite", "no database driver is on; write SQLite = 1 (or PostGres = 1, or MySQL = 1)", fatal=True
            )
            return "sqlite"
        for key, _ in chosen[1:]:
            self._fault(key, f"ignored, because {chosen[0][0]} is on as well")
        return chosen[0][1]

    def database(self, driver: Driver) -> str:
        name = self._ini.get("SQLServer")
        if not name:
            what = "the database file" if driver == "sqlite" else "the database"
            self._fault("SQLServer", f"missing or empty; it names {what}", fatal=True)
        return resolve(self._base_dir, name) if driver == "sqlite" else name

    def devices(self, kind: str, default_count: int, *, required: bool) -> tuple[str, ...]:
        """The folders `<kind>Device0` up to the count. A gap ends the list: numbers are stored in the database."""
        count_key = f"{kind}Devices"
        count = self._number(count_key, self._ini.get(count_key, str(default_count)), default_count)
        if required and count < 1:
            self._fault(count_key, "is less than 1, so there is no device to store on", fatal=True)
        found: list[str] = []
        while len(found) < count:
            key = f"{kind}Device{len(found)}"
            folder = self._ini.get(key)
            if folder in ("", "NULL"):
                ignored = "" if required else "; this and the following ones are ignored"
                self._fault(key, f"missing or empty, although {count_key} is {count}{ignored}", fatal=required)
                break
            folder = resolve(self._base_dir, folder)
            found.append(folder if folder.endswith("/") else folder + "/")
        return tuple(found)

    def ae_title(self, title: str) -> str:
        if len(title) > MAX_AE_TITLE:
            self._fault("MyACRNema", f"longer than {MAX_AE_TITLE} characters; cut to {title[:MAX_AE_TITLE]!r}")
        return title[:MAX_AE_TITLE]

    def port(self, port: int) -> int:
        if not 1 <= port <= 65535:
            self._fault("TCPPort", f"{port} is not between 1 and 65535", fatal=True)
        return port

    def report_cuts(self) -> None:
        for entry in self._ini:
            if entry.cut:
                self._fault(entry.key, "too long, the end of it is ignored")

    def _number(self, key: str, text: str, default: int) -> int:
        digits = text[1:] if text[:1] in ("-", "+") else text
        if digits.isascii() and digits.isdigit() and len(digits) <= 10:
            return int(text)
        self._fault(key, f"{text!r} is not a number; {int(default)} is used")
        return default

    def _fault(self, key: str, message: str, *, fatal: bool = False) -> None:
        self.faults.append(Fault(self._file, self._ini.line_of(key), key, message, fatal))
