"""Section 8: what IncomingCompression makes of an object, as far as no codec is needed.

What needs one is stored as received until there is one, which each such row says.
"""

from __future__ import annotations

from typing import NamedTuple

import pydicom
import pytest

from .conftest import StartNode
from .node import Node
from .objects import CT, EVBE, EVLE, IVLE, JPEG, Elements, another, encode, uid_of
from .scu import associated, send

RTPLAN = "1.2.840.10008.5.1.4.1.1.481.5"
NOT_ALLOWED = "JPEG compression not allowed for PR/SR/RT"


class Kept(NamedTuple):
    """The code, and the transfer syntaxes of a CT received EVLE, RGB received as JPEG, a plan received IVLE."""

    code: str | None
    ct: str
    jpeg: str
    plan: str
    line: str = ""
    """What the log says of the plan."""


ROWS = (
    Kept(None, EVLE, JPEG, IVLE),
    Kept("", EVLE, JPEG, IVLE),
    Kept("as", EVLE, JPEG, IVLE),
    Kept("is", EVLE, JPEG, IVLE),
    Kept("ui", EVLE, JPEG, IVLE),
    Kept("uj", EVLE, JPEG, IVLE),
    Kept("zz", EVLE, JPEG, IVLE),
    Kept("un", EVLE, JPEG, IVLE),  # a codec makes the JPEG EVLE
    Kept("UE", EVLE, JPEG, IVLE),
    Kept("ul", EVLE, JPEG, EVLE),
    Kept("ub", EVLE, JPEG, EVLE),  # the original makes an unreadable file: section 15
    Kept("j1", EVLE, JPEG, IVLE, NOT_ALLOWED),  # a codec makes the first .70
    Kept("J2", EVLE, JPEG, IVLE, NOT_ALLOWED),
    Kept("j385", EVLE, JPEG, IVLE, NOT_ALLOWED),
)


@pytest.fixture(scope="module")
def nodes(start_node: StartNode) -> dict[str | None, Node]:
    """One server serves all codes: the called AE title overrides what the file says."""
    return {None: start_node(), "set": start_node(keys={"IncomingCompression": "ul"})}


def stored_syntax(node: Node, sop_class: str, given: Elements, received: str, called: str) -> str:
    data = encode(given, EVLE if received == JPEG else received)
    if received == JPEG:
        pixels = b"\xfe\xff\x00\xe0\0\0\0\0\xfe\xff\x00\xe0\x04\0\0\0\xff\xd8\xff\xd9\xfe\xff\xdd\xe0\0\0\0\0"
        data = encode({tag: value for tag, value in given.items() if tag != 0x7FE00010}, EVLE)
        data += b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff" + pixels
    with associated(node.port, [(sop_class, [received])], called=called) as association:
        assert send(association, data, sop_class, uid_of(given)).status == 0
    path = node.value("SELECT ObjectFile FROM DICOMImages WHERE SOPInstanc = ?", uid_of(given))
    return str(pydicom.dcmread(node.data / str(path)).file_meta.TransferSyntaxUID)


@pytest.mark.parametrize(("number", "case"), list(enumerate(ROWS)), ids=[str(case.code) for case in ROWS])
def test_8_codes(nodes: dict[str | None, Node], number: int, case: Kept) -> None:
    node, called = nodes[None], "ORACLE" if case.code is None else f"ORACLE~{case.code}"
    ct, jpeg = another(number), another(100 + number)
    plan = another(200 + number, t00080016=RTPLAN, t00080060="RTPLAN", t7FE00010=None)
    assert stored_syntax(node, CT, ct, EVLE, called) == case.ct
    assert stored_syntax(node, CT, jpeg, JPEG, called) == case.jpeg
    before = node.mark()
    assert stored_syntax(node, RTPLAN, plan, IVLE, called) == case.plan
    node.line("Written file: ", before)
    assert [line for line in node.lines(before) if "ompression" in line] == ([case.line] if case.line else [])


def test_8_the_setting_and_what_overrides_it(nodes: dict[str | None, Node]) -> None:
    node = nodes["set"]
    assert stored_syntax(node, CT, another(1), IVLE, "ORACLE") == EVLE
    assert stored_syntax(node, CT, another(2), IVLE, "ORACLE~as") == IVLE
    assert stored_syntax(node, CT, another(3), EVBE, "ORACLE~as") == EVLE


def test_8_only_a_database_entry(nodes: dict[str | None, Node]) -> None:
    node, given = nodes[None], another(300)
    files = node.files()
    with associated(node.port, [(CT, [EVLE])], called="ORACLE~v0") as association:
        assert send(association, encode(given), CT, uid_of(given)).status == 0
    path = node.value("SELECT ObjectFile FROM DICOMImages WHERE SOPInstanc = ?", uid_of(given))
    assert node.line("Virtual file: ") == f"Virtual file: {node.data}/{path}"
    assert node.files() == files
