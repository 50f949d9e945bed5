"""Section 7: names and contents of files, devices, the folder `incoming`."""

from __future__ import annotations

import re
import time
from typing import NamedTuple

import pydicom
import pytest

from tests.dgate.net.conftest import wait_for

from .conftest import StartNode
from .node import Node, program
from .objects import CT, EVBE, EVLE, IVLE, JPEG, SERIES, SOP, UID, Elements, another, as_file, ct1, encode, uid_of
from .scu import associated, send, store

T = r"(?P<time>\d{10})"
C = r"(?P<counter>[0-9a-f]{4})"


class Syntax(NamedTuple):
    value: str
    expected: str
    """A regular expression; T and C as in the reference, blanks do not count."""
    given: Elements = ct1()


S, U, I = (re.escape(text) for text in (SERIES, UID, SOP))  # noqa: E741
PLAIN = rf"Doe\^John_PAT_001_/7_42_{T}\.v2"

SYNTAXES = (
    Syntax("0", PLAIN),
    Syntax("13", PLAIN),
    Syntax("-1", PLAIN),
    Syntax("abc", PLAIN),
    Syntax("1", rf"Doe\^John_PAT_001_/0007_000042_{T}{C}\.v2"),
    Syntax("2", rf"Doe\^John_PAT_001_/{S}_0007_000042_{T}{C}\.v2"),
    Syntax("3", rf"PAT_001_A/{S}_0007_000042_{T}{C}\.v2"),
    Syntax("4", rf"PAT_001_A/{S}_0007_000042_{T}{C}\.dcm"),
    Syntax("5", rf"Doe\^John\^Q/{S}_0007_000042_{T}{C}\.v2"),
    Syntax("6", rf"PAT_001_A/{U}/{S}/{I}\.v2"),
    Syntax("7", rf"{U}/{S}/{I}\.v2"),
    Syntax("8", rf"PAT_001_A/{U}/{S}/{I}\.dcm"),
    Syntax("9", rf"{U}/{S}/{I}\.dcm"),
    Syntax("10", rf"Images/{I}\.dcm"),
    Syntax("11", rf"Doe\^John\^Q/{U}/{S}/{I}\.dcm"),
    Syntax("12", rf"Doe\^John\^Q_PAT_001_A/CT_STU_1/7/{I}\.dcm"),
    Syntax(
        "%name[0,4]/%modality/%studydate[0,3]/%studydesc/%series-%image_%imagenum_%imageid.dcm",
        r"Doe\^J/CT/2020/Brain__w_o__contrast/0007-000042_42_empty\.dcm",
    ),
    Syntax("x_%calledae_%callingae/%date/%time-%counter.v2", rf"x_ORACLE_TESTSCU/(?P<date>\d{{8}})/{T}-{C}\.v2"),
    Syntax("%V0008,0060/%v0010,0020[0,2]/%studyid_%seriesid/%seriesuid/%sopuid", rf"CT/PAT/STU_1_7/{S}/{I}"),
    Syntax("%id/%studyuid/%nonsense%sopuid.dcm", rf"PAT_001_A/{U}/nonsense{I}\.dcm"),
    Syntax("%imageid/%V0008,0050/%sopuid.DCM", rf"IMID_6/unknown/{I}\.DCM", ct1(t00540400="IMID/6:*", t00080050="")),
)


def name_of(case: Syntax, node: Node) -> str:
    """The only file of the server, or what is new."""
    before = set(node.files())
    mark = node.mark()
    assert store(node.port, case.given) == [0]
    (name,) = set(node.files()) - before
    node.line(f"Written file: {node.data}/{name}", mark)
    assert node.value("SELECT ObjectFile FROM DICOMImages WHERE SOPInstanc = ?", uid_of(case.given)) == name.encode(
        "utf-8", "surrogateescape"
    ).decode("latin-1")
    return name


@pytest.fixture(scope="module")
def changing(start_node: StartNode) -> Node:
    """A server that gets another FileNameSyntax for each case, which costs less than another server."""
    return start_node()


def with_syntax(node: Node, value: str) -> Node:
    node.forget()
    node.configure({"FileNameSyntax": value})
    node.read_again()
    return node


