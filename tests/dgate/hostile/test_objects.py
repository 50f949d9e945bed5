"""Objects whose attributes or structure want out of the archive, through real associations and onto a real disk."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dgate.encoding.elements import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, LITTLE, encode_element
from dgate.net.limits import Doorkeeper, Limits
from dgate.net.listener import Listener, bind
from dgate.net.node import Node
from tests.dgate.archive.support import CT1, House, dataset, make_house
from tests.dgate.net.conftest import live_config
from tests.dgate.net.raw import CT_CONTEXT

from .client import BIG_CONTEXT, DEFLATED, DEFLATED_CONTEXT, FAILED, IMPLICIT_CONTEXT, OBJECT_FILE, SOP_UID, Client
from .conftest import StartSite, harmless
from .site import Site

PATIENT_ID, STUDY, SERIES = 0x00100020, 0x0020000D, 0x0020000E
SYNTAXES = [*(str(number) for number in range(14)), "%id/%name/%sopuid.dcm", "%V0010,0020/%image.dcm", "%id"]
Elements = dict[int, tuple[bytes, bytes]]


def made(number: int, **changes: bytes) -> Elements:
    """An object of a study of its own, with other values: `t00100020=b"X"`."""
    uid = b"1.9.%d" % number
    elements = {**CT1, SOP_UID: (b"UI", uid + b".3"), STUDY: (b"UI", uid + b".1"), SERIES: (b"UI", uid + b".2")}
    for name, value in changes.items():
        tag = int(name[1:], 16)
        elements[tag] = (CT1[tag][0], value)
    return elements


def outside(site: Site) -> set[str]:
    """What lies beside the device, but for what the server and SQLite make there."""
    return {path.name for path in site.folder.iterdir() if "conquest.db3" not in path.name}


# -- UIDs

HOSTILE_UIDS = [
    b"../x",
    b"/etc/x",
    b"..",
    b"\\..\\x",
    b"a/../../b",
    b"1.2\n3",
    b"-rf",
    b"%s%n",
    b"\xff\xfe",
    b"1.2.3\0\0\0",
]


@pytest.mark.parametrize("uid", HOSTILE_UIDS)
def test_uids_that_want_out_stay_inside(served: Site, uid: bytes) -> None:
    beside = outside(served)
    number = HOSTILE_UIDS.index(uid)
    with Client(served.port) as client:
        stored = made(number, t00080018=uid, t0020000d=uid + b"1", t0020000e=uid + b"2")
        assert client.store(dataset(stored), uid.decode("latin-1")) == 0
        answers = client.find("IMAGE", {SOP_UID: b"", OBJECT_FILE: b""})[1]
        client.release()
    (path,) = [answer[OBJECT_FILE] for answer in answers if answer[SOP_UID] == uid.rstrip(b"\0")]
    assert (served.data / path.decode()).read_bytes().endswith(dataset(stored))
    assert outside(served) == beside
    assert not Path("/etc/x").exists()


@pytest.mark.parametrize("uid", [b"", b"   ", b"\0\0", b"1" * 65, b"1.2." + b"9" * 500, b"1" * 65_000])
def test_uids_that_cannot_be_keys_are_refused(served: Site, uid: bytes) -> None:
    images, files = served.images(), served.files()
    with Client(served.port) as client:
        assert client.store(dataset(made(1, t00080018=uid))) == FAILED
        assert client.echo() == 0
        client.release()
    assert (served.images(), served.files()) == (images, files)


def test_the_object_says_itself_what_it_is(served: Site) -> None:
    """The command's UID is another one: what was stored is found under its own."""
    with Client(served.port) as client:
        assert client.store(dataset(made(100)), "9.9.9") == 0
        assert len(client.find("IMAGE", {SOP_UID: b"1.9.100.3"})[1]) == 1
        assert client.find("IMAGE", {SOP_UID: b"9.9.9"})[1] == []
        client.release()


# -- patient IDs, for every way of naming files

