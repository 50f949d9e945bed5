"""Section 10: what the log says, and where it goes."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import NamedTuple

import pytest

from .conftest import StartNode
from .node import Node
from .objects import CT, EVLE, IVLE, another, ct1, uid_of
from .scu import VERIFICATION, associated, store

STAMP = r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} [ 0-3]\d \d\d:\d\d:\d\d \d{4}"
DATE = r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-3]\d \d\d:\d\d:\d\d \d{4}"


def echo(node: Node, calling: str = "TESTSCU") -> None:
    with associated(node.port, [(VERIFICATION, [IVLE])], calling=calling) as association:
        assert association.send_c_echo().Status == 0


START = (
    rf"DGATE \(1\.5\.0e, build {DATE}, bits 64\) is running as threaded server",
    r"Database type: built-in SQLite driver",
)
ECHO = (
    r"",
    rf"UPACS THREAD 0: STARTED AT: {DATE}",
    r"A-ASSOCIATE-RQ Packet Dump",
    r'\tCalling Application Title : "TESTSCU         "',
    r'\tCalled Application Title : "ORACLE          "',
    r'\tApplication Context : "1\.2\.840\.10008\.3\.1\.1\.1", PDU length: \d+',
    r"\tNumber of Proposed Presentation Contexts: 1",
    r'\tPresentation Context 0 "1\.2\.840\.10008\.1\.1" 1',
    r"Server Command   := 0030",
    r"Message ID       := 0001",
    r"C-Echo",
    rf"UPACS THREAD 0: ENDED AT: {DATE}",
    r"UPACS THREAD 0: TOTAL RUNNING TIME: 0 SECONDS",
)
DEBUG = (r"A-ASSOCIATE-RQ", r"\tNumber of", r"Server Command", r"Message ID")


def assert_lines(found: list[str], expected: tuple[str, ...]) -> None:
    assert len(found) == len(expected), found
    for line, pattern in zip(found, expected, strict=True):
        assert re.fullmatch(pattern, line), (line, pattern)


@pytest.fixture(scope="module")
def logging(start_node: StartNode) -> Node:
    """A server with one of each kind of log file; one echo, one store, one failed store."""
    words = tuple(f"{option}{name}" for option, name in FILES.items())
    node = start_node(words=words)
    echo(node)
    assert store(node.port, ct1()) == [0]
    assert store(node.port, ct1(t00100020="OTHERPAT", t00080018="1.2.3")) == [0x0110]
    node.line("UPACS THREAD 2: TOTAL")
    return node


FILES = {"-l": "plain.log", "-L": "everything.log", "-^": "serverstatus.log", "-#": "stamped.log"}


def block(lines: list[str], number: int) -> list[str]:
    """The lines of one association, the empty one before it included."""
    first = next(at for at, line in enumerate(lines) if line.startswith(f"UPACS THREAD {number}: STARTED"))
    last = next(at for at, line in enumerate(lines) if line.startswith(f"UPACS THREAD {number}: TOTAL"))
    return lines[first - 1 : last + 1]


def test_10_the_start_and_an_echo(logging: Node) -> None:
    lines = logging.lines()
    assert_lines([line for line in lines[:3] if not line.startswith("Started zip")][:2], START)
    assert_lines(block(lines, 0), ECHO)


def test_10_a_store(logging: Node) -> None:
    path = logging.value("SELECT ObjectFile FROM DICOMImages WHERE ImagePat = 'PAT 001.A'")
    tail = block(logging.lines(), 1)[8:-2]
    assert_lines(
        tail,
        (
            r"Server Command   := 0001",
            r"Message ID       := 0001",
            rf"FreeStore Left \d+ on {re.escape(str(logging.data))}/",
            re.escape(f"Written file: {logging.data}/{path}"),
        ),
    )


class Kind(NamedTuple):
    option: str
    debug: bool
    stamped: bool


KINDS = (
    Kind("-l", debug=False, stamped=False),
    Kind("-L", debug=True, stamped=False),
    Kind("-^", debug=False, stamped=True),
    Kind("-#", debug=True, stamped=True),
)


@pytest.mark.parametrize("kind", KINDS, ids=[kind.option for kind in KINDS])
def test_10_log_files(logging: Node, kind: Kind) -> None:
    lines = (logging.folder / FILES[kind.option]).read_text().splitlines()
    if kind.stamped:
        assert all(re.match(rf"{STAMP} ", line) or re.fullmatch(rf"{STAMP} ?", line) for line in lines)
        lines = [line[25:] for line in lines]
    expected = ECHO if kind.debug else tuple(each for each in ECHO if not each.startswith(DEBUG))
    assert_lines(block(lines, 0), expected)


def test_10_trouble_and_user_log(logging: Node) -> None:
    raw = (logging.folder / "PacsTrouble.log").read_text().splitlines()
    assert all(re.match(rf"{STAMP} \S", line) for line in raw)
    assert any(re.fullmatch(r"\*\*\*Error saving to SQL: OTHERPAT/.*\.dcm", line) for line in logging.trouble())
    assert all("***" in line or line.startswith("Inconsistent") for line in logging.trouble())
    user = (logging.folder / "PacsUser.log").read_text().splitlines()
    assert len(user) == 1
    assert re.fullmatch(rf'{STAMP} "C-Store","TESTSCU         "', user[0])


def test_10_the_last_number_of_a_context_is_about_its_class(logging: Node) -> None:
    before = logging.mark()
    contexts = [(VERIFICATION, [IVLE]), ("1.2.3.4.5.6.7.8.9", [IVLE]), (CT, ["1.2.840.10008.1.2.5"])]
    with associated(logging.port, contexts) as association:
        association.send_c_echo()
    logging.line("C-Echo", before)
    assert [line for line in logging.lines(before) if "Presentation Context " in line] == [
        f'\tPresentation Context 0 "{VERIFICATION}" 1',
        '\tPresentation Context 1 "1.2.3.4.5.6.7.8.9" 0',
        f'\tPresentation Context 2 "{CT}" 1',
    ]


def test_10_the_logs_may_have_other_names(start_node: StartNode, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere: Path = tmp_path_factory.mktemp("logs")
    node = start_node(keys={"TroubleLog": elsewhere / "trouble", "UserLog": "mine.log"})
    assert store(node.port, another(1), another(1, t00100020="X")) == [0, 0x0110]
    assert (node.folder / "mine.log").read_text().count('"C-Store","TESTSCU         "') == 1
    assert "***Error saving to SQL: X/" in (elsewhere / "trouble").read_text()


def test_10_the_operators_console_by_udp(start_node: StartNode) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as console:
        console.bind(("127.0.0.1", 0))
        console.settimeout(10)
        node = start_node(
            keys={"OperatorConsole": "127.0.0.1", "PACSName": "MINE"}, words=(f"-!{console.getsockname()[1]}",)
        )
        echo(node)
        lines = [console.recv(8192).decode() for _ in range(4)]
    assert lines[0].startswith("[MINE] DGATE (1.5.0e, build ")
    assert lines[1] == "[MINE] Database type: built-in SQLite driver\n"
    assert lines[2].strip() == "[MINE]"


def test_10_the_number_counts_associations(start_node: StartNode) -> None:
    node = start_node()
    for _ in range(3):
        socket.create_connection(("127.0.0.1", node.port)).close()
    node.line("*** multiplex: connection terminated")
    echo(node)
    echo(node)
    node.line("UPACS THREAD 0: STARTED AT: ")
    node.line("UPACS THREAD 1: STARTED AT: ")


def test_13_an_unknown_command_closes_the_association(logging: Node) -> None:
    """An N-GET, on a context for storage."""
    from pynetdicom.dimse_primitives import N_GET

    before = logging.mark()
    request = N_GET()
    request.MessageID, request.RequestedSOPClassUID, request.RequestedSOPInstanceUID = 1, CT, "1.2.3"
    with associated(logging.port, [(CT, [EVLE])]) as association:
        association._reactor_checkpoint.clear()
        association.dimse.send_msg(request, 1)
        assert association.dimse.get_msg(block=True) == (None, None)
        association._reactor_checkpoint.set()
        association.join(5)
        assert association.is_aborted
    logging.line("***Connection Terminated", before)
    assert [line for line in logging.lines(before) if "***" in line] == [
        "***Client Error: command 0110 failed **",
        "***Connection Terminated",
    ]


def test_2_2_debug_level_1_dumps_command_sets(start_node: StartNode) -> None:
    quiet, loud = start_node(), start_node(keys={"DebugLevel": 1})
    echo(quiet)
    echo(loud)
    for node in (quiet, loud):
        node.line("UPACS THREAD 0: TOTAL")
    assert len(block(loud.lines(), 0)) > len(block(quiet.lines(), 0))


def test_5_4_the_same_object_says_rewritten(logging: Node) -> None:
    given = another(3)
    assert store(logging.port, given, given) == [0, 0]
    path = logging.value("SELECT ObjectFile FROM DICOMImages WHERE SOPInstanc = ?", uid_of(given))
    assert logging.line("Rewritten file: ") == f"Rewritten file: {logging.data}/{path}"
