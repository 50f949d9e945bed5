"""`AET@HOST:PORT`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conquestctl.dicom.target import EchoTarget, parse_target
from conquestctl.errors import InvalidError
from conquestctl.fleet.names import check_ae_title


@pytest.mark.parametrize(
    ("text", "title", "host", "port"),
    [
        ("CT1@localhost:104", "CT1", "localhost", 104),
        ("MY AE@10.0.0.1:65535", "MY AE", "10.0.0.1", 65535),
        ("A@B@pacs.example:1", "A@B", "pacs.example", 1),
        ("CT1@[::1]:5678", "CT1", "::1", 5678),
    ],
)
def test_addresses(text: str, title: str, host: str, port: int) -> None:
    assert parse_target(text) == EchoTarget(text, title, host, port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "CT1",
        "CT1@host",
        "CT1@:104",
        "@host:104",
        "CT1@host:0",
        "CT1@host:65536",
        "CT1@host:9999999",
        "CT1@host:-1",
        "CT1@host:1e3",
        "CT1@host:",
        "CT1@host:١٠٤",
        "CT1@::1:104",
        "CT1@[]:104",
        "SEVENTEEN-LETTERS@host:104",
        "A\\B@host:104",
        "A\nB@host:104",
        "Ä@host:104",
        "   @host:104",
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(InvalidError):
        parse_target(text)


@given(st.text())
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        target = parse_target(text)
    except InvalidError:
        return
    assert 1 <= target.port <= 65535
    assert target.host
    assert check_ae_title(target.ae_title) == target.ae_title


@given(st.from_regex(r"[A-Z0-9_]{1,16}", fullmatch=True), st.integers(1, 65535))
def test_an_address_comes_back(title: str, port: int) -> None:
    target = parse_target(f"{title}@host.example:{port}")
    assert (target.ae_title, target.host, target.port) == (title, "host.example", port)
