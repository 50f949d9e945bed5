"""`forward to` in import converters."""

from __future__ import annotations

from tests.dgate.hostile.client import Client
from tests.dgate.net.conftest import wait_for
from tests.dgate.net.raw import CT, IVLE

from .conftest import StartServer
from .support import an_object, receiving, store

VERIFICATION = "1.2.840.10008.1.1"


def test_the_object_goes_on_as_it_is_at_that_moment(start: StartServer) -> None:
    line = 'set 0010,0020 to "EARLY"; forward to RECV; set 0010,0020 to "LATE"'
    with receiving() as recv:
        site = start(f"ImportConverter0 = {line}\n", f"RECV 127.0.0.1 {recv.port} un")
        store(site, an_object(1))
        recv.wait_for(1, context=site.log)
    assert recv.patients == ["EARLY"]
    assert recv.callers == [("ORACLE", "RECV")]
    assert recv.proposed == [[(CT, [IVLE]), (VERIFICATION, [IVLE])]]
    assert site.rows("SELECT ImagePat FROM DICOMImages") == [(b"LATE",)]
    assert "ImportConverter0.1: forwarded object to RECV" in site.log().splitlines()


def test_titles_and_addresses_of_the_statement(start: StartServer) -> None:
    with receiving() as recv:
        site = start(
            f"ImportConverter0 = forward to 127.0.0.1:{recv.port}\n"
            "ImportConverter1 = forward compressed as ul to RECV org ME dest YOU channel 7\n",
            f"RECV 127.0.0.1 {recv.port} un",
        )
        store(site, an_object(1))
        recv.wait_for(2, context=site.log)
    assert sorted(recv.callers) == [("ME", "YOU"), ("ORACLE", f"127.0.0.1:{recv.port}"[:16])]
    assert "ImportConverter1.7: forwarded object to RECV" in site.log().splitlines()
    assert f"ImportConverter0.0: forwarded object to 127.0.0.1:{recv.port}" in site.log().splitlines()


def test_a_script_changes_the_copy_only(start: StartServer) -> None:
    with receiving() as recv:
        site = start(
            'ImportConverter0 = forward to RECV script "set 0010,0020 to ANON"\n'
            "ImportConverter1 = forward to RECV script fixkodak\n",
            f"RECV 127.0.0.1 {recv.port} un",
        )
        store(site, an_object(1, t00100020=b"01234567"))
        recv.wait_for(2, context=site.log)
    assert recv.patients[1] == "1234567"
    assert site.rows("SELECT ImagePat FROM DICOMImages") == [(b"01234567",)]
    assert any("-1.0 executes: fixkodak" in line for line in site.log().splitlines())


def test_one_association_for_a_study(start: StartServer) -> None:
    with receiving() as recv:
        site = start("ImportConverter0 = forward to RECV\n", f"RECV 127.0.0.1 {recv.port} un")
        other = {"t0020000d": b"1.2.3.4", "t0020000e": b"1.2.3.4.5"}
        store(site, an_object(1), an_object(2), an_object(3, **other))
        wait_for(lambda: recv.events.count("release") == 2, 20, site.log)
    assert recv.numbers == [1, 2, 3]
    assert recv.events == ["open", "store", "store", "release", "open", "store", "release"]
    assert site.log().count("ImportConverter0.0: Forward association closed by STUDY") == 1


def test_one_association_for_each_image_if_the_level_says_so(start: StartServer) -> None:
    with receiving() as recv:
        site = start(
            "ForwardAssociationLevel = IMAGE\nImportConverter0 = forward to RECV\n", f"RECV 127.0.0.1 {recv.port} un"
        )
        store(site, an_object(1), an_object(2))
        recv.wait_for(2, context=site.log)
    assert recv.events[:5] == ["open", "store", "release", "open", "store"]
    assert site.log().count("ImportConverter0.0: Forward association closed by IMAGE") == 1


def test_what_is_closed_meanwhile_is_opened_again(start: StartServer) -> None:
    with receiving() as recv:
        site = start(
            "ForwardAssociationCloseDelay = 60\nImportConverter0 = forward to RECV\n", f"RECV 127.0.0.1 {recv.port} un"
        )
        port = recv.port
        client = Client(site.port)
        assert client.store(an_object(1)) == 0
        recv.wait_for(1, context=site.log)
    with receiving(port) as again:
        assert client.store(an_object(2)) == 0
        again.wait_for(1, context=site.log)
        client.release()
    assert again.numbers == [2]
    assert "***" not in site.log()


def test_failures_are_told_and_change_nothing_for_the_sender(start: StartServer) -> None:
    with receiving(0, "1.2.840.10008.5.1.4.1.1.4") as picky, receiving(status=lambda _: 0xA700) as full:
        site = start(
            "ImportConverter0 = forward to DEAD; forward to NOBODY; forward to PICKY; forward to FULL; nop done\n",
            "DEAD 127.0.0.1 1 un", f"PICKY 127.0.0.1 {picky.port} un", f"FULL 127.0.0.1 {full.port} un",
        )  # fmt: skip
        store(site, an_object(1))
    beginnings = ("ImportConverter", "*** ImportConverter", "Importconverter")
    assert [line for line in site.log().splitlines() if line.startswith(beginnings)] == [
        "ImportConverter0.0: forwarded object to DEAD",
        "*** ImportConverter0.0: Forward failed to connect to host DEAD",
        "ImportConverter0.1: forwarded object to NOBODY",
        "*** ImportConverter0.1: Forward failed to connect to host NOBODY",
        "ImportConverter0.2: forwarded object to PICKY",
        "*** ImportConverter0.2: DICOM server PICKY does not accept type of forwarded image",
        "ImportConverter0.3: forwarded object to FULL",
        "*** ImportConverter0.3: Forward failed to send DICOM image to FULL",
        "Importconverter0.4: nop done",
    ]  # fmt: skip
    assert site.images() == 1
    assert site.rows("SELECT name FROM sqlite_master WHERE name = 'ForwardQueue'") == []


def test_a_compression_code_that_is_a_line_changes_what_is_sent(start: StartServer) -> None:
    with receiving() as recv:
        site = start(
            "ImportConverter0 = forward compressed as s4 to RECV\n"
            "ExportConverters = 1\nExportConverter0 = forward to RECV\n"
            'CompressionConverter4 = set 0010,0020 to "SENT"\n',
            f"RECV 127.0.0.1 {recv.port} s4",
        )
        store(site, an_object(1))
        recv.wait_for(2, context=site.log)
    assert recv.patients == ["SENT", "SENT"]
    assert site.rows("SELECT ImagePat FROM DICOMImages") != [(b"SENT",)]
    assert 'Compressionconverter4.0 executes: set 0010,0020 to "SENT"' in site.log().splitlines()
