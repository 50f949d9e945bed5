"""Queries and retrievals that want to reach the SQL, cost the server dearly, or never read what they asked for."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from dgate.net import dimse, pdu
from tests.dgate.archive.support import CT1, CT_CLASS, UID, dataset
from tests.dgate.net.conftest import wait_for
from tests.dgate.net.raw import FIND_CONTEXT, command

from .client import BAD_QUERY, SOP_UID, Client
from .conftest import StartSite, harmless, running
from .site import Site

NAME, PATIENT_ID, STUDY, DESCRIPTION = 0x00100010, 0x00100020, 0x0020000D, 0x00081030
IMAGES = 20_000
AVERAGE = b"x" * 60


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server with one stored object and the rows of very many, for answers that fill every buffer."""
    prepared = Site(tmp_path_factory.mktemp("site"))
    with running(prepared) as started:
        fill(started)
        yield started


def fill(site: Site) -> None:
    with closing(sqlite3.connect(site.database)) as connection, connection:
        series = (UID + ".1").encode()
        rows = ((f"2.5.{n}", CT_CLASS, AVERAGE, AVERAGE, series.decode()) for n in range(IMAGES))
        connection.executemany(
            "INSERT INTO DICOMImages (SOPInstanc, SOPClassUI, ImageType, ImageID, SeriesInst) VALUES (?, ?, ?, ?, ?)",
            rows,
        )


HOSTILE_KEYS = [
    b"'", b"''", b'"', b"';--", b"x'; DROP TABLE DICOMImages; --", b"%", b"_", b"%%", b"[a-z]", b"\\", b"!", b"!%",
    b"' OR '1'='1", b"*' OR 1=1 --", b"\xff\xfe", b"a\0b", b"a\nb", b"x" * 65_000, b"?" * 65, b"?" * 60_000,
]  # fmt: skip


@pytest.mark.parametrize("key", HOSTILE_KEYS, ids=lambda key: repr(key[:30]))
@pytest.mark.parametrize("tag", [NAME, PATIENT_ID, DESCRIPTION, STUDY, 0x00080020, 0x00080061, 0x99990C00, 0x99990C01])
def test_keys_that_want_to_be_sql_match_nothing(served: Site, tag: int, key: bytes) -> None:
    """They are values and nothing else: no answer, unless the key is one of control, and no harm."""
    with Client(served.port) as client:
        status, answers = client.find("STUDY", {tag: key, STUDY: b"" if tag != STUDY else key})
        assert status in (0, BAD_QUERY)
        assert answers == [] or tag >> 16 == 0x9999
        assert len(client.find("STUDY", {STUDY: UID.encode()})[1]) == 1
        client.release()


def test_a_hundred_thousand_uids(served: Site) -> None:
    many = b"\\".join(b"1.2.%d" % number for number in range(100_000))
    with Client(served.port) as client:
        assert client.find("STUDY", {STUDY: many}) == (BAD_QUERY, [])
        few = b"\\".join([UID.encode(), *(b"1.2.%d" % number for number in range(20_000))])
        status, answers = client.find("STUDY", {STUDY: few})
        assert (status, len(answers)) == (0, 1)
        client.release()


@pytest.mark.parametrize("tag", [NAME, PATIENT_ID, STUDY, 0x00080061, 0x00080020])
def test_a_hundred_thousand_stars(served: Site, tag: int) -> None:
    """As many as one: everything."""
    with Client(served.port) as client:
        status, answers = client.find("STUDY", {STUDY: b"", tag: b"*" * 100_000})
        assert (status, len(answers)) == (0, 1)
        client.release()


def test_a_pattern_made_to_search_for_ever(served: Site) -> None:
    """Stars and letters in turn: each row is decided in a moment, or 20 000 of them would take years."""
    with Client(served.port) as client:
        status, answers = client.find("IMAGE", {0x00080008: b"*x" * 31 + b"*y", SOP_UID: b""})
        assert (status, answers) == (0, [])
        client.release()


def test_a_megabyte_of_identifier_and_more(served: Site) -> None:
    with Client(served.port) as client:
        memory = served.forget_peak()
        head = command(dimse.C_FIND, data_set=True)
        client.send(dimse.encode_message(FIND_CONTEXT, head, bytes(20_000_000), 100_000))
        assert client.status() == BAD_QUERY
        assert served.peak() < memory + 8192
        client.release()


