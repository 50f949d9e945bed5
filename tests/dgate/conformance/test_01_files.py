"""Sections 1, 2.1 and 3: the files of an instance, present, absent and as people write them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from pynetdicom import AE

from .conftest import StartNode
from .node import Node, program
from .objects import IVLE, another, ct1
from .scu import VERIFICATION, associated, find, store

# -- 1: files that are absent


class Absent(NamedTuple):
    file: str
    line: str
    store: int


ABSENT = (
    Absent("acrnema.map", "***Error loading acr-nema map file:{}", 0),
    Absent("dgate.dic", "Dictionary file {} is missing, some server functions will not work correctly", 0),
    Absent("dicom.sql", "***Error loading kfactor file:{}", 0x0110),
    Absent("dgatesop.lst", "", 0),
)


@pytest.mark.parametrize("case", ABSENT, ids=[case.file for case in ABSENT])
def test_1_a_file_is_missing_and_the_server_runs(start_node: StartNode, case: Absent) -> None:
    """Without dicom.sql the original crashes at the first store, which section 15 asks not to copy."""
    node = start_node(prepare=lambda made: (made.folder / case.file).unlink())
    if case.line:
        assert case.line.format(node.folder / case.file) in node.lines()
    with associated(node.port, [(VERIFICATION, [IVLE])]) as association:
        assert association.send_c_echo().Status == 0
    assert store(node.port, ct1()) == [case.store]
    if case.store:
        assert find(node.port, "study", {"QueryRetrieveLevel": "STUDY", "PatientID": ""}) == (0xC001, [])
        assert node.files() == []


def test_1_a_device_that_is_taken_away(start_node: StartNode) -> None:
    node = start_node()
    node.data.rename(node.folder / "away")
    assert store(node.port, another(1)) == [0x0110]
    assert node.line("*** Not enough rights") == "*** Not enough rights to write in MAG0"


# -- 2.1


class Written(NamedTuple):
    name: str
    ini: str
    keys: Mapping[str, str]


LONG = "x" * 900
WRITTEN = (
    Written("case", "[SSCSCP]\nmicropacs = sscscp\nMYACRNEMA = A\n", {"MyACRNema": "A"}),
    Written("blanks and tabs", "[sscscp]\nMyACRNema\t = \t A  \t\n", {"MyACRNema": "A"}),
    Written("no blanks", "[sscscp]\nMyACRNema=A\n", {"MyACRNema": "A"}),
    Written("double quotes", '[sscscp]\nUIDPrefix = "A b"\n', {"UIDPrefix": "A b"}),
    Written("single quotes", "[sscscp]\nUIDPrefix = ' A b '\n", {"UIDPrefix": " A b "}),
    Written("one pair only", "[sscscp]\nUIDPrefix = \"'A'\"\n", {"UIDPrefix": "'A'"}),
    Written("a space before", "[sscscp]\n MyACRNema = B\nMyACRNema = A\n", {"MyACRNema": "A"}),
    Written("a tab before", "[sscscp]\n\tMyACRNema = A\nMyACRNema = B\n", {"MyACRNema": "A"}),
    Written("a semicolon", "[sscscp]\n;MyACRNema = B\nMyACRNema = A\n", {"MyACRNema": "A"}),
    Written("a hash", "[sscscp]\n#MyACRNema = B\nMyACRNema = A\n", {"MyACRNema": "A"}),
    Written("no comment behind", "[sscscp]\nUIDPrefix = A ; B # C\n", {"UIDPrefix": "A ; B # C"}),
    Written("the first counts", "[sscscp]\nMyACRNema = A\nMyACRNema = B\n", {"MyACRNema": "A"}),
    Written("parts", "[sscscp]\nTCPPort = 1\n[other]\nMyACRNema = B\n[sscscp]\nMyACRNema = A\n", {"MyACRNema": "A"}),
    Written(
        "another section", "[sscscp]\nMicroPACS = mysec\nMyACRNema = B\n[mysec]\nMyACRNema = A\n", {"MyACRNema": "A"}
    ),
    Written("CRLF", "[sscscp]\r\nMicroPACS = sscscp\r\nMyACRNema = A\r\n", {"MyACRNema": "A"}),
    Written("a long value", f"[sscscp]\nMyACRNema = A\nUIDPrefix = {LONG}\n", {"UIDPrefix": LONG, "MyACRNema": "A"}),
    Written("defaults", "[sscscp]\n", {"MyACRNema": "none"}),
)


def test_2_1_how_dicom_ini_is_read(start_node: StartNode) -> None:
    """`get_param` of a server that runs on such a file."""
    found, expected = {}, {}
    node = start_node()
    usual = (node.folder / "dicom.ini").read_text().replace("[sscscp]\n", "")
    rest = "\n".join(line for line in usual.splitlines() if not line.startswith(("MicroPACS", "MyACRNema")))
    for case in WRITTEN:
        section = "mysec" if "[mysec]" in case.ini else "sscscp"
        text = case.ini.replace("TCPPort = 1\n", "") + f"\n[{section}]\n{rest}\n"
        (node.folder / "dicom.ini").write_bytes(text.encode())
        node.read_again()
        for key, value in case.keys.items():
            found[case.name, key] = command(node, f"get_param:{key}")
            expected[case.name, key] = value
    assert found == expected


def command(node: Node, text: str) -> str:
    """The output of a server command, over the channel that section 11.2 describes."""
    import struct

    from tests.dgate.net.raw import RawClient

    def element(group: int, number: int, value: bytes) -> bytes:
        value += b" " * (len(value) % 2)
        return struct.pack("<HHI", group, number, len(value)) + value

    inner = (
        element(0, 2, VERIFICATION.encode() + b"\0")
        + element(0, 0x100, b"\x30\0")
        + element(0, 0x110, b"\1\0")
        + element(0, 0x800, b"\1\1")
    )
    data = element(0, 0, struct.pack("<I", len(inner))) + inner
    data += element(0x9999, 0x300, b"Server command sent using DGATE -- option") + element(0x9999, 0x400, text.encode())
    with RawClient(node.port) as client:
        client.associate()
        body = struct.pack(">IBB", len(data) + 2, 1, 3) + data
        client.send(struct.pack(">BBI", 4, 0, len(body)) + body)
        answer, _ = client.response()
        client.release()
    output = answer.elements.get(0x99990401, b"")
    return (output[:-1] if any(answer.elements.get(0x99990404, b"")) else output).decode().rstrip("\n")


# -- 2.2: what applies without a key


def test_2_2_defaults(tmp_path: Path) -> None:
    node = Node(tmp_path / "node")
    (node.folder / "dicom.ini").write_text(
        f"[sscscp]\nMicroPACS = sscscp\nSQLite = 1\nSQLServer = x.db3\nMAGDevice0 = {node.data}\n"
    )
    try:
        assert program(node.folder, "-i").returncode == 0
        assert (node.folder / "x.db3").exists()
        node.start(f"-p{node.port}")
        assert store(node.port, ct1()) == [0]
        (name,) = node.files()
        assert name.startswith("PAT_001_A/")
        assert name.endswith("0000.dcm")
        assert (node.folder / "PacsUser.log").exists()
        assert command(node, "display_status:").startswith(
            f"DICOM server 'none' (version 1.5.0e, port {node.port}, bits 64) was started on "
        )
        assert node.stop() == 0
    finally:
        node.kill()


# -- 3

MAP = """\
/* a comment
   OVER 127.0.0.1 1 un */
