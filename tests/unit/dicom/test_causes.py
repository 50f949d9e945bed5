"""From what was seen to layer, words, and what to do about it."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conquestctl.dicom.causes import Way, cause
from conquestctl.dicom.look import NOT_IN_MAP, Look, look_from, parse_looks
from conquestctl.dicom.verdict import Facts
from conquestctl.engine.base import Captured
from conquestctl.errors import EngineError
from conquestctl.fleet.addresses import GATEWAY, Reader
from conquestctl.route import steps_of
from dgate.config.amap import Node
from tests.fakes import FakeEngine, make_instance

ENTRY = Node("CT2", "ct2", "5679", line=9)
SEEN = Facts("CT2", "CT1", 5.0)
ANSWERED = replace(SEEN, accepted=True, contexts=1, status=0)


def look(facts: Facts = SEEN, entry: Node | None = ENTRY, connected: str = "") -> Look:
    return Look("CT2", entry, facts, ("10.0.0.2",) if not facts.unresolved else (), connected)


def way(tmp_path: Path, wanted: Node = ENTRY, *, sibling: bool = False, reader: Reader = Reader.CONTAINER) -> Way:
    other = make_instance(tmp_path, "ct2", 5679) if sibling else None
    return Way(make_instance(tmp_path, "ct1", 5678), reader, wanted, other)


REFUSED = replace(SEEN, connect_errno=errno.ECONNREFUSED)
CASES: dict[str, tuple[Look, Node, bool, str, str]] = {
    "missing": (look(entry=None), ENTRY, True, NOT_IN_MAP, "conquestctl up ct1"),
    "no port": (look(entry=Node("CT2", "ct2", "")), ENTRY, True, NOT_IN_MAP, "conquestctl up ct1"),
    "loopback": (
        look(REFUSED, Node("CT2", "127.0.0.1", "1", line=3)),
        ENTRY,
        True,
        "refused",
        f"127.0.0.1 is the container itself: in line 3 of its map this machine is {GATEWAY}.",
    ),
    "other entry": (look(REFUSED, Node("CT2", "h", "1", line=3)), ENTRY, True, "refused", "Line 3 of its map is not"),
    "sibling down": (look(replace(SEEN, unresolved="?")), ENTRY, True, "name not resolved", "conquestctl up ct2"),
    "sibling process": (
        look(REFUSED, Node("CT2", GATEWAY, "1")),
        Node("CT2", GATEWAY, "1"),
        True,
        "refused",
        "conquestctl set ct2 BIND=0.0.0.0",
    ),
    "unknown host": (look(replace(SEEN, unresolved="?")), ENTRY, False, "name not resolved", "use the IP address"),
    "host loopback only": (
        look(REFUSED, Node("CT2", GATEWAY, "1")),
        Node("CT2", GATEWAY, "1"),
        False,
        "refused",
        "has to listen on 0.0.0.0",
    ),
    "refused": (look(REFUSED), ENTRY, False, "refused", "on more than its own 127.0.0.1"),
    "firewall": (
        look(replace(SEEN, connect_errno=errno.ETIMEDOUT)),
        ENTRY,
        False,
        "timed out",
        "A firewall",
    ),
    "no route": (look(replace(SEEN, connect_errno=errno.EHOSTUNREACH)), ENTRY, False, "not reachable", "A firewall"),
    "full table": (look(replace(SEEN, connect_errno=errno.EHOSTUNREACH)), ENTRY, True, "not reachable", "gc_thresh3"),
    "title": (
        look(replace(SEEN, rejected=(1, 1, 7)), connected="x"),
        ENTRY,
        True,
        "association rejected",
        "small letters",
    ),
    "unknown caller": (
        look(replace(SEEN, rejected=(1, 1, 3)), connected="x"),
        ENTRY,
        False,
        "association rejected",
        "Its own list lacks CT1: add AE title, address and port 5678 there.",
    ),
    "not dicom": (
        look(replace(SEEN, garbage=True), connected="x"),
        ENTRY,
        False,
        "not DICOM",
        "Another kind",
    ),
    "closed": (look(connected="x"), ENTRY, False, "aborted", "does not take connections from here"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_usual_causes_are_named(tmp_path: Path, case: str) -> None:
    seen, wanted, sibling, layer, hint = CASES[case]
    assert seen.verdict()[0] == layer
    assert hint in cause(way(tmp_path, wanted, sibling=sibling), seen)


def test_who_answers_has_no_cause(tmp_path: Path) -> None:
    seen = look(ANSWERED, connected="10.0.0.2")
    assert seen.verdict() == ("", "")
    assert cause(way(tmp_path), seen) == ""


@pytest.mark.parametrize(
    ("seen", "steps"),
    [
        (look(entry=None), {"map": False}),
        (look(replace(SEEN, unresolved="?")), {"map": True, "name": False}),
        (look(REFUSED), {"map": True, "name": True, "TCP": False}),
        (look(replace(SEEN, expired=True)), {"map": True, "name": True, "TCP": False}),
        (
            look(replace(SEEN, aborted=(0, 0)), connected="x"),
            {"map": True, "name": True, "TCP": True, "association": False},
        ),
        (
            look(replace(ANSWERED, status=0x122), connected="x"),
            {"map": True, "name": True, "TCP": True, "association": True, "C-ECHO": False},
        ),
        (
            look(ANSWERED, connected="x"),
            {"map": True, "name": True, "TCP": True, "association": True, "C-ECHO": True},
        ),
    ],
)
def test_a_way_is_told_up_to_the_step_that_fails(tmp_path: Path, seen: Look, steps: dict[str, bool]) -> None:
    told = steps_of(way(tmp_path, sibling=True), seen)
    assert {step.name: step.ok for step in told} == steps
    assert all(step.detail for step in told)


def document(**facts: Any) -> bytes:
    plain: dict[str, Any] = {
        "called": "CT2", "calling": "CT1", "timeout": 5, "addresses": ["10.0.0.2"], "unresolved": "", "connected": "",
        "connect_error": "", "expired": False, "rejected": None, "aborted": None, "garbage": False, "accepted": False,
        "contexts": 0, "status": None, "seconds": 0.5,
    }  # fmt: skip
    entry = {"ae": "CT2", "host": "ct2", "port": "5679", "compression": "un", "line": 9}
    return json.dumps({"nodes": [{"ae": "CT2", "entry": entry, "facts": {**plain, **facts}}]}).encode()


def test_the_document_of_the_other_side() -> None:
    (seen,) = parse_looks(document(connect_error="ECONNREFUSED", rejected=[1, 2, 3]), 5.0)
    assert (seen.entry, seen.addresses, seen.seconds) == (ENTRY, ("10.0.0.2",), 0.5)
    assert seen.facts == replace(SEEN, connect_errno=errno.ECONNREFUSED, rejected=(1, 2, 3))
    assert parse_looks(document(connect_error="EWHATEVER"), 5.0)[0].facts.connect_errno == errno.EIO


@pytest.mark.parametrize(
    ("captured", "message"),
    [
        (Captured(127, b"", b"exec: python3: not found\n"), "ct1 cannot look around: exec: python3: not found"),
        (Captured(1, b"", b""), "ct1 cannot look around: exit status 1"),
        (Captured(0, b"hello", b""), "what ct1 says about its neighbours cannot be read"),
        (Captured(0, b'{"nodes": [{}]}', b""), "what ct1 says about its neighbours cannot be read"),
        (Captured(0, b'{"nodes": 3}', b""), "what ct1 says about its neighbours cannot be read"),
    ],
)
def test_an_instance_that_cannot_look(tmp_path: Path, captured: Captured, message: str) -> None:
    engine = FakeEngine()
    engine.captured["ct1"] = captured
    with pytest.raises(EngineError, match=message):
        look_from(engine, make_instance(tmp_path, "ct1"), ["CT2"], 5.0)
