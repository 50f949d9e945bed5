"""Messages that are cut wrongly, say absurd things, or stop in the middle."""

from __future__ import annotations

import struct

import pytest

from dgate.net import dimse, pdu
from tests.dgate.archive.support import CT1, dataset
from tests.dgate.net.raw import CT, CT_CONTEXT, ECHO_CONTEXT, VERIFICATION, command, p_data, pdv, store_message

from .client import FAILED, SOP_UID, Client, store_pieces
from .site import Site

ECHO, STORE = command(dimse.C_ECHO), command(dimse.C_STORE, data_set=True)
OTHER = {**CT1, SOP_UID: (b"UI", b"1.9.1")}


def raw_p_data(body: bytes) -> bytes:
    return pdu.HEADER.pack(pdu.P_DATA, len(body)) + body


@pytest.mark.parametrize("length", [0, 1, len(ECHO) + 3, len(ECHO) + 100, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_pdv_that_does_not_fit_its_pdu(served: Site, length: int) -> None:
    with Client(served.port) as client:
        client.send(raw_p_data(struct.pack(">IBB", length, ECHO_CONTEXT, 3) + ECHO))
        assert client.abort_reason() == pdu.INVALID_PARAMETER


@pytest.mark.parametrize("body", [b"", b"\0", bytes(5)])
def test_a_pdu_without_room_for_a_pdv(served: Site, body: bytes) -> None:
    with Client(served.port) as client:
        client.send(raw_p_data(body))
        assert client.abort_reason() == pdu.INVALID_PARAMETER


def test_empty_pdvs_are_no_harm(served: Site) -> None:
    with Client(served.port) as client:
        client.send(p_data(*[pdv(ECHO_CONTEXT, 1, b"")] * 20_000) + p_data(pdv(ECHO_CONTEXT, 3, ECHO)))
        assert client.status() == 0
        client.release()


@pytest.mark.parametrize("context", [0, 2, 99, 255])
def test_an_unknown_context(served: Site, context: int) -> None:
    with Client(served.port) as client:
        client.send(p_data(pdv(context, 3, ECHO)))
        assert client.abort_reason() == pdu.INVALID_PARAMETER


COMPLETE = {
    dimse.AFFECTED_SOP_CLASS: CT.encode(),
    dimse.COMMAND_FIELD: dimse.ushort(dimse.C_STORE),
    dimse.MESSAGE_ID: dimse.ushort(1),
    dimse.PRIORITY: dimse.ushort(0),
    dimse.DATA_SET_TYPE: dimse.ushort(dimse.WITH_DATA_SET),
    dimse.AFFECTED_SOP_INSTANCE: b"1.9.1",
}
NEEDED = {dimse.COMMAND_FIELD, dimse.MESSAGE_ID, dimse.DATA_SET_TYPE}


def with_field(tag: int, value: bytes | None) -> bytes:
    elements = {**COMPLETE, tag: value}
    return dimse.encode_command(sorted((tag, value) for tag, value in elements.items() if value is not None))


@pytest.mark.parametrize("value", [None, b"", b"\1", b"\1\0\0\0", b"\xff" * 1000], ids=repr)
@pytest.mark.parametrize("tag", sorted(NEEDED))
def test_a_command_that_lacks_what_every_one_has(served: Site, tag: int, value: bytes | None) -> None:
    """Closed without a word, as the original does it; what was to be stored is not."""
    images = served.images()
    with Client(served.port) as client:
        client.send(p_data(pdv(CT_CONTEXT, 3, with_field(tag, value))))
        assert client.everything() == b""
    assert served.images() == images


@pytest.mark.parametrize(
    "value", [None, b"", b"../x", b"/etc/x", b"1" * 66, b"1.2\0\0\0\0", b"\xff" * 9000, b"a\nb"], ids=repr
)
@pytest.mark.parametrize("tag", [dimse.AFFECTED_SOP_CLASS, dimse.AFFECTED_SOP_INSTANCE, dimse.PRIORITY])
def test_other_fields_of_a_command_do_not_matter(served: Site, tag: int, value: bytes | None) -> None:
    """The object says itself what it is, and nothing in the command becomes part of a name."""
    with Client(served.port) as client:
        client.send(dimse.encode_message(CT_CONTEXT, with_field(tag, value), dataset(CT1), 0))
        assert client.status() == 0
        client.release()
    assert all(name.startswith("PAT_001_A/") for name in served.files())


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\0" * 7,
        struct.pack("<HHI", 0, 0x100, 0xFFFFFFFF),
        struct.pack("<HHI", 0x7FE0, 0x10, 5) + b"12345",
        command(0x0FFE),
        command(0x8001),
        command(0x8030),
        command(0xFFFF),
        command(0),
        ECHO + b"\0",
        ECHO * 500,
        b"\0\0\0\0\4\0\0\0\xff\xff\xff\xff" + ECHO[12:-2],
    ],
    ids=lambda bad: f"{len(bad)}-{bad[:12].hex()}",
)
def test_absurd_command_sets(served: Site, bad: bytes) -> None:
    """Answered where they can be read at all, else the association ends; the next one works."""
    with Client(served.port) as client:
        client.send(p_data(pdv(ECHO_CONTEXT, 3, bad)))
        client.sock.shutdown(1)
        client.everything()


