from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgate.encoding.elements import IMPLICIT, encode_element
from dgate.net import dimse
from dgate.net.debug import command_dump, object_dump
from dgate.net.dimse import Command

from .conftest import StartServer
from .raw import RawClient, find_message


def test_a_command_set_is_shown_and_what_a_server_command_carries_is_not() -> None:
    command = Command({2: b"1.2.840.10008.1.1\0", 0x100: b"\x30\0", 0x800: b"\1\1", 0x99990402: b"secret"})
    assert list(command_dump(command))[:-1] == [
        "Command set:",
        '  0000,0002    18 "1.2.840.10008.1.1\0"',
        "  0000,0100     2 0030",
        "  0000,0800     2 0101",
        "  9999,0402     6",
    ]


@given(st.dictionaries(st.integers(0, 0xFFFFFFFF), st.binary(max_size=200)))
def test_any_command_set_can_be_shown(elements: dict[int, bytes]) -> None:
    command = Command({**elements, dimse.COMMAND_FIELD: b"\x30\0", dimse.DATA_SET_TYPE: b"\1\1"})
    lines = list(command_dump(command))
    assert len(lines) == 2 + len(command.elements)
    assert re.fullmatch(r"Memory in use: [1-9]\d* KB", lines[-1])


def test_debug_level_counts_for_associations_that_come(start_server: StartServer) -> None:
    quiet, talkative = start_server(), start_server(ini=b"DebugLevel = 1\n")
    for server in (quiet, talkative):
        with RawClient(server.port) as client:
            client.associate()
            assert client.echo() == 0
            client.release()
    assert "Command set:" not in quiet.log.debug_lines
    assert "  0000,0100     2 0030" in talkative.log.debug_lines


QUERY = encode_element(0x00080052, b"CS", b"STUDY", IMPLICIT) + encode_element(0x00100020, b"LO", b"PAT*", IMPLICIT)


@pytest.mark.parametrize(("level", "query", "answer"), [(1, False, False), (2, True, False), (4, True, True)])
def test_queries_and_answers_are_shown_at_their_levels(
    start_server: StartServer, level: int, query: bool, answer: bool
) -> None:
    server = start_server(ini=b"DebugLevel = %d\n" % level)
    server.archive.finder = lambda *_: iter([encode_element(0x00100020, b"LO", b"PATIENT1", IMPLICIT)])
    with RawClient(server.port) as client:
        client.associate()
        client.send(find_message(QUERY))
        assert client.status() == 0xFF00
        assert client.status() == 0
        client.release()
    lines = server.log.debug_lines
    assert ("Query object:" in lines, '  0010,0020     4 "PAT*"' in lines) == (query, query)
    assert ("Response object:" in lines, '  0010,0020     8 "PATIENT1"' in lines) == (answer, answer)
    assert lines.count("Response command set:") == (2 if answer else 0)


@given(st.binary(max_size=300), st.sampled_from(("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")))
def test_any_object_can_be_shown(data: bytes, syntax: str) -> None:
    assert next(object_dump("Query object:", data, syntax)) == "Query object:"
    assert all(line.startswith("  ") for line in list(object_dump("", data, syntax))[1:])
