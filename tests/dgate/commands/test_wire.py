"""The channel itself: elements of group 9999 in a C-ECHO, who may use it, and what its sizes are."""

from __future__ import annotations

import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dgate.commands.dispatch import is_loopback
from dgate.commands.registry import MODULES, lookup
from dgate.config.inifile import IniFile
from dgate.config.settings import load_settings
from dgate.net import dimse, pdu
from tests.dgate.commands.conftest import Site
from tests.dgate.net.raw import ECHO_CONTEXT, VERIFICATION, RawClient, command


def handmade(text: bytes, *, log_text: bytes = b"from a test ", extra: bytes = b"") -> bytes:
    """The command set as the original's client makes it, written down element by element."""

    def element(group: int, number: int, value: bytes) -> bytes:
        return struct.pack("<HHI", group, number, len(value)) + value

    if len(text) & 1:
        text += b" "
    zero = (
        element(0, 2, VERIFICATION.encode() + b"\0")
        + element(0, 0x100, b"\x30\0")
        + element(0, 0x110, b"\1\0")
        + element(0, 0x800, b"\1\1")
    )
    length = element(0, 0, struct.pack("<I", len(zero)))
    return length + zero + element(0x9999, 0x300, log_text) + element(0x9999, 0x400, text) + extra


def ask(site: Site, commands: bytes, max_length: int = 0) -> bytes:
    with RawClient(site.port) as client:
        client.associate()
        client.send(dimse.encode_message(ECHO_CONTEXT, commands, None, max_length))
        data = b""
        while True:
            kind, body = client.receive()
            assert kind == pdu.P_DATA, (kind, body)
            data += body[6:]
            if body[5] & dimse.LAST:
                break
        client.release()
        return data


def test_output_comes_in_the_command_set_and_the_group_length_does_not_count_it(site: Site) -> None:
    answer = ask(site, handmade(b"get_param:MyACRNema"))
    assert answer[:8] == b"\0\0\0\0\4\0\0\0"
    zero = int.from_bytes(answer[8:12], "little")
    assert answer[12 + zero :] == b"\x99\x99\x01\x04\x06\0\0\0ORACLE"


def test_odd_output_is_marked(site: Site) -> None:
    answer = ask(site, handmade(b"get_amap:0,%s|"))
    at = answer.index(b"\x99\x99\x01\x04")
    assert answer[at:] == b"\x99\x99\x01\x04\x08\0\0\0ORACLE|\0" + b"\x99\x99\x04\x04\2\0\0\0\1\0"


def test_no_output_is_a_plain_response(site: Site) -> None:
    plain = ask(site, command(dimse.C_ECHO))
    assert ask(site, handmade(b"get_ini_param:NoSuchKey")) == plain
    assert ask(site, handmade(b"no_such_command:x")) == plain
    assert 'Unknown server command "no_such_command" ignored' in site.log()


@pytest.mark.parametrize(
    "text", [b"", b" ", b":", b"::::", b"\xff\xfe", b"query", b"get_amap:99999999999999999999", b"lookup:"]
)
def test_nonsense_is_answered(site: Site, text: bytes) -> None:
    assert dimse.parse_command(ask(site, handmade(text))).number(dimse.STATUS) == 0


def test_every_command_is_there_and_says_what_it_does() -> None:
    for names in MODULES.values():
        for name in names:
            function = lookup(name)
            assert function is not None
            assert function.__doc__


SAFE = sorted(
    {name for names in MODULES.values() for name in names}
    - {"loadanddeletedir", "log_on", "debuglog_on", "regen", "initializetables", "makespace", "write_amap"}
)
"""Those whose arguments cannot name a file to be written or a folder to be emptied, and that take no time."""


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(SAFE), st.text("|,:~%s*-019.aMAG'\"\x00\xff\udcff\n ", max_size=30))
def test_any_arguments(site: Site, name: str, arguments: str) -> None:
    text = f"{name}:{arguments}".encode("utf-8", "surrogateescape")
    assert isinstance(site.node.commands and site.node.commands.run(text, b"an upload"), bytes)


