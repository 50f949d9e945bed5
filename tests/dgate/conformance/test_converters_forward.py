"""conquest-converters.md section 6.1: objects forwarded while their sender waits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pynetdicom.sop_class import MRImageStorage  # type: ignore[attr-defined]

from tests.dgate.conformance.converter_site import ConverterSite, ct, mr
from tests.dgate.conformance.receiver import Receiver, receiver
from tests.ports import free_port

IMPLICIT, CT_IMAGE, VERIFICATION = "1.2.840.10008.1.2", "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.1"
FORWARDED = "ImportConverter0.0: forwarded object to RECV"


@pytest.fixture(scope="module")
def peers() -> Iterator[tuple[Receiver, Receiver]]:
    with receiver() as one, receiver(MRImageStorage) as other:
        yield one, other


@pytest.fixture(scope="module")
def site(converter_site: ConverterSite, peers: tuple[Receiver, Receiver]) -> ConverterSite:
    one, other = peers
    converter_site.know(
        f"RECV 127.0.0.1 {one.port} un",
        f"JPEG 127.0.0.1 {one.port} j2",
        f"MR 127.0.0.1 {other.port} un",
        f"DEAD 127.0.0.1 {free_port()} un",
    )
    return converter_site


@pytest.fixture
def peer(site: ConverterSite, peers: tuple[Receiver, Receiver]) -> Iterator[Receiver]:
    made = peers[0]
    yield made
    site.wait(lambda: made.quiet)
    made.forget()


def test_a_copy_of_what_it_is_now(site: ConverterSite, peer: Receiver) -> None:
    made = ct()
    seen = site.run('set 0010,4000 to "now"; forward to RECV; set 0010,4000 to "later"', of=made)
    assert seen.log[1] == "ImportConverter0.1: forwarded object to RECV"
    assert (seen.status, seen.stored.PatientComments) == (0, "later")
    assert [(one.SOPInstanceUID, one.PatientComments) for one in peer.objects] == [(made.SOPInstanceUID, "now")]
    calling, called, proposed = peer.requests[0]
    assert (calling, called) == ("ORACLE", "RECV")
    assert proposed == [(CT_IMAGE, [IMPLICIT]), (VERIFICATION, [IMPLICIT])]


def test_the_object_is_sent_before_the_answer_and_stays_sent(site: ConverterSite, peer: Receiver) -> None:
    assert site.run("forward to RECV; destroy").path is None
    assert len(peer.objects) == 1


def test_titles_channel_and_script(site: ConverterSite, peer: Receiver) -> None:
    seen = site.run('forward to RECV org ME dest YOU channel 5 script set 0010,4000 to "copy"')
    assert "ImportConverter0.5: forwarded object to RECV" in seen.log
    assert 'Importconverter-1.0 executes: set 0010,4000 to "copy"' in seen.log
    assert "PatientComments" not in seen.stored
    assert peer.requests[0][:2] == ("ME", "YOU")
    assert peer.objects[0].PatientComments == "copy"


@pytest.mark.parametrize(("clause", "title"), [("org A", ("A", "RECV")), ("dest B", ("ORACLE", "B"))])
def test_one_title(site: ConverterSite, peer: Receiver, clause: str, title: tuple[str, str]) -> None:
    site.run(f"forward to RECV {clause}")
    assert peer.requests[0][:2] == title


def test_an_address(site: ConverterSite, peer: Receiver) -> None:
    address = f"127.0.0.1:{peer.port}"
    assert site.run(f"forward to {address}").log == [f"ImportConverter0.0: forwarded object to {address}"]
    assert peer.requests[0][1] == address


JPEG_LOSSLESS = ["1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70", IMPLICIT]


@pytest.mark.parametrize(
    ("line", "syntaxes"),
    [
        ("forward compressed as un to RECV", [IMPLICIT]),
        ("forward compressed as j2 to RECV", JPEG_LOSSLESS),
        ("forward compressed as jk to RECV", ["1.2.840.10008.1.2.4.90", IMPLICIT]),
        ("forward to JPEG", JPEG_LOSSLESS),
    ],
)
def test_what_is_proposed(site: ConverterSite, peer: Receiver, line: str, syntaxes: list[str]) -> None:
    """Without a codec, what is not compressed needs a way of its own beside the first one."""
    site.run(line)
    _, _, proposed = peer.requests[0]
    assert proposed[0] == (CT_IMAGE, syntaxes)
    assert proposed[1:] == [(CT_IMAGE, [IMPLICIT])] * (len(syntaxes) > 1) + [(VERIFICATION, [IMPLICIT])]


@pytest.mark.parametrize(
    ("level", "associations"), [("", 2), ("IMAGE", 3), ("SERIES", 2), ("PATIENT", 1), ("GLOBAL", 1)]
)
def test_how_long_an_association_stays(site: ConverterSite, peer: Receiver, level: str, associations: int) -> None:
    first = ct()
    second = ct(StudyInstanceUID=first.StudyInstanceUID, SeriesInstanceUID=first.SeriesInstanceUID)
    third = ct()
    site.configure(["forward to RECV"], f"ForwardAssociationLevel = {level}\n" if level else "")
    with site.association(first) as store:
        logs = [store(made).log for made in (first, second, third)]
    closed = f"ImportConverter0.0: Forward association closed by {level or 'STUDY'}"
    assert logs[0] == [FORWARDED]
    assert (closed in logs[1], closed in logs[2]) == (associations == 3, associations >= 2)
    assert len(peer.objects) == 3
    site.wait(lambda: len(peer.ended) == associations)
    assert len(peer.requests) == associations


def test_another_sop_class(site: ConverterSite, peer: Receiver) -> None:
    one, other = ct(), mr(PatientID="1CT1")
    other.StudyInstanceUID = one.StudyInstanceUID
    site.configure(["forward to RECV"])
    with site.association(one, other) as store:
        assert [store(one).status, store(other).status] == [0, 0]
    assert len(peer.objects) == len(peer.requests) == 2


def test_each_channel_has_an_association(site: ConverterSite, peer: Receiver) -> None:
    made = ct()
    seen = site.run("forward to RECV; forward to RECV", "forward to RECV", of=made)
    assert seen.log == [
        FORWARDED, "ImportConverter0.1: forwarded object to RECV", "ImportConverter1.0: forwarded object to RECV",
    ]  # fmt: skip
    assert len(peer.requests) == 3


@pytest.mark.parametrize("name", ["DEAD", "NOBODY"])
def test_nobody_there(site: ConverterSite, peer: Receiver, name: str) -> None:
    assert peer.status == 0
    seen = site.run(f"forward to {name}; nop then")
    assert seen.log == [
        f"ImportConverter0.0: forwarded object to {name}",
        f"*** ImportConverter0.0: Forward failed to connect to host {name}",
        "Importconverter0.1: nop then",
    ]
    assert seen.status == 0
    assert seen.path is not None


def test_a_peer_that_fails(site: ConverterSite, peer: Receiver) -> None:
    peer.status = 0xA700
    seen = site.run("forward to RECV; nop then")
    assert seen.log == [
        FORWARDED, "*** ImportConverter0.0: Forward failed to send DICOM image to RECV", "Importconverter0.1: nop then",
    ]  # fmt: skip
    assert seen.status == 0


def test_a_peer_that_takes_other_classes(site: ConverterSite) -> None:
    seen = site.run("forward to MR; nop then")
    assert seen.log == [
        "ImportConverter0.0: forwarded object to MR",
        "*** ImportConverter0.0: DICOM server MR does not accept type of forwarded image",
        "Importconverter0.1: nop then",
    ]
    assert seen.path is not None
