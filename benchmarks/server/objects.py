"""The objects that are stored: prebuilt messages in which only identifiers of fixed width change.

A message is encoded once per association for the peer's PDU length. Between two stores nothing is built: a few slices
are overwritten and the buffers are sent. Pixels repeat; no server looks into them, but all copy or hash them.
"""

from __future__ import annotations

import datetime as dt
import random
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.server import wire

ROOT = "1.2.826.0.1.3680043.8.498"
BLOCK = 1024 * 1024
"""Objects with more than a few of these are sent as one block again and again."""
FIRST_DAY = dt.date(2015, 1, 1)
STUDIES_PER_DAY = 4


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of object and how it is spread: images per series, series per study, studies per patient."""

    name: str
    sop_class: str
    rows: int
    columns: int
    frames: int = 1
    images: int = 25
    series: int = 2
    studies: int = 2

    @property
    def pixels(self) -> int:
        """Bytes of pixel data."""
        return self.rows * self.columns * self.frames * 2


TINY = Kind("tiny", wire.CT_IMAGE, 16, 16)
SMALL = Kind("small", wire.CT_IMAGE, 64, 72)
CT = Kind("CT", wire.CT_IMAGE, 512, 512, images=100, studies=1)
MULTI_50MB = Kind("50 MB", wire.MULTI_FRAME, 512, 512, 95, images=2, series=1)
MULTI_1GB = Kind("1 GB", wire.MULTI_FRAME, 512, 512, 2048, images=1, series=1)


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose image it is. Every field has a fixed width, so that it can be overwritten in place."""

    patient_id: str
    patient_name: str
    study_date: str
    study: str
    series: str
    sop: str
    number: str


PLACEHOLDER = Identity("P" * 10, "N" * 18, "D" * 8, "T" * 45, "E" * 49, "I" * 56, "M" * 6)
FIELDS = Identity.__dataclass_fields__.keys()


def identities(kind: Kind, run: int, count: int, first_patient: int = 0) -> Iterator[Identity]:
    """The first `count` images of a run, patient after patient. Runs share no UID and no patient."""
    per_study = kind.images * kind.series
    for position in range(count):
        study_index, within = divmod(position, per_study)
        patient, study = divmod(study_index, kind.studies)
        series, image = divmod(within, kind.images)
        yield identity(run, first_patient + patient, study, series, image, kind.studies)


