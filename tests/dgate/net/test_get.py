"""C-GET over the requester's own association; and every object of pydicom there and back, by C-MOVE and C-GET."""

from __future__ import annotations

import io
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pynetdicom import AE, build_role, evt

from dgate.encoding.part10 import read_meta
from dgate.net import dimse, pdu
from dgate.net.pdu import ProposedContext
from tests import dcmtk
from tests.dgate.archive.support import CT1, dataset
from tests.dgate.archive.test_pydicom_files import FILES

from .conftest import SHORT, wait_for
from .raw import CT, EVLE, IVLE, RawClient, pdv, request
from .whole import (
    GET,
    MR,
    RETRIEVE_CONTEXT,
    STUDY,
    Whole,
    cancel_message,
    counts,
    keys,
    move_from,
    retrieve_command,
    retrieving_client,
    whole_server,
)

STORE_CONTEXT = 3
CT_OFFER = ProposedContext(STORE_CONTEXT, CT, (EVLE,))
GET_MESSAGE = dimse.encode_message(RETRIEVE_CONTEXT, retrieve_command(dimse.C_GET, GET), keys(), 0)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Whole]:
    with whole_server(tmp_path) as running:
        yield running
        running.wait_until_empty()


def store_answer(request: dimse.Command, status: int = 0, context: int = STORE_CONTEXT) -> bytes:
    return dimse.encode_message(context, dimse.response(request, status, instance=True), None, 0)


def take_all(
    client: RawClient, status: int = 0, context: int = STORE_CONTEXT
) -> tuple[list[tuple[dimse.Command, bytes]], list[tuple[int, int, int, int]], dimse.Command]:
    """Answer every C-STORE with this status: objects, counters of the pending responses, final response."""
    objects, pending = [], []
    while True:
        message, data = client.response()
        if message.field == dimse.C_STORE:
            assert data is not None
            objects.append((message, data))
            client.send(store_answer(message, status, context))
        elif message.number(dimse.STATUS) == dimse.PENDING:
            pending.append(counts(message))
        else:
            return objects, pending, message


class TestRaw:
    def test_all_come(self, server: Whole) -> None:
        uids = server.fill(3)
        with retrieving_client(server.port, GET, CT_OFFER) as client:
            client.send(GET_MESSAGE)
            objects, pending, final = take_all(client)
            client.release()
        assert (final.number(dimse.STATUS), counts(final)) == (0, (0, 3, 0, 0))
        assert pending == [(2, 1, 0, 0), (1, 2, 0, 0), (0, 3, 0, 0)]
        assert [request.uid(dimse.AFFECTED_SOP_INSTANCE).encode() for request, _ in objects] == uids
        assert all(dimse.MOVE_ORIGINATOR not in request.elements for request, _ in objects)
        for uid, (_, data) in zip(uids, objects, strict=True):
            assert data == dataset({**CT1, 0x00080018: (b"UI", uid)})
        assert "C-Get (StudyRoot)" in server.log.lines
        assert server.log.users == [("C-Get", "TESTSCU")]

    def test_nothing_found(self, server: Whole) -> None:
        with retrieving_client(server.port, GET, CT_OFFER) as client:
            client.send(GET_MESSAGE)
            objects, pending, final = take_all(client)
            assert (objects, pending) == ([], [])
            assert (final.number(dimse.STATUS), counts(final)) == (0xC004, (0, 0, 0, 0))
            client.release()

    def test_a_class_that_was_not_negotiated_fails(self, server: Whole) -> None:
        server.fill(2)
        server.fill(1, sop_class=MR, start=2)
        with retrieving_client(server.port, GET, CT_OFFER) as client:
            client.send(GET_MESSAGE)
            objects, pending, final = take_all(client)
            client.release()
        assert len(objects) == 2
        assert pending[-1] == (0, 2, 1, 0)
        assert (final.number(dimse.STATUS), counts(final)) == (0, (0, 2, 1, 0))

    def test_a_failure_of_the_requester_stops_everything(self, server: Whole) -> None:
        server.fill(4)
        with retrieving_client(server.port, GET, CT_OFFER) as client:
            client.send(GET_MESSAGE)
            objects, _, final = take_all(client, 0xA700)
            client.release()
        assert len(objects) == 1
        assert (final.number(dimse.STATUS), counts(final)) == (0xFE00, (0, 0, 4, 0))

    def test_cancel_instead_of_an_answer_takes_effect_after_it(self, server: Whole) -> None:
        server.fill(4)
        with retrieving_client(server.port, GET, CT_OFFER) as client:
            client.send(GET_MESSAGE)
            request, _ = client.response()
            client.send(cancel_message())
            client.send(store_answer(request))
            objects, pending, final = take_all(client)
            client.release()
        assert (objects, pending) == ([], [(3, 1, 0, 0)])
        assert (final.number(dimse.STATUS), counts(final)) == (0xFE00, (3, 1, 0, 0))

    @pytest.mark.parametrize("max_length", [0, 64, 65, 16383, 1 << 20])
    def test_any_maximum_length(self, server: Whole, max_length: int) -> None:
        elements = {**CT1, 0x7FE00010: (b"OW", bytes(range(256)) * 3000)}
        assert server.house.store(elements) == 0
        with retrieving_client(server.port, GET, CT_OFFER, max_length=max_length) as client:
            client.send(GET_MESSAGE)
            objects, _, _ = take_all(client)
            client.release()
        assert [data for _, data in objects] == [dataset(elements)]

    def test_the_association_goes_on(self, server: Whole) -> None:
        server.fill(1)
        with retrieving_client(server.port, GET, CT_OFFER) as client:
            for _ in range(3):
                client.send(GET_MESSAGE)
                _, _, final = take_all(client)
                assert counts(final) == (0, 1, 0, 0)
            client.release()

    def test_a_file_that_shrinks_while_it_is_sent_ends_the_association(self, server: Whole) -> None:
        elements = {**CT1, 0x7FE00010: (b"OW", bytes(20_000_000))}
        assert server.house.store(elements) == 0
        ((name,),) = server.house.rows("SELECT ObjectFile FROM DICOMImages")
        with retrieving_client(server.port, GET, CT_OFFER, receive_buffer=4096) as client:
            client.send(GET_MESSAGE)
            assert client.receive()[0] == pdu.P_DATA
            with (server.house.data / name.decode()).open("r+b") as file:
                file.truncate(1_000_000)
            kind = pdu.P_DATA
            while kind == pdu.P_DATA:
                kind, _ = client.receive()
            assert kind == pdu.ABORT