IDS = [
    b"A/B", b"A\\B", b"A_B", b"A B", b"..", b".", b"../../x", b"/etc/x", b"A\0B", b"A\nB", b"A\r\nB", b"P" * 10_000,
    b"P" * 10_001, b"      ", b" " * 10_000, b"incoming", b"INCOMING", b".spool", b"placed", b"-rf", b"%id",
    b"\xff\x80", b"A\x1b[2J", b"con", b"a'; DROP TABLE DICOMImages; --",
]  # fmt: skip


@contextmanager
def listening(house: House) -> Iterator[int]:
    """The archive behind a real listener; its port."""
    limits = Limits(linger=0.2)
    node = Node(house.archive, house.log, limits, Doorkeeper(limits), live_config(house.root))
    listener = Listener(bind("127.0.0.1", 0), node)
    listener.start()
    try:
        yield listener.port
    finally:
        listener.stop()
        house.archive.close()


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_patient_ids_that_want_out_or_into_others(tmp_path: Path, syntax: str) -> None:
    house = make_house(tmp_path, file_name_syntax=syntax)
    beside = {path.name for path in tmp_path.iterdir()} | {"dicom.ini", "acrnema.map"}
    sent = {b"1.9.%d.3" % number: made(number, t00100020=value) for number, value in enumerate(IDS)}
    with listening(house) as port, Client(port) as client:
        for elements in sent.values():
            assert client.store(dataset(elements, IMPLICIT_LITTLE), context=IMPLICIT_CONTEXT) == 0
        answers = client.find("IMAGE", {SOP_UID: b"", OBJECT_FILE: b""})[1]
        client.release()
    assert {path.name for path in tmp_path.iterdir() if "db3-" not in path.name} <= beside
    assert len(house.files()) == len(sent)
    where = {answer[SOP_UID]: answer[OBJECT_FILE] for answer in answers}
    assert where.keys() == sent.keys()
    assert len(set(where.values())) == len(sent)
    for uid, elements in sent.items():
        stored = (house.data.joinpath(bytes_path(where[uid]))).read_bytes()
        value = elements[PATIENT_ID][1]
        if value.strip():  # or it was fixed
            assert stored.endswith(dataset(elements, IMPLICIT_LITTLE))
    assert house.leftovers() == []