def identity(run: int, patient: int, study: int, series: int, image: int, studies: int) -> Identity:
    """One image by its place in the run."""
    study_uid = f"{ROOT}.{10_000_000 + run}.{100_000 + patient}.{101 + study}"
    series_uid = f"{study_uid}.{101 + series}"
    day = FIRST_DAY + dt.timedelta(days=(patient * studies + study) // STUDIES_PER_DAY)
    return Identity(
        f"{run % 10000:04d}-{patient:05d}",
        f"PATIENT{patient:05d}^ALPHA",
        f"{day:%Y%m%d}",
        study_uid,
        series_uid,
        f"{series_uid}.{100_001 + image}",
        f"{image + 1:06d}",
    )


class Message:
    """A C-STORE-RQ with its data set for one association."""

    def __init__(self, kind: Kind, longest: int, context: int = 1) -> None:
        head = data_set_head(kind, PLACEHOLDER)
        size = wire.room(longest)
        pixels = random.Random(kind.name).randbytes(size)  # noqa: S311 - the same bytes in every run
        inside = min(size - len(head), kind.pixels)
        rest = kind.pixels - inside
        full, tail = divmod(rest - 1, size) if rest else (0, -1)
        first = wire.pdu(context, 0 if rest else wire.LAST, head + pixels[:inside])
        one = wire.pdu(context, 0, pixels)
        end = wire.pdu(context, wire.LAST, pixels[: tail + 1]) if rest else b""
        in_block = full if full * len(one) <= 4 * BLOCK else max(1, BLOCK // len(one))
        self._times, left = divmod(full, in_block) if full * len(one) > 4 * BLOCK else (0, full)
        self._block = one * in_block if self._times else b""
        self._head = bytearray(_store_command(kind, context) + first)
        self._end = one * left + end
        if not self._times:
            self._head += self._end
            self._end = b""
        self.size = len(head) + kind.pixels
        self._slots = [(field, _places(self._head, getattr(PLACEHOLDER, field).encode())) for field in FIELDS]

    def patches(self, who: Identity) -> list[tuple[slice, bytes]]:
        """What has to be overwritten to make the message this image's; made before the clock runs."""
        return [(place, getattr(who, field).encode()) for field, places in self._slots for place in places]

    def send(self, sock: socket.socket, patches: list[tuple[slice, bytes]]) -> None:
        """Overwrite and send."""
        head = self._head
        for place, text in patches:
            head[place] = text
        sock.sendall(head)
        for _ in range(self._times):
            sock.sendall(self._block)
        if self._end:
            sock.sendall(self._end)

    def content(self, who: Identity) -> bytes:
        """The whole message as it goes out, for tests."""
        for place, text in self.patches(who):
            self._head[place] = text
        return bytes(self._head) + self._block * self._times + self._end


def _places(buffer: bytearray, text: bytes) -> list[slice]:
    found: list[slice] = []
    at = buffer.find(text)
    while at >= 0:
        found.append(slice(at, at + len(text)))
        at = buffer.find(text, at + len(text))
    return found


def _store_command(kind: Kind, context: int) -> bytes:
    rest = [
        (wire.SOP_CLASS, kind.sop_class.encode()),
        (wire.MESSAGE_ID, b"\x01\x00"),
        (wire.PRIORITY, b"\x00\x00"),
        (wire.SOP_INSTANCE, PLACEHOLDER.sop.encode()),
    ]
    return wire.pdu(context, wire.COMMAND | wire.LAST, wire.command(wire.C_STORE, rest, data_set=True))


def data_set_head(kind: Kind, who: Identity) -> bytes:
    """Explicit VR little endian up to the pixels: what a CT writes, more or less."""
    return b"".join(_element(tag, vr, value) for tag, vr, value in _attributes(kind, who)) + struct.pack(
        "<HH2s2xI", 0x7FE0, 0x0010, b"OW", kind.pixels
    )


def part10(kind: Kind, who: Identity) -> bytes:
    """A whole file (PS3.10), for clients that send files."""
    meta = _element(0x00020001, "OB", b"\x00\x01") + b"".join(
        _element(tag, "UI", text)
        for tag, text in (
            (0x00020002, kind.sop_class),
            (0x00020003, who.sop),
            (0x00020010, wire.EXPLICIT),
            (0x00020012, wire.IMPLEMENTATION),
        )
    )
    length = _element(0x00020000, "UL", struct.pack("<I", len(meta)))
    return bytes(128) + b"DICM" + length + meta + data_set_head(kind, who) + bytes(kind.pixels)


def _attributes(kind: Kind, who: Identity) -> list[tuple[int, str, str | bytes]]:
    frames: list[tuple[int, str, str | bytes]] = [(0x00280008, "IS", str(kind.frames))] if kind.frames > 1 else []
    return [
        (0x00080005, "CS", "ISO_IR 100"), (0x00080008, "CS", "ORIGINAL\\PRIMARY\\AXIAL"),
        (0x00080016, "UI", kind.sop_class), (0x00080018, "UI", who.sop), (0x00080020, "DA", who.study_date),
        (0x00080021, "DA", who.study_date), (0x00080022, "DA", who.study_date), (0x00080030, "TM", "101112"),
        (0x00080031, "TM", "101213"), (0x00080050, "SH", "A" + who.patient_id), (0x00080060, "CS", "CT"),
        (0x00080070, "LO", "Example Scanners"), (0x00080080, "LO", "Example Hospital"),
        (0x00080090, "PN", "Referring^Doctor"), (0x00081010, "SH", "SCANNER1"), (0x00081030, "LO", "Thorax routine"),
        (0x0008103E, "LO", "Axial 1.0 B30"), (0x00081090, "LO", "Model 64"), (0x00100010, "PN", who.patient_name),
        (0x00100020, "LO", who.patient_id), (0x00100030, "DA", "19600229"), (0x00100040, "CS", "F"),
        (0x00101010, "AS", "060Y"), (0x00180015, "CS", "CHEST"), (0x00180050, "DS", "1.0"), (0x00180060, "DS", "120"),
        (0x00181030, "LO", "Thorax"), (0x00185100, "CS", "HFS"), (0x0020000D, "UI", who.study),
        (0x0020000E, "UI", who.series), (0x00200010, "SH", "1"), (0x00200011, "IS", "2"), (0x00200012, "IS", "1"),
        (0x00200013, "IS", who.number), (0x00200032, "DS", "-250\\-250\\-100.5"),
        (0x00200037, "DS", "1\\0\\0\\0\\1\\0"),
        (0x00200052, "UI", f"{ROOT}.1.2.3"), (0x00201041, "DS", "-100.5"), (0x00280002, "US", struct.pack("<H", 1)),
        (0x00280004, "CS", "MONOCHROME2"), *frames, (0x00280010, "US", struct.pack("<H", kind.rows)),
        (0x00280011, "US", struct.pack("<H", kind.columns)), (0x00280030, "DS", "0.5\\0.5"),
        (0x00280100, "US", struct.pack("<H", 16)), (0x00280101, "US", struct.pack("<H", 16)),
        (0x00280102, "US", struct.pack("<H", 15)), (0x00280103, "US", struct.pack("<H", 0)),
        (0x00281050, "DS", "40"), (0x00281051, "DS", "400"), (0x00281052, "DS", "-1024"), (0x00281053, "DS", "1"),
    ]  # fmt: skip


def _element(tag: int, vr: str, value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    raw += (b"\0" if vr in {"UI", "OB"} else b" ") * (len(raw) & 1)
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    return head + (struct.pack("<2xI", len(raw)) if vr == "OB" else struct.pack("<H", len(raw))) + raw