class TestHostile:
    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[Whole]:
        with whole_server(tmp_path, SHORT) as running:
            yield running
            running.wait_until_empty()

    def test_a_requester_that_never_reads(self, server: Whole) -> None:
        assert server.house.store({**CT1, 0x7FE00010: (b"OW", bytes(20_000_000))}) == 0
        with retrieving_client(server.port, GET, CT_OFFER, receive_buffer=4096) as client:
            client.send(GET_MESSAGE)
            wait_for(lambda: server.door.counts()[1] == 1)
            server.wait_until_empty()

    def test_a_requester_that_never_answers(self, server: Whole) -> None:
        server.fill(1)
        with retrieving_client(server.port, GET, CT_OFFER) as client:
            client.send(GET_MESSAGE)
            assert client.response()[0].field == dimse.C_STORE
            assert client.everything() == b""

    @pytest.mark.parametrize(
        "said",
        [
            store_answer(dimse.Command({0x100: b"\1\0", 0x110: b"\x99\0", 0x800: b"\1\1"})),
            GET_MESSAGE,
            dimse.encode_message(STORE_CONTEXT, dimse.encode_command([(0x100, b"\1\x80"), (0x800, b"\1\1")]), None, 0),
            b"\4\0\0\0\0\7" + pdv(STORE_CONTEXT, 2, b"x"),
            b"\2\0\0\0\0\4\0\0\0\0",
            b"\7\0\0\0\0\4\0\0\0\0",
        ],
    )
    def test_nonsense_instead_of_an_answer_ends_the_association(self, server: Whole, said: bytes) -> None:
        server.fill(1)
        with retrieving_client(server.port, GET, CT_OFFER) as client:
            client.send(GET_MESSAGE)
            assert client.response()[0].field == dimse.C_STORE
            client.send(said)
            kind = client.receive()[0]
            assert kind in {0, pdu.ABORT}

    def test_release_instead_of_an_answer(self, server: Whole) -> None:
        server.fill(1)
        with retrieving_client(server.port, GET, CT_OFFER) as client:
            client.send(GET_MESSAGE)
            client.response()
            client.send(pdu.RELEASE_RQ_PDU)
            assert client.receive()[0] == pdu.RELEASE_RP

    def test_a_request_with_more_behind_it_in_one_pdu(self, server: Whole) -> None:
        server.fill(1)
        body = pdv(RETRIEVE_CONTEXT, 3, retrieve_command(dimse.C_GET, GET)) + pdv(RETRIEVE_CONTEXT, 2, keys())
        body += pdv(RETRIEVE_CONTEXT, 3, retrieve_command(dimse.C_GET, GET))
        with retrieving_client(server.port, GET, CT_OFFER) as client:
            client.send(pdu.HEADER.pack(pdu.P_DATA, len(body)) + body)
            assert client.response()[0].field == dimse.C_STORE
            assert client.abort_reason() == pdu.UNEXPECTED_PDU

    def test_others_are_served_meanwhile(self, server: Whole) -> None:
        server.fill(1)
        with retrieving_client(server.port, GET, CT_OFFER) as client:
            client.send(GET_MESSAGE)
            request, _ = client.response()
            with RawClient(server.port) as other:
                other.associate()
                assert other.echo() == 0
                other.release()
            client.send(store_answer(request))
            assert counts(take_all(client)[2]) == (0, 1, 0, 0)
            client.release()