# HASH 127.0.0.1 2 un
// SLASH 127.0.0.1 3 un
; SEMI 127.0.0.1 4 un
DEST 127.0.0.1\t{port}   j2 more words
LOWER* 127.0.0.1 {port}
X* 127.0.0.1 {head}*
STAR* * {port} un   # a comment behind an entry
xylo 127.0.0.1 {port} ul
BARE
DEST 127.0.0.2 1 un
lowercase 127.0.0.1 {port} // and another
AFTER 127.0.0.1 {port} un
"""


class Sought(NamedTuple):
    asked: str
    called: str | None
    """The AE title the destination sees; None if there is no such destination."""


def sought(tail: str) -> tuple[Sought, ...]:
    return (
        Sought("DEST", "DEST"),
        Sought("dest", "dest"),
        Sought("LOWERCASE", "LOWERCASE"),
        Sought("lower77", "lower77"),
        Sought(f"X{tail}", f"X{tail}"),
        Sought("STARlocalhost", "STARlocalhost"),
        Sought("AFTER", "AFTER"),
        Sought("HASH", None),
        Sought("OVER", None),
        Sought("SEMI", None),
        Sought("BARE", None),
        Sought("NOBODY", None),
    )


def test_3_looking_up_destinations(start_node: StartNode) -> None:
    from pynetdicom import evt

    from tests.ports import free_port

    from .scu import MOVE, dataset

    seen: list[str] = []

    def requested(event: evt.Event) -> None:
        seen.append(str(event.assoc.requestor.primitive.called_ae_title))  # type: ignore[union-attr]

    port = free_port()
    scp_ae = AE()
    scp_ae.add_supported_context("1.2.840.10008.5.1.4.1.1.2", IVLE)
    scp = scp_ae.start_server(
        ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_REQUESTED, requested), (evt.EVT_C_STORE, lambda _: 0)]
    )
    assert scp is not None
    try:
        head, tail = str(port)[:-2], str(port)[-2:]
        node = start_node(amap=MAP.format(port=port, head=head))
        assert store(node.port, ct1()) == [0]
        keys = dataset({"QueryRetrieveLevel": "STUDY", "PatientID": "PAT 001.A"})
        for case in sought(tail):
            seen.clear()
            with associated(node.port, [(MOVE["study"], [IVLE])]) as association:
                *_, (last, _) = association.send_c_move(keys, case.asked, query_model=MOVE["study"])
            assert (case.asked, seen) == (case.asked, [case.called] if case.called else [])
            assert (case.asked, last.Status) == (
                case.asked,
                0 if case.called else 0xC003 if case.asked != "BARE" else last.Status,
            )
    finally:
        scp.shutdown()
