"""The quick C-ECHO: yes from a real node, no from everything else that may sit on a port, and never an exception."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import CTImageStorage
from pynetdicom import AE

from conquestctl.dicom import knock
from conquestctl.dicom.echo import VERIFICATION
from conquestctl.dicom.knock import accepts, answers, is_success
from tests.unit.dicom import peers

PATIENCE = 10.0


def test_a_real_node_answers() -> None:
    with peers.node() as target:
        assert answers(target, timeout=PATIENCE)


def test_its_own_title_is_what_counts() -> None:
    ae = AE("SOMEBODY")
    ae.add_supported_context(VERIFICATION)
    ae.require_called_aet = True
    with peers.node(ae) as target:
        assert not answers(target, timeout=PATIENCE)


def test_a_node_without_the_service_does_not_answer() -> None:
    ae = AE("NODE")
    ae.add_supported_context(CTImageStorage)
    with peers.node(ae) as target:
        assert not answers(target, timeout=PATIENCE)


def test_a_failing_echo_is_no_answer() -> None:
    with peers.node(handlers=peers.failing_echo()) as target:
        assert not answers(target, timeout=PATIENCE)


@pytest.mark.parametrize(
    "behave",
    [
        peers.close_at_once,
        peers.answer(peers.reject(1, 1, 7)),
        peers.answer(peers.abort(2, 0)),
        peers.answer_and_close(peers.HTTP_ANSWER),
        peers.answer_and_close(peers.TLS_ALERT),
        peers.answer_and_close(b"\x02\x00\xff\xff\xff\xff"),
        peers.answer_and_close(b"\x02\x00\x00\x00\x00\x04\x00\x00"),
    ],
)
def test_everything_else_is_no(behave: peers.Behaviour) -> None:
    with peers.peer(behave) as target:
        assert not answers(target, timeout=PATIENCE)


def test_nobody_there() -> None:
    assert not answers(peers.unused_target(), timeout=PATIENCE)


def test_silence_ends_with_the_time() -> None:
    with peers.peer(peers.hold) as target:
        assert not answers(target, timeout=0.05)


@given(st.integers(0, 255), st.binary(max_size=200))
def test_any_bytes_are_read_without_an_exception(kind: int, body: bytes) -> None:
    assert accepts(kind, body) in {True, False}
    assert is_success(kind, body) in {True, False}


@pytest.mark.parametrize("read", [accepts, is_success])
@given(st.data())
def test_a_cut_answer_is_no_yes(read: Callable[[int, bytes], bool], data: st.DataObject) -> None:
    kind, whole = (2, accepting()) if read is accepts else (4, succeeding())
    assert read(kind, whole)
    assert not read(kind, whole[: data.draw(st.integers(0, len(whole) - 2))])


def accepting() -> bytes:
    return bytes(knock.AC_FIXED) + bytes.fromhex("21000004 01000000")


def succeeding() -> bytes:
    status = knock.STATUS + b"\x02\0\0\0\0\0"
    return bytes.fromhex("0000000c 01 03") + status


UP_TO_THE_ANSWER = """
import sys
from pathlib import Path
from conquestctl.fleet.instance import Instance
from conquestctl.readiness import echo_instance
one = Instance("n", Path("."), "NODE", int(sys.argv[1]), "127.0.0.1", "", "", "", {})
assert echo_instance(one, 10.0) == ""
print([name for name in ("pynetdicom", "pydicom", "docker") if name in sys.modules])
"""


def test_waiting_for_an_instance_needs_no_toolkit() -> None:
    """Its import costs as much processor time as starting several servers, at the worst moment."""
    with peers.node() as target:
        command = [sys.executable, "-c", UP_TO_THE_ANSWER, str(target.port)]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said == "[]\n"