def bytes_path(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")


def test_an_id_is_not_cut_by_its_fixing(served: Site) -> None:
    """An ID with more blanks inside than anybody looks at is not taken for one with blanks at its end."""
    stored = made(200, t00100020=b"A" + b" " * 9_998 + b"B")
    with Client(served.port) as client:
        data = dataset(stored, IMPLICIT_LITTLE)
        assert client.store(data, context=IMPLICIT_CONTEXT) == 0
        (answer,) = client.find("IMAGE", {SOP_UID: b"1.9.200.3", OBJECT_FILE: b""})[1]
        client.release()
    assert (served.data / answer[OBJECT_FILE].decode()).read_bytes().endswith(data)


# -- structure

NESTED = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
NESTED_IMPLICIT = b"\x08\x00\x40\x11\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
WHOLE = dataset(made(300))
BROKEN = {
    "10 000 nested sequences": WHOLE[:100] + NESTED * 10_000,
    "10 000 nested sequences behind the head": WHOLE
    + b"".join(b"\x09\x70\x10\x10" + NESTED[4:] for _ in range(10_000)),
    "a length beyond the end": WHOLE[:-10],
    "a length of nearly 4 GB": WHOLE + b"\xe1\x7f\x10\x00OB\0\0\xfe\xff\xff\xff",
    "a wanted element of nearly 4 GB": b"\x08\x00\x18\x00UN\0\0\xfe\xff\xff\xff" + WHOLE,
    "a sequence that is never closed": WHOLE + b"\xe1\x7f\x10\x00SQ\0\0\xff\xff\xff\xff",
    "an item that is never closed": WHOLE + b"\xe1\x7f\x10\x00SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff",
    "pixels that are never closed": WHOLE[:-76] + b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff",
    "an end of a sequence outside one": WHOLE + b"\xfe\xff\xdd\xe0\0\0\0\0",
    "a value of undefined length that has none": b"\x08\x00\x18\x00UI\xff\xff" + WHOLE,
    "command elements": b"\0\0\0\0UL\4\0\0\0\0\0" + WHOLE,
    "no VR": b"\x08\x00\x05\x00\x01\x02\x03\x04" + WHOLE,
    "half a header": WHOLE + b"\xe1\x7f\x10",
    "text": b"GET / HTTP/1.1\r\n\r\n" * 1000,
    "an odd end of big pixels": WHOLE[:-70],
}

BROKEN_STATUS = {"command elements": FAILED}
"""What can be taken apart is answered; anything else ends the association (conquest-server.md 6.3)."""


@pytest.mark.parametrize("size", [100_000, 100])
@pytest.mark.parametrize("name", BROKEN)
def test_broken_objects_are_refused_and_leave_nothing(served: Site, name: str, size: int) -> None:
    images, files, memory = served.images(), served.files(), served.forget_peak()
    with Client(served.port) as client:
        assert client.stored(BROKEN[name], max_length=size) == BROKEN_STATUS.get(name)
    assert (served.images(), served.files()) == (images, files)
    assert served.peak() < memory + 8192


@pytest.mark.parametrize("context", [IMPLICIT_CONTEXT, BIG_CONTEXT])
def test_sequences_without_end_in_other_encodings(served: Site, context: int) -> None:
    head = dataset(made(301), IMPLICIT_LITTLE if context == IMPLICIT_CONTEXT else EXPLICIT_BIG)
    nested = NESTED_IMPLICIT if context == IMPLICIT_CONTEXT else _swapped(NESTED)
    with Client(served.port) as client:
        expected = (
            None if context == BIG_CONTEXT else FAILED
        )  # it has no UID where one is looked for, which comes first
        assert client.stored(head[:60] + nested * 10_000, context=context) == expected


def _swapped(nested: bytes) -> bytes:
    first, item = nested[:12], nested[12:]
    return first[1::-1] + first[3:1:-1] + first[4:] + item[1::-1] + item[3:1:-1] + item[4:]


@pytest.mark.parametrize("context", [CT_CONTEXT, IMPLICIT_CONTEXT])
def test_odd_lengths_are_stored_as_they_came(served: Site, context: int) -> None:
    """Against PS3.5 7.1.1, but seen in the wild: kept byte for byte, found under the right values."""
    syntax = EXPLICIT_LITTLE if context == CT_CONTEXT else IMPLICIT_LITTLE
    odd = _odd_element(0x00081010, b"STATION", implicit=context == IMPLICIT_CONTEXT)
    before = {tag: value for tag, value in made(310 + context).items() if tag < 0x00081010}
    after = {tag: value for tag, value in made(310 + context).items() if tag > 0x00081010}
    data = dataset(before, syntax) + odd + dataset(after, syntax)
    uid = b"1.9.%d.3" % (310 + context)
    with Client(served.port) as client:
        assert client.store(data, context=context) == 0
        (answer,) = client.find("IMAGE", {SOP_UID: uid, OBJECT_FILE: b""})[1]
        client.release()
    assert (served.data / answer[OBJECT_FILE].decode()).read_bytes().endswith(data)


def _odd_element(tag: int, value: bytes, *, implicit: bool) -> bytes:
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    return head + (struct.pack("<L", len(value)) if implicit else b"SH" + struct.pack("<H", len(value))) + value


def test_group_0002_inside_a_data_set_is_left_out(served: Site) -> None:
    """It would say once more, and otherwise, what the file is."""
    elements = made(320)
    meta = encode_element(0x00020010, b"UI", b"1.2.840.10008.1.2.4.70", LITTLE)
    with Client(served.port) as client:
        assert client.store(meta + dataset(elements)) == 0
        (answer,) = client.find("IMAGE", {SOP_UID: elements[SOP_UID][1], OBJECT_FILE: b""})[1]
        client.release()
    content = (served.data / answer[OBJECT_FILE].decode()).read_bytes()
    assert content.endswith(dataset(elements))
    assert b"1.2.840.10008.1.2.4.70" not in content


@pytest.mark.parametrize("inside", ["head", "pixels"])
def test_a_deflated_bomb(start_site: StartSite, inside: str) -> None:
    """A thousandfold: refused or bounded, but never unpacked into memory."""
    site = start_site(sops=f"DeflatedExplicitVRLittleEndian {DEFLATED} transfer\n")
    tag = 0x00091010 if inside == "head" else 0x7FE00010
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = {key: value for key, value in CT1.items() if key < tag}
    bomb = deflater.compress(dataset(head) + struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, b"OB", 0, 100_000_000))
    zeros = bytes(1 << 20)
    bomb += b"".join(deflater.compress(zeros) for _ in range(95)) + deflater.flush()
    with harmless(site):
        memory = site.forget_peak()
        with Client(site.port) as client:
            assert client.stored(bomb, context=DEFLATED_CONTEXT) is None
        assert site.peak() < memory + 16 * 1024
        assert len(site.files()) == 1


