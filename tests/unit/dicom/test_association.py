"""Questions one after the other on one association."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.presentation import build_context

from conquestctl.dicom.association import Link, association
from conquestctl.dicom.echo import VERIFICATION
from conquestctl.dicom.target import CALLING, EchoTarget
from tests.echo_server import EchoServer

if TYPE_CHECKING:
    import pytest

MANY = 50


def test_nobody_else_looks_for_answers_while_questions_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """pynetdicom's own thread took one in some hundreds for a request of the peer, and the asker waited in vain."""
    looked: set[int] = set()
    get_msg = DIMSEServiceProvider.get_msg

    def noted(self: DIMSEServiceProvider, block: bool = False) -> Any:
        looked.add(threading.get_ident())
        return get_msg(self, block)

    server = EchoServer("NODE")
    link = Link(EchoTarget("node", "NODE", "127.0.0.1", server.port), CALLING, 5.0)
    try:
        with association(link, [build_context(VERIFICATION)]) as (assoc, _):
            assert assoc is not None
            monkeypatch.setattr(DIMSEServiceProvider, "get_msg", noted)
            assert [assoc.send_c_echo().get("Status") for _ in range(MANY)] == [0] * MANY
            assert looked == {threading.get_ident()}
    finally:
        server.close()
    assoc.join(5)
    assert not assoc.is_alive(), "its thread has ended"