@pytest.mark.parametrize("case", SYNTAXES, ids=[case.value for case in SYNTAXES])
def test_7_1_every_syntax(changing: Node, case: Syntax) -> None:
    node = with_syntax(changing, case.value)
    before = int(time.time())
    found = re.fullmatch(case.expected, name_of(case, node))
    assert found, node.files()
    parts = found.groupdict()
    assert before <= int(parts.get("time", before)) <= time.time()
    assert parts.get("date", time.strftime("%Y%m%d")) == time.strftime("%Y%m%d")
    raw = (node.data / node.files()[0]).read_bytes()
    assert (raw[128:132] == b"DICM") != case.expected.endswith("v2")


CLEANED = (
    ("123456789012345 789", "123456789012345_"),
    ("  LEAD", "__LEAD"),
    ("a/b;c>d<e|f,g.h", "a_b_c_d_e_f_g_h"),
    ('a:b?c*d"e', "a_b_c_d_e"),
    ("...", "unknown"),
    ("A^B", "A^B"),
    ("cut\x01here", "cut"),
    ("tail...", "tail"),
)


@pytest.mark.parametrize(("number", "case"), list(enumerate(CLEANED)), ids=[expected for _, expected in CLEANED])
def test_7_1_cleaning(node: Node, number: int, case: tuple[str, str]) -> None:
    given, expected = case
    name = name_of(Syntax("4", "", another(number, t00100020=given)), node)
    assert name.split("/")[0] == expected


NUMBERS = (
    ({"t00200011": "123456789012"}, "-1097262572_000042"),
    ({"t00200011": None, "t00200013": None}, "0000_000000"),
    ({"t00200011": "", "t00200013": " 5 "}, "0000_000005"),
    ({"t00200013": "-3"}, "0007_-00003"),
)


@pytest.mark.parametrize(("number", "case"), list(enumerate(NUMBERS)), ids=[expected for _, expected in NUMBERS])
def test_7_1_numbers(node: Node, number: int, case: tuple[dict[str, str | None], str]) -> None:
    changes, expected = case
    name = name_of(Syntax("4", "", another(40 + number, **changes)), node)
    assert re.search(rf"\.1_{expected}_{T}{C}\.dcm$", name), name


def test_7_1_without_patient_data(changing: Node, node: Node) -> None:
    nothing = another(
        50, t00100010=None, t00100020=None, t00080060="OT", t00200010=None, t00200011=None, t00200013=None
    )
    assert re.fullmatch(rf"00000000/[0-9.]+_0000_000000_{T}{C}\.dcm", name_of(Syntax("4", "", nothing), node))
    twelve = with_syntax(changing, "12")
    assert name_of(Syntax("12", "", nothing), twelve) == f"NO_NAME_00000000/OT_empty/empty/{uid_of(nothing)}.dcm"


def test_7_1_the_counter_counts_the_objects_of_this_run(start_node: StartNode) -> None:
    node = start_node()
    for number in range(3):
        name = name_of(Syntax("4", "", another(number)), node)
        assert name.endswith(f"{number:04x}.dcm")


def test_2_2_the_file_part_is_cut_from_the_left(start_node: StartNode) -> None:
    node = start_node(keys={"MaxFileNameLength": 20})
    name = name_of(Syntax("4", "", ct1()), node)
    assert re.fullmatch(rf"PAT_001_A/2_{T}0000\.dcm", name)


class Kept(NamedTuple):
    received: str
    stored: str


@pytest.mark.parametrize("case", [Kept(EVLE, EVLE), Kept(IVLE, IVLE), Kept(EVBE, EVLE)])
def test_7_2_part_10(node: Node, case: Kept) -> None:
    number = 60 + [EVLE, IVLE, EVBE].index(case.received)
    given = another(number)
    assert store(node.port, given, syntax=case.received) == [0]
    path = node.data / str(node.value("SELECT ObjectFile FROM DICOMImages WHERE SOPInstanc = ?", uid_of(given)))
    raw = path.read_bytes()
    assert raw[:132] == bytes(128) + b"DICM"
    found = pydicom.dcmread(path)
    meta = {int(element.tag): element.value for element in found.file_meta}
    length = meta.pop(0x00020000)
    assert meta == {
        0x00020001: b"\0\1",
        0x00020002: CT,
        0x00020003: uid_of(given),
        0x00020010: case.stored,
        0x00020012: "1.2.826.0.1.3680043.2.135.1066.101",
        0x00020013: "1.5.0/OTHER",
    }
    assert raw[144 + length :] == encode(given, case.stored)


@pytest.fixture(scope="module")
def raw(start_node: StartNode) -> Node:
    return start_node(keys={"FileNameSyntax": 3})


