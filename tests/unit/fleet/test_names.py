from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conquestctl.errors import ConflictError, InvalidError
from conquestctl.fleet import names


@pytest.mark.parametrize("name", ["ct1", "1ct", "a", "a_b-c", "x" * 40])
def test_good_names_pass(name: str) -> None:
    assert names.check_name(name) == name


@pytest.mark.parametrize(
    ("name", "reason", "suggestion"),
    [
        ("../x", "is a path", "Try: x"),
        ("..", "is a path", ""),
        ("a\\b", "is a path", "Try: a-b"),
        ("-rf", "begins with a dash", "Try: rf"),
        ("my ct", "contains blanks", "Try: my-ct"),
        ("x" * 300, "has 300 characters, 40 are allowed", "Try: " + "x" * 40),
        ("CT1", "capital letters", "Try: ct1"),
        ("localhost", "reserved", "Try: node-localhost"),
        ("127", "as an IP address", "Try: node-127"),
        ("0x7f", "as an IP address", "Try: node-0x7f"),
        ("", "is empty", ""),
        ("   ", "is empty", ""),
        ("ct.1", "breaks the rule", "Try: ct-1"),
        ("ct1-", "breaks the rule", "Try: ct1"),
        ("ct\n", "contains blanks", "Try: ct"),
        ("ć", "breaks the rule", ""),
    ],
)
def test_bad_names_are_refused_with_a_way_out(name: str, reason: str, suggestion: str) -> None:
    with pytest.raises(InvalidError, match=re.escape(reason)) as caught:
        names.check_name(name)
    assert "A name has 1 to 40 characters" in caught.value.hint
    assert ("Try:" in caught.value.hint) == bool(suggestion)
    assert suggestion in caught.value.hint
    assert len(caught.value.message) < 200


@settings(max_examples=200)
@given(st.text(max_size=60))
def test_what_is_suggested_is_legal_and_what_is_legal_is_dns_and_folder_safe(text: str) -> None:
    suggestion = names.suggested_name(text)
    if suggestion:
        assert names.check_name(suggestion) == suggestion
        assert re.fullmatch(r"[a-z0-9][a-z0-9_-]*", suggestion)


def test_existing_and_case_twin_are_conflicts() -> None:
    names.check_free("ct1", ["ct2"])
    with pytest.raises(ConflictError, match="ct1 exists already"):
        names.check_free("ct1", ["ct1"])
    with pytest.raises(ConflictError, match="folder CT1 in capital letters only"):
        names.check_free("ct1", ["CT1"])


@pytest.mark.parametrize(
    ("text", "title"), [("CT1", "CT1"), ("  A B  ", "A B"), ("x" * 16, "x" * 16), ("'\"#~", "'\"#~")]
)
def test_good_ae_titles_lose_the_blanks_around(text: str, title: str) -> None:
    assert names.check_ae_title(text) == title


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x" * 17, "has 17 characters"),
        ("A\\B", "backslash"),
        ("A\tB", r"'\\t'"),
        ("A\x00", r"'\\x00'"),
        ("", "blank"),
        ("   ", "blank"),
        ("MÜLLER", "printable ASCII"),
    ],
)
def test_bad_ae_titles_are_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidError, match=reason):
        names.check_ae_title(text)


@pytest.mark.parametrize(
    ("name", "title"),
    [("ct1", "CT1"), ("a-very-long-name-of-a-node", "A-VERY-LONG-NAME"), ("fifteen-letters-x", "FIFTEEN-LETTERS")],
)
def test_default_ae_title(name: str, title: str) -> None:
    assert names.check_ae_title(names.default_ae_title(name)) == title


@pytest.mark.parametrize("text", ["0", "65536", "-1", "abc", "", "1.5", "٣", "99999999999999999999"])
def test_bad_ports(text: str) -> None:
    with pytest.raises(InvalidError, match="is not a number from 1 to 65535"):
        names.check_port(text)


def test_good_ports() -> None:
    assert [names.check_port(text) for text in ("1", " 104 ", "65535", 5678)] == [1, 104, 65535, 5678]
    assert "root" in names.port_advice(104)
    assert not names.port_advice(1024)


@pytest.mark.parametrize(
    ("text", "address"), [("127.0.0.1", "127.0.0.1"), (" 0.0.0.0", "0.0.0.0"), ("[::1]", "::1"), ("0::1", "::1")]
)
def test_good_addresses(text: str, address: str) -> None:
    assert names.check_bind(text) == address


@pytest.mark.parametrize("text", ["localhost", "", "1.2.3", "256.1.1.1", "224.0.0.1", "fe80::1%eth0", "1.2.3.4/24"])
def test_bad_addresses(text: str) -> None:
    with pytest.raises(InvalidError) as caught:
        names.check_bind(text)
    assert "127.0.0.1" in caught.value.hint
