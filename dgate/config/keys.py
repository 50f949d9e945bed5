"""The keys of dicom.ini beside those that become a field of `Settings` (conquest-server.md 2.2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dgate.config.inifile import Entry, IniFile


def _spellings(text: str) -> dict[str, str]:
    """Names by their lower case."""
    return {name.lower(): name for name in text.split()}


READ_ELSEWHERE = _spellings(
    "MicroPACS SQLite PostGres MySQL SQLServer AllowTruncate MAGDevices MIRRORDevices CACHEDevices JUKEBOXDevices"
)
"""Known to the code that reads the file."""

NUMBERED = _spellings("""
    MAGDevice MIRRORDevice CACHEDevice JUKEBOXDevice
    ImportConverter ImportModality ImportStationName ImportCallingAE ImportCalledAE
    ExportConverter ExportModality ExportStationName ExportCallingAE ExportCalledAE ExportFilter
    QueryConverter WorkListQueryConverter RetrieveConverter RetrieveResultConverter QueryResultConverter
    ModalityWorkListQueryResultConverter RejectedImageConverter RejectedImageWorkListConverter
    RegenConverter RegenFailConverter ArchiveConverter MoveDeviceConverter MergeSeriesConverter MergeStudiesConverter
    CompressionConverter VirtualServerFor VirtualServerPerSeries
    VirtualServerQueryConverter VirtualServerQueryResultConverter
""")
"""Known with a number behind."""

WITHOUT_EFFECT = {
    **_spellings("WEBReadOnly WEBPush WebServerFor WEBScriptAddress WEBMAG0Address WebCodeBase"),
    # the dBase driver and the program with windows
    **_spellings("PackDBF IndexDBF LongQueryDBF BrowseThroughDBF Edition"),
    # mail on errors, and tables of programs that no longer exist
    **_spellings("MailHost MailPort MailSignon MailFromName MailRcptName1 MailCollectTime MailWaitTime"),
    **_spellings("DMarkTableName RegisteredMOPDeviceTable UIDToMOPIDTable UIDToCDRIDTable MOPDevices"),
    # how the original goes about things
    **_spellings("DelayIncomingFileOpen IgnoreOutOfMemoryErrors KeepAlive LargeFileSizeKB PrintSquareLandscape"),
    **_spellings("UseKpacsDecompression JavaMinVersion WorkListReturnsISO_IR_100"),
}
"""Known to the original in one of its versions; accepted and ignored."""

NEAR = 0.8
"""How much of a key must be right before we guess what was meant."""
MAX_GUESSES = 10
"""A file full of unknown keys is another kind of file: nobody needs guesses then, and each costs some milliseconds."""


def without_effect(ini: IniFile) -> tuple[str, ...]:
    """The ignored keys that the file has, as written there, in its order."""
    return tuple(entry.key for entry in ini if entry.key.lower() in WITHOUT_EFFECT)


def unknown(ini: IniFile, own: Mapping[str, str]) -> Iterator[tuple[Entry, str]]:
    """Entries that nobody knows, each with a known key that looks much like it, or nothing. `own` as `READ_ELSEWHERE`.

    A key that begins with a sign is a line somebody has put out of use: `#` is not special in this file, but common.
    """
    guesses = 0
    for entry in ini:
        key = entry.key.lower()
        known = key in own or key in READ_ELSEWHERE or key in WITHOUT_EFFECT or _is_numbered(key)
        if not known and key[0].isalnum():
            guesses += 1
            yield entry, _nearest(key, own) if guesses <= MAX_GUESSES else ""


def _is_numbered(key: str) -> bool:
    name = key.rstrip("0123456789")
    return name != key and name in NUMBERED


def _nearest(key: str, own: Mapping[str, str]) -> str:
    from difflib import get_close_matches

    name = key.rstrip("0123456789")
    number = key[len(name) :]
    known = NUMBERED if number else {**READ_ELSEWHERE, **WITHOUT_EFFECT, **own}
    found = get_close_matches(name, known, n=1, cutoff=NEAR)
    return known[found[0]] + number if found else ""
