"""Write dicom.sql, dgatesop.lst and dgate.dic of the instance template.

The columns are those of the tables that a Conquest server makes (conquest-server.md 5.2), the rest comes from the DICOM
standard's own lists as pydicom carries them. Run it from the repository's root after changing it:

    python tools/generate_config.py
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pydicom
from pydicom._dicom_dict import DicomDictionary, RepeatersDictionary
from pydicom._uid_dict import UID_dictionary

CONFIG = Path(__file__).resolve().parent.parent / "templates" / "mount" / "config"

Row = tuple[int, str, int, str]
"""Tag, column name, length, DICOM type."""

PATIENT: tuple[Row, ...] = (
    (0x00100020, "PatientID", 64, "STR"),
    (0x00100010, "PatientName", 64, "STR"),
    (0x00100030, "PatientBirthDate", 8, "DATE"),
    (0x00100040, "PatientSex", 16, "STR"),
)
STUDY: tuple[Row, ...] = (
    (0x0020000D, "StudyInstanceUID", 64, "UI"),
    (0x00080020, "StudyDate", 8, "DATE"),
    (0x00080030, "StudyTime", 16, "TIME"),
    (0x00200010, "StudyID", 16, "STR"),
    (0x00081030, "StudyDescription", 64, "STR"),
    (0x00080050, "AccessionNumber", 16, "STR"),
    (0x00080090, "ReferPhysician", 64, "STR"),
    (0x00101010, "PatientsAge", 16, "STR"),
    (0x00101030, "PatientsWeight", 16, "STR"),
    (0x00080061, "StudyModality", 64, "MSTR"),
    (0x00100010, "PatientName", 64, "STR"),
    (0x00100030, "PatientBirthDate", 8, "DATE"),
    (0x00100040, "PatientSex", 16, "STR"),
    (0x00100020, "PatientID", 64, "STR"),
)
SERIES: tuple[Row, ...] = (
    (0x0020000E, "SeriesInstanceUID", 64, "UI"),
    (0x00200011, "SeriesNumber", 12, "STR"),
    (0x00080021, "SeriesDate", 8, "DATE"),
    (0x00080031, "SeriesTime", 16, "TIME"),
    (0x0008103E, "SeriesDescription", 64, "STR"),
    (0x00080060, "Modality", 16, "STR"),
    (0x00185100, "PatientPosition", 16, "STR"),
    (0x00180010, "ContrastBolusAgent", 64, "STR"),
    (0x00080070, "Manufacturer", 64, "STR"),
    (0x00081090, "ModelName", 64, "STR"),
    (0x00180015, "BodyPartExamined", 64, "STR"),
    (0x00181030, "ProtocolName", 64, "STR"),
    (0x00081010, "StationName", 16, "STR"),
    (0x00080080, "InstitutionName", 64, "STR"),
    (0x00200052, "FrameOfReferenceUID", 64, "UI"),
    (0x00100020, "SeriesPat", 64, "STR"),
    (0x0020000D, "StudyInstanceUID", 64, "UI"),
)
IMAGE: tuple[Row, ...] = (
    (0x00080018, "SOPInstanceUID", 64, "UI"),
    (0x00080016, "SOPClassUID", 64, "UI"),
    (0x00200013, "ImageNumber", 12, "STR"),
    (0x00080023, "ImageDate", 8, "DATE"),
    (0x00080033, "ImageTime", 16, "TIME"),
    (0x00180086, "EchoNumber", 64, "STR"),
    (0x00280008, "NumberOfFrames", 12, "STR"),
    (0x00080022, "AcqDate", 8, "DATE"),
    (0x00080032, "AcqTime", 16, "TIME"),
    (0x00181250, "ReceivingCoil", 16, "STR"),
    (0x00200012, "AcqNumber", 12, "STR"),
    (0x00201041, "SliceLocation", 16, "STR"),
    (0x00280002, "SamplesPerPixel", 5, "UINT16"),
    (0x00280004, "PhotoMetricInterpretation", 16, "STR"),
    (0x00280010, "QRows", 5, "UINT16"),
    (0x00280011, "QColumns", 5, "UINT16"),
    (0x00280101, "BitsStored", 5, "UINT16"),
    (0x00080008, "ImageType", 128, "MSTR"),
    (0x00540400, "ImageID", 16, "STR"),
    (0x00100020, "ImagePat", 64, "STR"),
    (0x0020000E, "SeriesInstanceUID", 64, "UI"),
)
# The HL7 tags follow the mapping of order messages to worklist attributes in the IHE scheduled workflow profile (order
# message ORM^O01: PID patient, OBR order detail); --- is an attribute that an order message does not carry.
WORKLIST: tuple[tuple[int, str, int, str, str], ...] = (
    (0x00080050, "AccessionNumber", 16, "STR", "OBR.18"),
    (0x00100020, "PatientID", 64, "STR", "PID.3"),
    (0x00100010, "PatientName", 64, "STR", "PID.5"),
    (0x00100030, "PatientBirthDate", 8, "DATE", "PID.7"),
    (0x00100040, "PatientSex", 16, "STR", "PID.8"),
    (0x00102000, "MedicalAlerts", 64, "STR", "OBR.13"),
    (0x00102110, "ContrastAllergies", 64, "STR", "---"),
    (0x0020000D, "StudyInstanceUID", 64, "UI", "---"),
    (0x00321032, "ReqPhysician", 64, "STR", "OBR.16"),
    (0x00321060, "ReqProcDescription", 64, "STR", "OBR.44.1"),
    (0x00400100, "ScheduledProcedureStep", 0, "STARTSEQUENCE", "---"),
    (0x00080060, "Modality", 16, "STR", "OBR.24"),
    (0x00321070, "ReqContrastAgent", 64, "STR", "---"),
    (0x00400001, "ScheduledAE", 16, "STR", "---"),
    (0x00400002, "StartDate", 8, "DATE", "OBR.36.DATE"),
    (0x00400003, "StartTime", 16, "TIME", "OBR.36.TIME"),
    (0x00400006, "PerfPhysician", 64, "STR", "OBR.34"),
    (0x00400007, "SchedPSDescription", 64, "STR", "OBR.4.1"),
    (0x00400009, "SchedPSID", 16, "STR", "OBR.20"),
    (0x00400010, "SchedStationName", 16, "STR", "---"),
    (0x00400011, "SchedPSLocation", 16, "STR", "---"),
    (0x00400012, "PreMedication", 64, "STR", "---"),
    (0x00400400, "SchedPSComments", 64, "STR", "---"),
    (0x00400100, "ScheduledProcedureStep", 0, "ENDSEQUENCE", "---"),
    (0x00401001, "ReqProcID", 16, "STR", "OBR.19"),
    (0x00401003, "ReqProcPriority", 16, "STR", "OBR.27"),
)

SQL_HEADER = """\
/*
 * dicom.sql: the attributes that the database holds, one block per table.
 *
 * Each line: group, element, column name, length, SQL type, DICOM type; in the worklist one more field: the place of
 * the value in an HL7 message. The first line of a block is its primary key, the last one the link to the table above.
 * Column names are cut to 10 characters in the database (TruncateFieldNames).
 *
 * After a change the database must be made again: dgate -r
 */
