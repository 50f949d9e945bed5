"""Chance against the parsers, and against a whole server with a disk behind it.

The bounds keep this within seconds; DGATE_FUZZ_EXAMPLES=100000 makes an evening of it.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dgate.archive.spool import Spool
from dgate.dataset import model, structure
from dgate.encoding import part10
from dgate.encoding.elements import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, Walker, encoding_of
from dgate.interfaces import QueryFailure
from dgate.net import dimse, pdu
from dgate.query import identifier
from tests.dgate.archive.support import CT1, dataset
from tests.dgate.net.raw import RawClient, command

from .client import REQUEST, keys
from .conftest import harmless, running
from .conversations import conversation, damaged, pieces
from .site import Site

EXAMPLES = int(os.environ.get("DGATE_FUZZ_EXAMPLES", "500"))
SYNTAXES = (EXPLICIT_LITTLE, EXPLICIT_BIG, IMPLICIT_LITTLE)
Notes = list[tuple[bytes, bytes]]
chances = st.integers(0, 2**64 - 1).map(Random)
bounded = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def some_damage(valid: bytes, chance: Random) -> bytes:
    return b"".join(damaged([valid], chance))


@bounded
@given(chances)
def test_association_pdus(chance: Random) -> None:
    body = some_damage(REQUEST, chance)[6:]
    for parse in (pdu.parse_request, pdu.parse_accept, pdu.parse_reject, pdu.parse_abort):
        with contextlib.suppress(pdu.PduError):
            parse(body)


@bounded
@given(chances)
def test_a_request_that_is_understood_can_be_answered(chance: Random) -> None:
    from dgate.config.soplist import EVERYTHING
    from dgate.net.negotiation import Agreement, negotiate

    with contextlib.suppress(pdu.PduError):
        agreement = negotiate(pdu.parse_request(some_damage(REQUEST, chance)[6:]), EVERYTHING, 16384)
        if isinstance(agreement, Agreement):
            answer = pdu.encode_accept(agreement.reply)
            assert len(answer) == 6 + pdu.HEADER.unpack_from(answer)[1]


@bounded
@given(chances, st.sampled_from([dimse.C_STORE, dimse.C_FIND, dimse.C_CANCEL]))
def test_command_sets(chance: Random, field: int) -> None:
    with contextlib.suppress(dimse.DimseError):
        read = dimse.parse_command(some_damage(command(field, data_set=True), chance))
        assert 0 <= read.message_id < 0x10000
        dimse.response(read, 0, instance=True)


@bounded
@given(chances, st.sampled_from(SYNTAXES), st.integers(1, 400))
def test_data_sets_in_pieces_of_any_size(chance: Random, syntax: str, size: int) -> None:
    """What the walker says does not depend on the pieces, and it keeps no more than one value between them."""
    data = some_damage(dataset(CT1, syntax), chance)
    whole, cut = Walker(encoding_of(syntax), frozenset(CT1)), Walker(encoding_of(syntax), frozenset(CT1))
    whole.feed(data)
    for start in range(0, len(data), size):
        cut.feed(data[start : start + size])
        assert len(cut._carry) < 8192
    for walker in (whole, cut):
        walker.end()
    assert (whole.fault, whole.values, whole.head_end) == (cut.fault, cut.values, cut.head_end)


@bounded
@given(chances, st.sampled_from(SYNTAXES))
def test_data_sets_with_sequences(chance: Random, syntax: str) -> None:
    from .conversations import SEQUENCE

    data = some_damage(SEQUENCE + dataset(CT1, syntax) + SEQUENCE, chance)
    with contextlib.suppress(structure.DataSetError):
        for _ in model.DataSet.parse(data, encoding_of(syntax)).walk():
            continue


@bounded
@given(chances)
def test_identifiers(chance: Random) -> None:
    with contextlib.suppress(QueryFailure):
        identifier.parse_identifier(some_damage(keys("STUDY", {0x0020000D: b"1.2"}), chance), IMPLICIT_LITTLE, "study")


@bounded
@given(chances)
def test_file_headers(chance: Random) -> None:
    good = part10.header(b"1.2.840.10008.5.1.4.1.1.2", b"1.2.3", EXPLICIT_LITTLE.encode()) + dataset(CT1)
    with contextlib.suppress(part10.NotDicomError):
        meta = part10.read_meta(io.BytesIO(some_damage(good, chance)))
        assert meta.offset >= 0


NOTES = st.lists(st.tuples(st.binary(max_size=30), st.text("\t\n\\\\ntPOS/", max_size=9).map(str.encode)), max_size=5)


@pytest.fixture(scope="module")
def spool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spool]:
    opened = Spool(b"MAG0", os.fsencode(tmp_path_factory.mktemp("device")))
    yield opened
    opened.close()


@bounded
@given(NOTES, st.integers(0, 21))
def test_the_journal_of_a_spool(spool: Spool, notes: Notes, cut: int) -> None:
    """What is noted is read again, whatever is in it; a line that a full disk cut short harms no other."""
    spool.empty_journal()
    for uid, path in notes:
        with Path(os.fsdecode(spool.root), ".spool", "placed.log").open("ab") as journal:
            journal.write(b"\nP\tx-1\t1.2\t\tPAT/1.dcm\t\n"[:cut])
        spool.intend(uid, path)
    assert [(note.uid, note.path) for note in spool.intentions()] == notes


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Everything that can be asked for is switched on."""
    with running(Site(tmp_path_factory.mktemp("site"), ini="StorageCommitment = 1\nDebugLevel = 1\n")) as started:
        yield started


@pytest.fixture(scope="module")
def sturdy(site: Site) -> Iterator[Site]:
    """What all conversations together leave behind is looked at when they are over."""
    with harmless(site):
        yield site
    assert site.images() == len(site.files())


@bounded
@given(chances)
def test_conversations(sturdy: Site, chance: Random) -> None:
    talk(sturdy, b"".join(damaged(conversation(chance), chance)), chance)
    if chance.random() < 0.1:
        sturdy.still_serves()


def talk(site: Site, stream: bytes, chance: Random) -> None:
    """Say it all and hang up; the server may have hung up before."""
    with RawClient(site.port) as client, contextlib.suppress(OSError):
        for piece in pieces(stream, chance):
            client.send(piece)
        client.sock.shutdown(1)
        client.everything()