def test_an_identifier_of_very_many_keys(served: Site) -> None:
    with Client(served.port) as client:
        wanted = {0x00090000 + number: b"" for number in range(0x1000, 0xE000)}
        status, answers = client.find("STUDY", {**wanted, STUDY: UID.encode()})
        assert (status, len(answers)) == (0, 1)
        client.release()


def test_everything_asked_for_and_never_read(served: Site) -> None:
    """Dropped when the time for one send is over; what the query held is given back."""
    memory = served.forget_peak()
    with Client(served.port, receive_buffer=4096) as client:
        client.ask("IMAGE", {SOP_UID: b"", 0x00080008: b"", 0x00540400: b"", 0x00080016: b""})
        wait_for(lambda: served.level().sockets > 1)
        wait_for(lambda: served.level().sockets == 1, 30)
    assert served.peak() < memory + 8192
    assert "timed out" in served.log()


def test_a_query_that_is_left_in_the_middle(served: Site) -> None:
    for how in (pdu.encode_abort(0, 0), pdu.RELEASE_RQ_PDU, b"\x99" * 10, b""):
        with Client(served.port) as client:
            client.ask("IMAGE", {SOP_UID: b""})
            assert client.receive()[0] == pdu.P_DATA
            client.send(how)
    wait_for(lambda: served.level().sockets == 1)


@pytest.fixture(scope="module")
def big_object() -> bytes:
    return dataset({**CT1, 0x7FE00010: (b"OW", bytes(24_000_000))})


def test_an_object_asked_for_and_never_read(start_site: StartSite, big_object: bytes) -> None:
    site = start_site()
    with Client(site.port) as client:
        assert client.store(big_object, max_length=100_000) == 0
        client.release()
    with harmless(site), Client(site.port, receive_buffer=4096) as client:
        memory = site.forget_peak()
        client.ask_for_objects({STUDY: UID.encode()})
        wait_for(lambda: "timed out" in site.log(), 30, site.log)
        wait_for(lambda: site.level().sockets == 1)
        assert site.peak() < memory + 8192


def test_a_destination_that_never_reads(start_site: StartSite, big_object: bytes) -> None:
    """The C-MOVE ends with a failure within the time for one send, and says so to whoever asked."""
    site = start_site()
    with socket.socket() as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.bind(("127.0.0.1", 0))
        lazy.listen()
        site.know(f"LAZY 127.0.0.1 {lazy.getsockname()[1]} un")
        with Client(site.port) as client:
            assert client.store(big_object, max_length=100_000) == 0
            client.release()
        with harmless(site), Client(site.port) as client:
            client.ask_to_move("LAZY", {STUDY: UID.encode()})
            peer = accepted(lazy)
            answer, _ = client.response()
            assert answer.number(dimse.STATUS) not in (0, dimse.PENDING)
            client.release()
            peer.close()


def test_a_destination_that_never_answers(start_site: StartSite) -> None:
    site = start_site()
    with socket.create_server(("127.0.0.1", 0)) as mute:
        site.know(f"MUTE 127.0.0.1 {mute.getsockname()[1]} un")
        with harmless(site), Client(site.port) as client:
            client.ask_to_move("MUTE", {STUDY: UID.encode()})
            answer, _ = client.response()
            assert answer.number(dimse.STATUS) == 0xC005
            client.release()


def accepted(listening: socket.socket) -> socket.socket:
    """A peer that accepts the association, every context of it, and then does nothing any more."""
    listening.settimeout(20)
    peer, _ = listening.accept()
    peer.settimeout(20)
    head = read(peer, 6)
    request = pdu.parse_request(read(peer, pdu.HEADER.unpack(head)[1]))
    results = tuple(pdu.ContextResult(context.id, 0, context.transfer_syntaxes[0]) for context in request.contexts)
    accept = pdu.AssociateAccept(
        request.called, request.calling, bytes(32), request.application_context, results, pdu.UserInformation(16384)
    )
    peer.sendall(pdu.encode_accept(accept))
    return peer


def read(peer: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = peer.recv(count - len(data))
        assert piece
        data += piece
    return data


def test_the_database_of_a_running_query_is_not_held_for_ever(served: Site) -> None:
    """A reader that is stuck in the middle of its answers does not stop those who store."""
    with Client(served.port, receive_buffer=4096) as reader, Client(served.port) as writer:
        reader.ask("IMAGE", {SOP_UID: b"", 0x00080008: b""})
        for number in range(20):
            uid = f"1.9.{number}"
            assert writer.store(dataset({**CT1, SOP_UID: (b"UI", uid.encode())}), uid) == 0
        writer.release()