"""

QUERY_MODELS = tuple(f"1.2.840.10008.5.1.4.1.2.{model}.{service}" for model in (1, 2, 3) for service in (1, 2, 3))
PRINT_CLASSES = tuple(f"1.2.840.10008.5.1.1.{suffix}" for suffix in ("1", "2", "4", "4.1", "9", "14", "16", "18"))
WORKLIST_FIND = "1.2.840.10008.5.1.4.31"
VERIFICATION = "1.2.840.10008.1.1"
STORAGE_ROOT = "1.2.840.10008.5.1.4.1.1."
OTHER_STORAGE = ("1.2.840.10008.5.1.4.34.7", "1.2.840.10008.5.1.4.34.10")
FOREIGN = (f"{STORAGE_ROOT}501.", f"{STORAGE_ROOT}601.")
"""Security screening (DICOS) and material testing (DICONDE): no patients."""
PRIVATE_RETRIEVE = {
    f"1.2.826.0.1.3680043.2.135.1066.5.1.4.1.2.{model}.2": f"ConquestPrivate{name}RetrieveMove"
    for model, name in ((1, "PatientRoot"), (2, "StudyRoot"), (3, "PatientStudyOnly"))
}
TRANSFER_SYNTAXES = (
    *("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"),
    *(f"1.2.840.10008.1.2.4.{suffix}" for suffix in (50, 51, 53, 55, 57, 70, 80, 81, 90, 91)),
)
DISABLED_TRANSFER_SYNTAXES = ("1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.5")

SOP_HEADER = """\
# dgatesop.lst: what an association may propose. Read for each new association.
#
# Each line: name, UID or AE title, kind (sop, transfer, application, RemoteAE, LocalAE). A kind without any line:
# all of that kind is accepted. So adding a RemoteAE line locks out every caller that has none.
"""

PRIVATE_ATTRIBUTES = (
    (0x7FDF0010, "OB", "1", "NKI compressed pixel data", "NKIPixelData"),
    (0x99990300, "LO", "1", "Conquest console text", "ConquestConsoleText"),
    (0x99990400, "LO", "1", "Conquest console command", "ConquestConsoleCommand"),
    (0x99990401, "LT", "1", "Conquest console output", "ConquestConsoleOutput"),
    (0x99990402, "OB", "1", "Conquest uploaded file", "ConquestUploadedFile"),
    (0x99990404, "US", "1", "Conquest file length is odd", "ConquestFileLengthIsOdd"),
    (0x99990800, "LO", "1", "Conquest object file", "ConquestObjectFile"),
    (0x99990801, "LO", "1", "Conquest device name", "ConquestDeviceName"),
    (0x99990802, "US", "1", "Conquest virtual server mask", "ConquestVirtualServerMask"),
    (0x99990C00, "LO", "1", "Conquest query order", "ConquestQueryOrder"),
    (0x99990C01, "IS", "1", "Conquest query limit", "ConquestQueryLimit"),
    (0x99990C02, "IS", "1", "Conquest query offset", "ConquestQueryOffset"),
)
"""Elements that a Conquest server and its clients exchange (conquest-server.md 7.3, 9.1 and 11.2)."""

FIRST_VR = {"US or SS": "US", "OB or OW": "OW", "US or SS or OW": "US", "US or OW": "US", "NONE": "UN"}
"""Where the standard leaves a choice, the one that an implicit data set without further knowledge is read as."""


def dicom_sql() -> str:
    """The text of dicom.sql."""
    blocks = [
        _block(name, ((*row, "") for row in rows))
        for name, rows in (("Patient", PATIENT), ("Study", STUDY), ("Series", SERIES), ("Image", IMAGE))
    ]
    return "\n".join([SQL_HEADER, *blocks, _block("WorkList", WORKLIST)])


def _block(name: str, rows: Iterable[tuple[int, str, int, str, str]]) -> str:
    return f"*{name}*\n{{\n" + ",\n".join(_sql_line(*row) for row in rows) + "\n}\n"


def _sql_line(tag: int, name: str, length: int, dt: str, hl7: str) -> str:
    sql_type = "SQL_C_DATE" if dt == "DATE" else "SQL_C_CHAR"
    column = f'"{name}",'
    last = f', "{hl7}"' if hl7 else ""
    return f"\t{{ 0x{tag >> 16:04x}, 0x{tag & 0xFFFF:04x}, {column:<28} {length:>3}, {sql_type}, DT_{dt}{last} }}"


def dgatesop_lst() -> str:
    """The text of dgatesop.lst."""
    sections = (
        (
            "verification, query and retrieve",
            (VERIFICATION, *QUERY_MODELS, *PRIVATE_RETRIEVE, WORKLIST_FIND),
            "sop",
            "",
        ),
        ("storage", tuple(_storage_classes()), "sop", ""),
        ("print", PRINT_CLASSES, "sop", ""),
        ("transfer syntaxes", TRANSFER_SYNTAXES, "transfer", ""),
        ("take the # away to accept these as well", DISABLED_TRANSFER_SYNTAXES, "transfer", "#"),
    )
    lines = [SOP_HEADER.rstrip("\n")]
    for title, uids, kind, prefix in sections:
        lines += ["", f"# {title}"]
        lines += [f"{prefix}{_uid_name(uid):<78} {uid:<52} {kind}" for uid in uids]
    return "\n".join(lines) + "\n"


def _storage_classes() -> Iterator[str]:
    for uid, (_, kind, _, _, keyword) in UID_dictionary.items():
        of_patients = uid.startswith(STORAGE_ROOT) and not uid.startswith(FOREIGN)
        storage = "Storage" in keyword and not keyword.endswith("Trial")
        if kind == "SOP Class" and storage and (of_patients or uid in OTHER_STORAGE):
            yield uid


def _uid_name(uid: str) -> str:
    return PRIVATE_RETRIEVE.get(uid) or UID_dictionary[uid][4]


def dgate_dic() -> str:
    """The text of dgate.dic."""
    entries = {tag: (vr, vm, name, bool(retired), key) for tag, (vr, vm, name, retired, key) in DicomDictionary.items()}
    for mask, (vr, vm, name, retired, keyword) in RepeatersDictionary.items():
        entries.setdefault(int(mask.replace("x", "0"), 16), (vr, vm, name, bool(retired), keyword))
    for group in sorted({tag >> 16 for tag in entries} - {0xFFFE}):
        entries.setdefault(group << 16, ("UL", "1", "Group Length", False, f"GroupLength{group:04X}"))
    for tag, vr, vm, name, keyword in PRIVATE_ATTRIBUTES:
        entries[tag] = (vr, vm, name, False, keyword)
    lines = [_dic_line(tag, entry) for tag, entry in sorted(entries.items()) if entry[-1]]  # some retired have no name
    return "\n".join([*_dic_header(), *lines]) + "\n"


def _dic_header() -> list[str]:
    return [
        "# dgate.dic: the attributes of the DICOM standard (PS3.6 and PS3.7) and those that Conquest servers exchange.",
        "# VERS ends in RET for a retired attribute. Repeating groups stand once, as their lowest group.",
        f"# Made by tools/generate_config.py with the lists of pydicom {pydicom.__version__}.",
    ]


def _dic_line(tag: int, entry: tuple[str, str, str, bool, str]) -> str:
    vr, vm, name, retired, keyword = entry
    version = "4RET" if retired else "4"
    clean = name.replace('"', "'")
    return (
        f'({tag >> 16:04X},{tag & 0xFFFF:04X}) VERS="{version}"\tVR="{FIRST_VR.get(vr, vr)}"   VM="{vm}"'
        f'\tKeyword="{keyword}"\tName="{clean}"'
    )


def generated() -> dict[str, bytes]:
    """Every generated file: name and bytes."""
    texts = {"dicom.sql": dicom_sql(), "dgatesop.lst": dgatesop_lst(), "dgate.dic": dgate_dic()}
    return {name: text.encode("utf-8") for name, text in texts.items()}


def main() -> None:
    """Write the files into the template."""
    for name, data in generated().items():
        (CONFIG / name).write_bytes(data)
        print(f"{CONFIG / name}: {len(data)} bytes")


if __name__ == "__main__":
    main()