@pytest.mark.parametrize("syntax", [EVLE, IVLE, EVBE])
def test_7_3_raw_files(raw: Node, syntax: str) -> None:
    given = another([EVLE, IVLE, EVBE].index(syntax))
    assert store(raw.port, given, syntax=syntax) == [0]
    path = raw.data / str(raw.value("SELECT ObjectFile FROM DICOMImages WHERE SOPInstanc = ?", uid_of(given)))
    first = b"\x02\x00\x10\x00\x12\x00\x00\x001.2.840.10008.1.2\0"
    assert path.suffix == ".v2"
    assert path.read_bytes() == first + encode(given, IVLE)


def compressed(number: int) -> Elements:
    frame = b"\xff\xd8\xff\xd9"
    pixels = b"\xfe\xff\x00\xe0\0\0\0\0\xfe\xff\x00\xe0\x04\0\0\0" + frame + b"\xfe\xff\xdd\xe0\0\0\0\0"
    return {**another(number, t00280010=b"\1\0", t00280011=b"\1\0"), 0x7FE00010: ("OB", pixels)}


def store_jpeg(node: Node, given: Elements) -> int | None:
    data = encode({tag: value for tag, value in given.items() if tag != 0x7FE00010}, EVLE)
    data += b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff" + given[0x7FE00010][1]
    with associated(node.port, [(CT, [JPEG])]) as association:
        return send(association, data, CT, uid_of(given)).status


def test_7_1_a_compressed_object_is_named_dcm_with_a_raw_syntax(raw: Node) -> None:
    assert store_jpeg(raw, compressed(20)) == 0
    name = str(raw.value("SELECT ObjectFile FROM DICOMImages WHERE ImagePat = 'P20'"))
    assert name.endswith(".dcm")
    assert pydicom.dcmread(raw.data / name).file_meta.TransferSyntaxUID == JPEG


def test_7_3_a_compressed_object_takes_the_place_of_a_raw_file(raw: Node) -> None:
    """The original acknowledges it and keeps the old file, which section 15 asks not to copy."""
    assert store(raw.port, another(21)) == [0]
    old = str(raw.value("SELECT ObjectFile FROM DICOMImages WHERE ImagePat = 'P21'"))
    assert store_jpeg(raw, compressed(21)) == 0
    new = str(raw.value("SELECT ObjectFile FROM DICOMImages WHERE ImagePat = 'P21'"))
    assert new.endswith(".dcm")
    assert not (raw.data / old).exists()
    assert (raw.data / new).exists()


def test_5_4_a_changed_syntax_keeps_the_old_name_while_the_extension_is_the_same(start_node: StartNode) -> None:
    node = start_node(keys={"FileNameSyntax": 8})
    assert store(node.port, another(1), another(2)) == [0, 0]
    before = node.files()
    node.stop()
    node.configure({"FileNameSyntax": 4})
    node.start()
    assert store(node.port, another(1, t00200013="9")) == [0]
    assert node.files() == before
    node.stop()
    node.configure({"FileNameSyntax": 3})
    node.start()
    assert store(node.port, another(2)) == [0]
    assert [name for name in node.files() if name.startswith("P1/")] == before[:1]
    (other,) = [name for name in node.files() if name.startswith("P2/")]
    assert other.endswith(".v2")
    assert node.value("SELECT ObjectFile FROM DICOMImages WHERE ImagePat = 'P2'") == other


REWRITES = (
    ("RenameOnRewrite", "Rewritten file: ", 1),
    ("IgnoreRewrite", "File already exists: ", 0),
)


@pytest.mark.parametrize(("key", "line", "renamed"), REWRITES)
def test_2_2_rewriting(start_node: StartNode, key: str, line: str, renamed: int) -> None:
    node = start_node(keys={key: 1})
    assert store(node.port, another(1)) == [0]
    (before,) = node.files()
    content = (node.data / before).read_bytes()
    assert store(node.port, another(1, t00200013="9")) == [0]
    (after,) = node.files()
    assert node.line(line) == f"{line}{node.data}/{after}"
    assert (after != before) == bool(renamed)
    assert ((node.data / after).read_bytes() == content) != bool(renamed)
    assert node.value("SELECT ObjectFile FROM DICOMImages") == after