@pytest.mark.peer
@pytest.mark.skipif(not dcmtk.find("getscu"), reason="dcmtk is not installed")
@pytest.mark.parametrize("model", ["-S", "-P"])
@pytest.mark.parametrize("length", ["4096", "131072"])
def test_getscu(server: Whole, tmp_path_factory: pytest.TempPathFactory, model: str, length: str) -> None:
    uids = server.fill(3)
    folder = tmp_path_factory.mktemp("received")
    command = [
        dcmtk.path("getscu"), model, "-pdu", length, "-od", str(folder), "-aec", "ORACLE", "-k", "0008,0052=STUDY",
        "-k", f"0020,000D={STUDY.decode()}", "127.0.0.1", str(server.port),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found = sorted(pydicom.dcmread(path).SOPInstanceUID for path in folder.iterdir())
    assert found == sorted(uid.decode() for uid in uids)


# Every object there and back


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    """A server that holds what is readable inside pydicom, stored by C-STORE."""
    with whole_server(tmp_path_factory.mktemp("pydicom")) as running:
        for path in FILES:
            send(running.port, path)
        yield running


def send(port: int, path: Path) -> None:
    data = pydicom.dcmread(path)
    syntax = str(data.file_meta.TransferSyntaxUID)
    sop_class = str(data.get("SOPClassUID") or "1.2.840.10008.5.1.4.1.1.7")
    raw = path.read_bytes()
    with RawClient(port) as client:
        client.associate(request([ProposedContext(STORE_CONTEXT, sop_class, (syntax,))], max_length=0))
        elements = [
            (dimse.AFFECTED_SOP_CLASS, sop_class.encode()),
            (dimse.COMMAND_FIELD, dimse.ushort(dimse.C_STORE)),
            (dimse.MESSAGE_ID, dimse.ushort(1)),
            (dimse.DATA_SET_TYPE, dimse.ushort(dimse.WITH_DATA_SET)),
            (dimse.AFFECTED_SOP_INSTANCE, str(data.SOPInstanceUID).encode()),
        ]
        content = raw[read_meta(io.BytesIO(raw)).offset :]
        client.send(dimse.encode_message(STORE_CONTEXT, dimse.encode_command(elements), content, 65536))
        if client.receive()[0] == pdu.P_DATA:  # what cannot be parsed ends the association
            client.release()


def stored(server: Whole) -> dict[str, tuple[str, str, bytes]]:
    """SOP class, transfer syntax and data set of each object on disk, by its UID."""
    found = {}
    for uid, sop_class, name in server.house.rows("SELECT SOPInstanc, SOPClassUI, ObjectFile FROM DICOMImages"):
        content = (server.house.data / name.decode()).read_bytes()
        meta = read_meta(io.BytesIO(content))
        found[uid.decode()] = ((sop_class or b"").decode(), meta.transfer_syntax, content[meta.offset :])
    return found


@contextmanager
def collecting(
    contexts: set[tuple[str, str]], role: str
) -> Iterator[tuple[AE, list[Any], dict[str, tuple[str, bytes]]]]:
    """A pynetdicom application that takes these SOP classes in these transfer syntaxes and keeps what it gets."""
    taken: dict[str, tuple[str, bytes]] = {}

    def store(event: evt.Event) -> int:
        request: Any = event.request
        taken[str(request.AffectedSOPInstanceUID)] = (event.context.transfer_syntax, request.DataSet.getvalue())
        return 0

    ae = AE("COLLECT")
    ae.maximum_pdu_size = 65536
    for sop_class, syntax in sorted(contexts):
        if role == "scp":
            ae.add_supported_context(sop_class, syntax)
        else:
            ae.add_requested_context(sop_class, syntax)
    yield ae, [(evt.EVT_C_STORE, store)], taken


def test_everything_comes_back_by_move(filled: Whole) -> None:
    expected = stored(filled)
    assert len(expected) > 60
    wanted = {(sop_class, syntax) for sop_class, syntax, _ in expected.values()}
    with collecting(wanted, "scp") as (ae, handlers, taken):
        scp: Any = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        try:
            filled.know(f"COLLECT 127.0.0.1 {scp.socket.getsockname()[1]} as")
            found = move_from(filled, "COLLECT", b"")
        finally:
            scp.shutdown()
    assert (found.status, found.counts[1:]) == (0, (len(expected), 0, 0))
    assert taken == {uid: (syntax, data) for uid, (_, syntax, data) in expected.items()}


def test_everything_comes_back_by_get(filled: Whole) -> None:
    expected = stored(filled)
    wanted = {(sop_class, syntax) for sop_class, syntax, _ in expected.values()}
    with collecting(wanted, "scu") as (ae, handlers, taken):
        ae.add_requested_context(GET)
        roles: list[Any] = [
            build_role(sop_class, scp_role=True) for sop_class in sorted({sop_class for sop_class, _ in wanted})
        ]
        association = ae.associate("127.0.0.1", filled.port, ext_neg=roles, evt_handlers=handlers)
        assert association.is_established
        query = Dataset()
        query.QueryRetrieveLevel = "STUDY"
        *_, (final, _) = association.send_c_get(query, GET)
        association.release()
    assert (final.Status, final.NumberOfCompletedSuboperations, final.NumberOfFailedSuboperations) == (
        0, len(expected), 0,
    )  # fmt: skip
    assert taken == {uid: (syntax, data) for uid, (_, syntax, data) in expected.items()}


def test_everything_without_a_codec_comes_uncompressed(filled: Whole) -> None:
    """`un`: what is stored compressed counts as failed, with a line each; the rest is implicit and reads the same."""
    expected = stored(filled)
    plain = {uid for uid, (_, syntax, _) in expected.items() if syntax in {IVLE, EVLE}}
    with collecting({(sop_class, IVLE) for sop_class, _, _ in expected.values()}, "scp") as (ae, handlers, taken):
        scp: Any = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        try:
            filled.know(f"COLLECT 127.0.0.1 {scp.socket.getsockname()[1]} un")
            found = move_from(filled, "COLLECT", b"")
        finally:
            scp.shutdown()
    assert set(taken) == plain
    assert found.counts[1:] == (len(plain), len(expected) - len(plain), 0)
    assert sum("which is not accepted" in line for line in filled.log.lines) == len(expected) - len(plain)
    for uid in plain:
        same(taken[uid][1], expected[uid][2], implicit=expected[uid][1] == IVLE)


def same(received: bytes, original: bytes, *, implicit: bool) -> None:
    """Both data sets hold the same elements; pydicom is the judge."""
    left = read_dataset(io.BytesIO(received), is_implicit_VR=True, is_little_endian=True)
    right = read_dataset(io.BytesIO(original), is_implicit_VR=implicit, is_little_endian=True)
    assert list(left.keys()) == list(right.keys())
    for tag in right.keys():  # noqa: SIM118 - a Dataset iterates over elements
        first, second = left.get_item(tag), right.get_item(tag)
        if second.VR not in ("SQ", "UN") and isinstance(second.value, bytes) and first.VR != "SQ":
            assert (first.value or b"") == (second.value or b""), tag


def test_threads_do_not_share_buffers(server: Whole) -> None:
    """Two retrievals at once: each gets its own bytes."""
    elements = {**CT1, 0x7FE00010: (b"OW", bytes(range(256)) * 4000)}
    assert server.house.store(elements) == 0
    wrong: list[int] = []

    def fetch() -> None:
        with retrieving_client(server.port, GET, CT_OFFER) as client:
            for _ in range(10):
                client.send(GET_MESSAGE)
                objects, _, _ = take_all(client)
                if [data for _, data in objects] != [dataset(elements)]:
                    wrong.append(len(objects))
            client.release()

    threads = [threading.Thread(target=fetch) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