def test_a_command_set_that_never_ends(served: Site) -> None:
    memory = served.forget_peak()
    with Client(served.port) as client:
        client.send(p_data(*[pdv(CT_CONTEXT, 1, bytes(1000))] * 70))
        assert client.abort_reason() == pdu.INVALID_PARAMETER
    assert served.peak() < memory + 4096


def test_data_where_none_was_announced(served: Site) -> None:
    with Client(served.port) as client:
        client.send(p_data(pdv(ECHO_CONTEXT, 3, ECHO), pdv(ECHO_CONTEXT, 2, b"data")))
        kinds = [client.receive()[0], client.receive()[0]]
        assert kinds == [pdu.P_DATA, pdu.ABORT]


@pytest.mark.parametrize("data", [None, b""])
def test_a_store_without_a_data_set(served: Site, data: bytes | None) -> None:
    head = command(dimse.C_STORE, data_set=data is not None)
    with Client(served.port) as client:
        client.send(dimse.encode_message(CT_CONTEXT, head, data, 0))
        assert client.status() == FAILED
        assert client.echo() == 0
        client.release()


@pytest.mark.parametrize("share", [0, 1, 25, 50, 75, 99])
@pytest.mark.parametrize("how", ["abort", "release", "nonsense", "another command", "echo behind a whole PDU"])
def test_an_end_inside_a_data_set_leaves_nothing(served: Site, share: int, how: str) -> None:
    images, files = served.images(), served.files()
    data = dataset({**OTHER, 0x7FE00010: (b"OW", bytes(60_000))})
    ends = {
        "abort": pdu.encode_abort(0, 0),
        "release": pdu.RELEASE_RQ_PDU,
        "nonsense": b"\x99" * 50,
        "another command": p_data(pdv(CT_CONTEXT, 3, STORE)),
        "echo behind a whole PDU": p_data(pdv(ECHO_CONTEXT, 3, ECHO)),
    }
    with Client(served.port) as client:
        client.send(p_data(pdv(CT_CONTEXT, 3, STORE), pdv(CT_CONTEXT, 0, data[: len(data) * share // 100])) + ends[how])
        client.everything()
    served.still_serves()
    assert served.images() == images
    assert served.files() == files


@pytest.mark.parametrize("sizes", [(1,), (0, 0, 0, 7), (2, 1, 4096)])
def test_a_data_set_in_crumbs(served: Site, sizes: tuple[int, ...]) -> None:
    with Client(served.port) as client:
        client.send(store_pieces(CT1, sizes))
        assert client.status() == 0
        client.release()


def test_crumbs_cost_no_more_memory_than_the_bytes_they_bring(served: Site) -> None:
    """What is held of a head is joined: a Python object for each byte would be fifty times as much."""
    data = dataset({**CT1, 0x00091010: (b"OB", bytes(400_000))})
    crumbs = [pdv(CT_CONTEXT, 0, data[at : at + 1]) for at in range(300_000)]
    memory = served.forget_peak()
    with Client(served.port) as client:
        client.send(p_data(pdv(CT_CONTEXT, 3, STORE)))
        for start in range(0, len(crumbs), 10_000):
            client.send(p_data(*crumbs[start : start + 10_000]))
        client.send(p_data(pdv(ECHO_CONTEXT, 3, ECHO)))  # which cannot come here: all crumbs have been taken
        client.everything()
    assert served.peak() < memory + 4096


def test_everything_at_once(served: Site) -> None:
    """A request, messages and a release in one segment."""
    from .client import REQUEST

    with Client(served.port, associated=False) as client:
        echo = dimse.encode_message(ECHO_CONTEXT, ECHO, None, 0)
        client.send(REQUEST + echo + store_message(dataset(CT1)) + echo + pdu.RELEASE_RQ_PDU)
        assert client.receive()[0] == pdu.ASSOCIATE_AC
        assert [client.status() for _ in range(3)] == [0, 0, 0]
        assert client.receive()[0] == pdu.RELEASE_RP


def test_a_response_that_nobody_asked_for(served: Site) -> None:
    answer = dimse.response(dimse.parse_command(command(dimse.C_STORE)), 0)
    with Client(served.port) as client:
        client.send(p_data(pdv(CT_CONTEXT, 3, answer)))
        assert client.everything() == b""


def test_an_uninvited_server_command_with_a_huge_file(served: Site) -> None:
    """From anywhere but the loopback a command set has 64 KB; from there the text is judged, never trusted."""
    text = b"no_such_command:" + b"%s%n/../" * 1000
    head = dimse.encode_command(
        [
            (dimse.AFFECTED_SOP_CLASS, VERIFICATION.encode()),
            (dimse.COMMAND_FIELD, dimse.ushort(dimse.C_ECHO)),
            (dimse.MESSAGE_ID, dimse.ushort(1)),
            (dimse.DATA_SET_TYPE, dimse.ushort(dimse.NO_DATA_SET)),
            (dimse.SERVER_COMMAND, text),
        ]
    )
    with Client(served.port) as client:
        client.send(dimse.encode_message(ECHO_CONTEXT, head, None, 4096))
        assert client.status() == 0
        client.release()