def test_7_4_the_first_device_with_room_is_taken(
    start_node: StartNode, tmp_path_factory: pytest.TempPathFactory
) -> None:
    second = tmp_path_factory.mktemp("mag1")
    node = start_node(keys={"MAGDevices": 2, "MAGDevice1": second})
    assert store(node.port, another(1), another(2)) == [0, 0]
    assert {row[0] for row in node.rows("SELECT DeviceName FROM DICOMImages")} == {"MAG0"}
    assert node.files(second) == []


def test_7_4_without_room_every_store_fails(start_node: StartNode) -> None:
    node = start_node(keys={"MAGDeviceFullThreshHold": 2_000_000_000})
    assert store(node.port, another(1)) == [0x0110]
    node.line("*** Out of disk space")
    assert node.files() == []


def test_2_2_room_can_be_ignored(start_node: StartNode) -> None:
    node = start_node(keys={"MAGDeviceFullThreshHold": 9000, "IgnoreMAGDeviceThreshHold": 1})
    assert store(node.port, another(1)) == [0]


# -- 1, 7.6


@pytest.fixture(scope="module")
def watching(start_node: StartNode) -> Node:
    return start_node(prepare=lambda made: (made.data / "incoming").mkdir())


def test_1_the_test_of_access_at_the_start(node: Node) -> None:
    assert (node.data / "printer_files" / "accesstest.log").read_bytes() == b""


def test_7_6_incoming(watching: Node) -> None:
    incoming = watching.data / "incoming"
    assert watching.lines()[0] == f"Monitoring for files in: {incoming}/"
    file = watching.folder / "object"
    file.write_bytes(as_file(another(1)))
    (incoming / "sub").mkdir()
    (incoming / "x.partial").write_bytes(b"not yet")
    (incoming / "._junk").write_bytes(b"junk")
    file.rename(incoming / "sub" / "any name")
    line = watching.line("Added file: ")
    wait_for(lambda: not (incoming / "sub").exists() and not (incoming / "._junk").exists(), 20)
    assert (incoming / "x.partial").exists()
    name = watching.value("SELECT ObjectFile FROM DICOMImages")
    assert str(name) in watching.files()
    assert line in (f"Added file: {incoming}/sub/any name", f"Added file: {incoming / 'sub' / 'any name'}")
    assert watching.user() == []


SCRIPTS = (
    ("lua:Data.PatientID..'/'..Data.SOPInstanceUID", f"PAT 001.A/{SOP}.dcm"),
    ("lua:Data.Modality..'/x_'..Data.SeriesNumber..'.dcm'", "CT/x_7.dcm"),
    ("lua:'../../../out'", "_/_/_/out.dcm"),
)


@pytest.mark.parametrize(("value", "expected"), SCRIPTS)
def test_7_1_a_name_that_lua_computes(changing: Node, value: str, expected: str) -> None:
    node = with_syntax(changing, value)
    assert name_of(Syntax(value, "", ct1()), node) == expected
    assert pydicom.dcmread(node.data / expected).PatientID == "PAT 001.A"


def test_7_1_where_lua_fails_the_name_is_that_of_the_usual_syntax(changing: Node) -> None:
    node = with_syntax(changing, "lua:nothing.at.all")
    assert re.fullmatch(rf"PAT_001_A/{S}_0007_000042_{T}{C}\.dcm", name_of(Syntax("", "", ct1()), node))
    assert node.line("*** lua run error")


# -- 7.5


def test_7_5_deletion_is_bottom_up_and_the_folder_of_the_patient_stays(start_node: StartNode) -> None:
    node = start_node()
    both = another(1), another(1, t00080018=uid_of(another(1)) + ".2")
    assert store(node.port, *both, another(2)) == [0] * 3
    tables = ("DICOMPatients", "DICOMStudies", "DICOMSeries", "DICOMImages")

    def counts() -> list[object]:
        return [node.value(f"SELECT COUNT(*) FROM {table}") for table in tables]  # noqa: S608

    program(node.folder, f"--deleteimage:P1:{uid_of(both[0])}")
    assert (counts(), len(node.files())) == ([2, 2, 2, 2], 2)
    program(node.folder, f"--deleteimage:P1:{uid_of(both[1])}")
    assert (counts(), len(node.files())) == ([1, 1, 1, 1], 1)
    assert list((node.data / "P1").iterdir()) == []
    program(node.folder, "--deletepatient:P2")
    assert (counts(), node.files()) == ([0, 0, 0, 0], [])
    assert list((node.data / "P2").iterdir()) == []
