"""The benchmark's client must be right before it may call a server slow."""

from __future__ import annotations

import io
import socket
import struct
import threading
from collections.abc import Iterator
from itertools import islice

import pydicom
import pytest

from benchmarks.server import bars, load, objects, report, retrieve, wire
from benchmarks.server.link import Link, LoadError
from benchmarks.server.results import Results
from benchmarks.server.sink import Sink
from dgate.encoding.elements import EXPLICIT_LITTLE, Walker, encoding_of
from dgate.net import dimse, pdu

KINDS = [objects.TINY, objects.SMALL, objects.CT, objects.MULTI_50MB]


def pdvs(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Context, control header and content of each PDV, checked against the lengths that surround it."""
    position = 0
    while position < len(data):
        kind, length = pdu.HEADER.unpack_from(data, position)
        size, context, control = struct.unpack_from(">IBB", data, position + 6)
        assert kind == pdu.P_DATA
        assert size + 4 == length
        yield context, control, data[position + 12 : position + 6 + length]
        position += 6 + length
    assert position == len(data)


@pytest.mark.parametrize("longest", [4096, 16384, 131072, 0])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_store_message_is_a_command_and_a_whole_data_set(kind: objects.Kind, longest: int) -> None:
    who = objects.identity(7, 12, 1, 0, 24, kind.studies)
    parts = list(pdvs(objects.Message(kind, longest).content(who)))

    command = dimse.parse_command(parts[0][2])
    assert parts[0][1] == dimse.COMMAND | dimse.LAST
    assert command.field == dimse.C_STORE
    assert command.uid(dimse.AFFECTED_SOP_INSTANCE) == who.sop
    assert command.has_data_set

    assert [control for _, control, _ in parts[1:]] == [0] * (len(parts) - 2) + [dimse.LAST]
    assert all(len(content) + 6 <= (longest or wire.LARGEST_PDU) for _, _, content in parts)
    data_set = b"".join(content for _, _, content in parts[1:])
    read = pydicom.dcmread(io.BytesIO(objects.part10(kind, who)[:132] + _meta(kind, who) + data_set))
    assert len(read.PixelData) == kind.pixels
    assert (read.SOPInstanceUID, read.SeriesInstanceUID, read.StudyInstanceUID) == (who.sop, who.series, who.study)
    assert (read.PatientID, str(read.PatientName)) == (who.patient_id, who.patient_name)
    assert (read.StudyDate, read.InstanceNumber) == (who.study_date, int(who.number))


def _meta(kind: objects.Kind, who: objects.Identity) -> bytes:
    whole = objects.part10(kind, who)
    return whole[132 : whole.index(objects.data_set_head(kind, who))]


def test_the_servers_own_walker_reads_the_head() -> None:
    who = next(objects.identities(objects.CT, 3, 1))
    walker = Walker(encoding_of(EXPLICIT_LITTLE), frozenset({0x00080018, 0x0020000D}))
    walker.feed(memoryview(objects.data_set_head(objects.CT, who) + bytes(objects.CT.pixels)))
    walker.end()
    assert not walker.fault
    assert walker.values[0x00080018].rstrip(b"\0") == who.sop.encode()


def test_patching_leaves_nothing_of_the_image_before() -> None:
    message = objects.Message(objects.SMALL, 16384)
    first, second = islice(objects.identities(objects.SMALL, 9, 300), 0, 300, 299)
    before, after = message.content(first), message.content(second)
    assert after == objects.Message(objects.SMALL, 16384).content(second)
    assert first.sop.encode() not in after
    assert len(before) == len(after)


def test_an_association_request_says_what_was_proposed() -> None:
    proposals = [
        wire.Proposal(1, wire.STUDY_GET, wire.IMPLICIT),
        wire.Proposal(3, wire.CT_IMAGE, wire.EXPLICIT, provider=True),
    ]
    request = pdu.parse_request(wire.associate_request("ORTHANC", "BENCH", proposals)[6:])
    assert (request.called_ae, request.calling_ae) == ("ORTHANC", "BENCH")
    assert [(c.id, c.abstract_syntax, c.transfer_syntaxes) for c in request.contexts] == [
        (1, wire.STUDY_GET, (wire.IMPLICIT,)),
        (3, wire.CT_IMAGE, (wire.EXPLICIT,)),
    ]
    uid = wire.CT_IMAGE.encode()
    assert request.user.others == ((pdu.ROLE_SELECTION, struct.pack(">H", len(uid)) + uid + b"\0\1"),)


def test_the_receiver_accepts_all_contexts() -> None:
    proposals = [wire.Proposal(5, wire.CT_IMAGE, wire.EXPLICIT), wire.Proposal(7, wire.VERIFICATION, wire.IMPLICIT)]
    reply = wire.associate_accept(wire.associate_request("A", "B", proposals)[6:])
    accept = pdu.parse_accept(reply[6:])
    assert [(c.id, c.result, c.transfer_syntax) for c in accept.contexts] == [
        (5, 0, wire.EXPLICIT),
        (7, 0, wire.IMPLICIT),
    ]
    assert wire.accepted(reply[6:]) == ({5: True, 7: True}, wire.LARGEST_PDU)


@pytest.mark.parametrize("name", retrieve.QUERIES)
def test_queries_are_deterministic_and_differ(name: str) -> None:
    first, again = (retrieve.queries(name, objects.TINY, 1, 200, 20, seed=4) for _ in range(2))
    assert first == again
    assert len({query.request for query in first}) > 5
    parts = list(pdvs(first[0].request))
    assert dimse.parse_command(parts[0][2]).field == dimse.C_FIND
    assert [control for _, control, _ in parts] == [dimse.COMMAND | dimse.LAST, dimse.LAST]


@pytest.mark.parametrize("associations", [1, 4])
def test_runs_and_associations_share_no_uid(associations: int) -> None:
    runs = [load.spread(objects.SMALL, run, 600, associations) for run in (1, 2)]
    images = [image for run in runs for part in run for image in part]
    assert len({image.sop for image in images}) == len(images) == 1200
    patients = [{image.patient_id for image in part} for run in runs for part in run]
    assert sum(map(len, patients)) == len(set().union(*patients))


@pytest.fixture
def sink() -> Iterator[Sink]:
    sink = Sink()
    sink.start()
    yield sink
    sink.stop()


def test_the_null_sink_takes_and_counts_everything(sink: Sink) -> None:
    target = load.Target(sink.port, "ANY")
    for kind, count, associations in ((objects.SMALL, 40, 4), (objects.CT, 8, 2), (objects.MULTI_50MB, 1, 1)):
        before = sink.received
        done = load.store(target, kind, load.spread(kind, 1, count, associations))
        assert done.objects == count
        assert sink.received - before == count
    assert load.echoes(target, 3) > 0
    assert load.fresh_echoes(target, 3) > 0


def test_a_refused_object_makes_the_run_invalid() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = int(listener.getsockname()[1])

    def refuse() -> None:
        link = Link(listener.accept()[0])
        _, length = link.pdu()
        link.sock.sendall(wire.associate_accept(link.take(length)))
        request = wire.elements(link.message()[1])
        rest = [(wire.RESPONDED_TO, request[wire.MESSAGE_ID]), (wire.STATUS, b"\x10\x01")]
        link.sock.sendall(wire.pdu(1, 3, wire.command(wire.C_STORE | wire.RESPONSE, rest, data_set=False)))
        link.close()

    thread = threading.Thread(target=refuse)
    thread.start()
    with pytest.raises(LoadError, match="0110"):
        load.store(load.Target(port, "ANY"), objects.TINY, load.spread(objects.TINY, 1, 5, 1))
    thread.join()
    listener.close()


def test_ratios_are_paired_by_round_and_judged_against_the_best_peer() -> None:
    results = Results()
    for number, (ours, orthanc, original) in enumerate([(20, 10, 8), (200, 100, 50), (30, 10, 20)]):
        results.add("small1", bars.OURS, number, ours)
        results.add("small1", bars.ORTHANC, number, orthanc)
        results.add("small1", bars.ORIGINAL, number, original)
    results.fault("small1", bars.ORIGINAL, 2, "lost an object")

    row = next(row for row in bars.ROWS if row.key == "small1")
    (verdict,) = bars.verdicts(row, results)
    assert verdict == bars.Verdict("≥ 1.8x Orthanc and original", "2.00x", met=True)
    found = results.ratio("small1", bars.OURS, bars.ORIGINAL)
    assert found is not None
    assert (found.median, found.count) == (3.25, 2)


def test_a_bar_that_could_not_be_measured_is_not_met_in_silence() -> None:
    results = Results()
    facts = {"when": "now", "versions": {}, "syncs": {}}
    verdicts = [verdict for row in bars.ROWS for verdict in bars.verdicts(row, results)]
    assert {verdict.met for verdict in verdicts} == {None}
    text = report.markdown(results, facts)
    assert text.count("not measured") == len(verdicts) + len(retrieve.QUERIES)
    assert report.document(results, facts)["invalid"] == []