def test_a_nul_inside_is_refused(site: Site) -> None:
    assert site.command("log_on:a\0b") == "***log_on: a NUL character cannot be part of a command\n"
    assert site.command("get_param:MyACRNema") == "ORACLE"


def test_a_host_name_that_is_none_is_down(site: Site) -> None:
    assert site.command("put_amap:1,OTHER,\u00ff\udcff" + "x" * 70 + ",104") == ""
    assert site.command("echo:OTHER") == "OTHER is DOWN"


def test_log_text_is_one_clean_line(site: Site) -> None:
    ask(site, handmade(b"genuid:", log_text=b"two\nlines\x1b[2J" + b"x" * 500 + b"  "))
    assert "two\\x0alines\\x1b[2Jxxx" in site.log()
    assert "x" * 201 not in site.log()


def test_long_output_comes_in_pieces(site: Site) -> None:
    site.ini.write_text(site.ini.read_text() + "".join(f"; {number:070}\n" for number in range(3000)))
    answer = dimse.parse_command(ask(site, handmade(b"get_ini:")))
    assert answer.elements[0x99990401].rstrip(b"\0") == site.ini.read_bytes()


def test_a_command_in_many_pieces(site: Site) -> None:
    assert b"ORACLE" in ask(site, handmade(b"get_param:MyACRNema"), max_length=64)


def test_refused_from_elsewhere(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = ask(site, command(dimse.C_ECHO))
    monkeypatch.setattr("dgate.commands.dispatch.is_loopback", lambda _: False)
    assert ask(site, handmade(b"deletepatient:PAT 001.A")) == plain
    assert '***Server command "deletepatient" refused from 127.0.0.1' in site.log()
    assert "PAT 001" not in site.log()


def test_one_key_opens_the_channel(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dgate.commands.dispatch.is_loopback", lambda _: False)
    site.ini.write_text(site.ini.read_text() + "ServerCommandsFrom = Any\n")
    site.context.config.reload()
    assert b"ORACLE" in ask(site, handmade(b"get_param:MyACRNema"))


def test_another_value_of_the_key_opens_nothing() -> None:
    ini = IniFile.parse(b"[sscscp]\nSQLite = 1\nSQLServer = x\nMAGDevice0 = d\nServerCommandsFrom = everyone\n")
    found, faults = load_settings(ini, "/conquest")
    assert found.server_commands_from == "local"
    assert [fault.message for fault in faults] == ["'everyone' is neither local nor any; local is used"]


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("127.0.0.1", True),
        ("127.200.3.4", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("172.17.0.1", False),
        ("10.127.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("::10", False),
        ("::1%eth0", False),
        ("fe80::1", False),
        ("", False),
    ],
)
def test_loopback(address: str, *, local: bool) -> None:
    assert is_loopback(address) == local


class TestSizes:
    def first_fragment(self, size: int, context: int = ECHO_CONTEXT) -> bytes:
        body = struct.pack(">IBB", size + 2, context, dimse.COMMAND) + bytes(size)
        return pdu.HEADER.pack(pdu.P_DATA, len(body)) + body

    def test_a_stranger_gets_no_more_than_64_kb(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("dgate.commands.dispatch.is_loopback", lambda _: False)
        with RawClient(site.port) as client:
            client.associate()
            client.send(self.first_fragment(40_000))
            client.send(self.first_fragment(40_000))
            client.abort_reason()

    def test_only_the_verification_service_takes_uploads(self, site: Site) -> None:
        with RawClient(site.port) as client:
            client.associate()
            client.send(self.first_fragment(40_000, 3))
            client.send(self.first_fragment(40_000, 3))
            client.abort_reason()

    def test_an_upload_has_a_bound(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(dimse, "MAX_UPLOAD", 100_000)
        with RawClient(site.port) as client:
            client.associate()
            for _ in range(3):
                client.send(self.first_fragment(40_000))
            client.abort_reason()