# -- planted links


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_links_planted_at_the_target(start_site: StartSite, tmp_path: Path, kind: str) -> None:
    """A folder that is a link is refused; a file that is one is replaced, and what it points to stays as it is."""
    site = start_site(ini="FileNameSyntax = 8\n")
    away = tmp_path / "away"
    away.mkdir()
    victim = away / "victim"
    victim.write_text("untouched")
    folder = site.data / "PLANTED"
    if kind == "folder":
        folder.symlink_to(away)
    else:
        (folder / "1.9.1.1" / "1.9.1.2").mkdir(parents=True)
        (folder / "1.9.1.1" / "1.9.1.2" / "1.9.1.3.dcm").symlink_to(victim)
    with harmless(site), Client(site.port) as client:
        assert client.store(dataset(made(1, t00100020=b"PLANTED"))) == (FAILED if kind == "folder" else 0)
        client.release()
    assert victim.read_text() == "untouched"
    assert [path.name for path in away.iterdir()] == ["victim"]


def test_a_link_planted_in_place_of_the_spool(tmp_path: Path) -> None:
    """A device whose spool lies elsewhere is not used."""
    away = tmp_path / "away"
    away.mkdir()
    site = Site(tmp_path)
    (site.data / ".spool").symlink_to(away)
    try:
        site.start()
        with Client(site.port) as client:
            assert client.store(dataset(made(1))) == FAILED
            client.release()
        assert site.stop() == 0
    finally:
        site.kill()
    assert list(away.iterdir()) == []


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_is_planted_in_the_way_of_reading(start_site: StartSite, tmp_path: Path, kind: str) -> None:
    """An archived file that somebody replaces by a link to another one, say, is not sent to anybody."""
    site = start_site(ini="FileNameSyntax = 8\n")
    secret = tmp_path / "secret"
    with harmless(site), Client(site.port) as client:
        assert client.store(dataset(made(1))) == 0
        path = site.data / "PAT_001_A" / "1.9.1.1" / "1.9.1.2" / "1.9.1.3.dcm"
        path.rename(secret)
        plant = {"link": lambda: path.symlink_to(secret), "pipe": lambda: os.mkfifo(path), "folder": path.mkdir}
        plant[kind]()
        client.ask_for_objects({STUDY: b"1.9.1.1"})
        counts = []
        while True:
            answer, _ = client.response()
            counts.append((answer.field, answer.elements.get(0x1022)))
            if answer.number(0x0900) != 0xFF00:
                break
        assert {field for field, _ in counts} == {0x8010}
        assert counts[-1][1] == b"\1\0"
        client.release()
