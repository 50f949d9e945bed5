"""Valid conversations, and what chance makes of them with knowledge of their structure.

A conversation is a list of PDUs. It is damaged as a whole (PDUs left out, doubled, exchanged), inside (length fields
and numbers take values at which programs break) and in transport (cut into pieces anywhere). All of it comes from one
random generator, so a seed repeats it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from random import Random

from dgate.encoding.elements import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT, IMPLICIT_LITTLE, encode_element
from dgate.net import dimse, pdu
from tests.dgate.archive.support import CT1, UID, ct1, dataset
from tests.dgate.net.raw import CT, CT_CONTEXT, ECHO_CONTEXT, FIND_CONTEXT, command

from .client import (
    BIG_CONTEXT,
    COMMITMENT_CONTEXT,
    GET_CONTEXT,
    IMPLICIT_CONTEXT,
    MOVE_CONTEXT,
    REQUEST,
    SOP_UID,
    STORAGE_COMMITMENT,
    STUDY_ROOT_GET,
    WORKLIST,
    WORKLIST_CONTEXT,
    keys,
    move_command,
)

Units = list[bytes]

NUMBERS = (*range(9), 10, 12, 0x7F, 0x80, 0xFE, 0xFF, 0x100, 0x101, 0x102, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF)
LARGE = (0x10000, 0x20000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFEE000, 0xE00DFFFE)
TEXTS = (b"../x", b"/etc/x", b"..", b"\0", b"\n", b"*", b"\\", b"'", b"%", b" ", b"\xfe\xff\0\xe0", b"\xfe\xff\xdd\xe0")
SEQUENCE = (
    b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff\x08\x00\x50\x11UI\x04\x001.2\0"
    b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
)


def pdus(stream: bytes) -> Units:
    """Cut a whole stream where its PDUs end."""
    found = []
    while stream:
        end = 6 + pdu.HEADER.unpack_from(stream)[1]
        found.append(stream[:end])
        stream = stream[end:]
    return found


def store(chance: Random) -> Units:
    context, syntax = chance.choice(
        [(CT_CONTEXT, EXPLICIT_LITTLE), (IMPLICIT_CONTEXT, IMPLICIT_LITTLE), (BIG_CONTEXT, EXPLICIT_BIG)]
    )
    uid = b"1.9.%d" % chance.randrange(20)
    elements = ct1(t00080018=uid, t7fe00010=bytes(chance.choice((2, 64, 3000))))
    if chance.random() < 0.2:
        elements[chance.choice(sorted(CT1))] = (b"UN", chance.choice(TEXTS))
    data = dataset(elements, syntax)
    if context == CT_CONTEXT and chance.random() < 0.5:
        data = data[:60] + SEQUENCE + data[60:]  # wherever that is
    head = command(dimse.C_STORE, chance.randrange(1, 9), data_set=True, uid=uid.decode())
    return pdus(dimse.encode_message(context, head, data, chance.choice((0, 70, 128, 1000))))


def echo(chance: Random) -> Units:
    return pdus(dimse.encode_message(ECHO_CONTEXT, command(dimse.C_ECHO, chance.randrange(1, 9)), None, 0))


def _query(chance: Random) -> bytes:
    level = chance.choice(("PATIENT", "STUDY", "SERIES", "IMAGE", ""))
    wanted = {tag: chance.choice((b"", b"*", UID.encode(), *TEXTS)) for tag in chance.sample(sorted(CT1), 4)}
    return keys(level, {**wanted, SOP_UID: chance.choice((b"", b"1.9.1", b"1.9.*"))})


def find(chance: Random) -> Units:
    head = command(dimse.C_FIND, chance.randrange(1, 9), data_set=True)
    return pdus(dimse.encode_message(FIND_CONTEXT, head, _query(chance), chance.choice((0, 100))))


def get(chance: Random) -> Units:
    head = command(dimse.C_GET, chance.randrange(1, 9), data_set=True, sop=STUDY_ROOT_GET)
    answers = [dimse.response(dimse.parse_command(command(dimse.C_STORE, 2 * n + 1)), 0) for n in range(3)]
    more = [unit for answer in answers for unit in pdus(dimse.encode_message(CT_CONTEXT, answer, None, 0))]
    return pdus(dimse.encode_message(GET_CONTEXT, head, _query(chance), 0)) + more


def move(chance: Random) -> Units:
    destination = chance.choice(("NOBODY", "", "A" * 16, "..\\x", "'"))
    return pdus(dimse.encode_message(MOVE_CONTEXT, move_command(destination), _query(chance), 0))


def worklist(chance: Random) -> Units:
    head = command(dimse.C_FIND, chance.randrange(1, 9), data_set=True, sop=WORKLIST)
    station = encode_element(0x00400001, b"AE", chance.choice(TEXTS), IMPLICIT)
    item = b"\xfe\xff\x00\xe0" + len(station).to_bytes(4, "little") + station
    step = b"\x40\x00\x00\x01" + chance.choice((len(item), 0xFFFFFFFF)).to_bytes(4, "little") + item
    name = encode_element(0x00100010, b"PN", chance.choice(TEXTS), IMPLICIT)
    return pdus(dimse.encode_message(WORKLIST_CONTEXT, head, name + step, chance.choice((0, 100))))


def commitment(chance: Random) -> Units:
    head = dimse.encode_command(
        [
            (dimse.REQUESTED_SOP_CLASS, STORAGE_COMMITMENT.encode()),
            (dimse.COMMAND_FIELD, dimse.ushort(dimse.N_ACTION)),
            (dimse.MESSAGE_ID, dimse.ushort(chance.randrange(1, 9))),
            (dimse.DATA_SET_TYPE, dimse.ushort(dimse.WITH_DATA_SET)),
            (dimse.REQUESTED_SOP_INSTANCE, b"1.2.840.10008.1.20.1.1"),
            (dimse.ACTION_TYPE, dimse.ushort(chance.choice((1, 1, 1, 2)))),
        ]
    )
    item = encode_element(0x00081150, b"UI", CT.encode(), IMPLICIT) + encode_element(
        0x00081155, b"UI", chance.choice((b"1.9.1", *TEXTS)), IMPLICIT
    )
    items = (b"\xfe\xff\x00\xe0" + len(item).to_bytes(4, "little") + item) * chance.choice((1, 2, 50))
    named = b"\x08\x00\x99\x11" + len(items).to_bytes(4, "little") + items
    data = encode_element(0x00081195, b"UI", b"1.2.3", IMPLICIT) + named
    return pdus(dimse.encode_message(COMMITMENT_CONTEXT, head, data, chance.choice((0, 200))))


def cancel(chance: Random) -> Units:
    head = command(dimse.C_CANCEL, chance.randrange(1, 9))
    return pdus(dimse.encode_message(FIND_CONTEXT, head, None, 0))


def end(chance: Random) -> Units:
    return [chance.choice((pdu.RELEASE_RQ_PDU, pdu.RELEASE_RP_PDU, pdu.encode_abort(0, 0)))]


MESSAGES: tuple[Callable[[Random], Units], ...] = (
    store, store, store, echo, find, find, get, move, worklist, commitment, cancel, end,
)  # fmt: skip


def conversation(chance: Random) -> Units:
    """A valid one, but that it may end before its end."""
    units = [REQUEST]
    for _ in range(chance.randint(1, 4)):
        units += chance.choice(MESSAGES)(chance)
    return units + end(chance)


def damaged(units: Units, chance: Random) -> Units:
    """The same with a few things wrong."""
    units = list(units)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(units))
        if chance.random() < 0.25:
            _rearrange(units, at, chance)
        elif units[at]:
            units[at] = _inside(units[at], chance)
        if not units:
            return [b""]
    return units


def _rearrange(units: Units, at: int, chance: Random) -> None:
    how = chance.randrange(4)
    if how == 0:
        del units[at]
    elif how == 1:
        units.insert(at, units[at])
    elif how == 2:
        other = chance.randrange(len(units))
        units[at], units[other] = units[other], units[at]
    else:
        units.insert(at, chance.randbytes(chance.randint(1, 40)))


def _inside(unit: bytes, chance: Random) -> bytes:
    body, at = bytearray(unit), chance.randrange(len(unit))
    how = chance.randrange(7)
    if how == 0:
        body[at] = chance.randrange(256)
    elif how == 1:
        body[at] ^= 1 << chance.randrange(8)
    elif how == 2:
        _overwrite(body, at, struct.pack(chance.choice(("<H", ">H")), chance.choice(NUMBERS)))
    elif how == 3:
        _overwrite(body, at, struct.pack(chance.choice(("<L", ">L")), chance.choice(NUMBERS + LARGE)))
    elif how == 4:
        del body[at : at + chance.choice((1, 2, 4, 8, 1000))]
    elif how == 5:
        body[at:at] = chance.choice((*TEXTS, SEQUENCE, bytes(8), body[at : at + 20]))
    else:
        _overwrite(body, at, chance.choice(TEXTS))
    if chance.random() < 0.6 and len(body) >= 12:
        _mend(body)
    return bytes(body)


def _overwrite(body: bytearray, at: int, value: bytes) -> None:
    body[at : at + len(value)] = value[: len(body) - at]


def _mend(body: bytearray) -> None:
    """Make the outer lengths right again, so that the damage gets further in."""
    struct.pack_into(">L", body, 2, len(body) - 6)
    if body[0] == pdu.P_DATA:
        struct.pack_into(">L", body, 6, len(body) - 10)


def pieces(stream: bytes, chance: Random) -> list[bytes]:
    """The stream as it might come out of a network."""
    cuts = sorted(chance.randrange(len(stream) + 1) for _ in range(chance.choice((0, 0, 1, 3, 10))))
    return [stream[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
