"""C-MOVE: transfer syntaxes, and real peers as requesters and destinations."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dgate.net import pdu
from tests import dcmtk
from tests.dgate.archive.support import CT1, dataset
from tests.ports import free_port

from .conftest import wait_for
from .moving import destination
from .raw import CT, EVLE, IVLE, RawClient, request
from .whole import (
    MOVE,
    RETRIEVE_CONTEXT,
    STUDY,
    Whole,
    move,
    move_from,
    whole_server,
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Whole]:
    with whole_server(tmp_path) as running:
        yield running
        running.wait_until_empty()


class TestTransferSyntaxes:
    @pytest.mark.parametrize(
        ("code", "proposed", "accepts", "sent"),
        [
            ("un", [IVLE], [IVLE], IVLE),
            ("zz", [IVLE], [IVLE], IVLE),
            ("UL", [EVLE, IVLE], [EVLE], EVLE),
            ("ul", [EVLE, IVLE], [IVLE], IVLE),
            ("ub", ["1.2.840.10008.1.2.2", IVLE], ["1.2.840.10008.1.2.2"], "1.2.840.10008.1.2.2"),
            ("ue", [EVLE, "1.2.840.10008.1.2.2", IVLE], ["1.2.840.10008.1.2.2"], "1.2.840.10008.1.2.2"),
        ],
    )
    def test_uncompressed(self, server: Whole, code: str, proposed: list[str], accepts: list[str], sent: str) -> None:
        server.fill(1)
        with destination(syntaxes=accepts) as dest:
            server.know(f"DEST 127.0.0.1 {dest.port} {code}")
            assert move_from(server, "DEST").counts == (0, 1, 0, 0)
        assert dest.proposed == [(CT, proposed)]
        ((syntax, data),) = dest.datasets
        assert syntax == sent
        elements = {**CT1, 0x00080018: (b"UI", b"1.2.826.0.1.3680043.8.498.77.9.0")}
        if sent.endswith("2.2"):
            elements = {
                tag: (vr, swapped(value) if vr in (b"US", b"OW") else value) for tag, (vr, value) in elements.items()
            }
        assert data == dataset(elements, sent)

    def test_the_called_title_overrides_the_map(self, server: Whole) -> None:
        server.fill(1)
        with destination(syntaxes=[EVLE]) as dest:
            server.know(f"DEST 127.0.0.1 {dest.port} un")
            client = RawClient(server.port)
            with client:
                context = pdu.ProposedContext(RETRIEVE_CONTEXT, MOVE, (IVLE,))
                client.associate(request([context], called="ORACLE~ul"))
                assert move(client, "DEST").counts == (0, 1, 0, 0)
                client.release()
        assert dest.proposed == [(CT, [EVLE, IVLE])]

    def test_a_code_that_needs_a_codec_proposes_its_list(self, server: Whole) -> None:
        server.fill(1)
        with destination(syntaxes=[IVLE]) as dest:
            server.know(f"DEST 127.0.0.1 {dest.port} j2")
            assert move_from(server, "DEST").counts == (0, 1, 0, 0)
        assert dest.proposed[0] == (CT, ["1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70", IVLE])


def swapped(value: bytes) -> bytes:
    return b"".join(value[at : at + 2][::-1] for at in range(0, len(value), 2))


class TestPeers:
    def test_the_server_itself(self, server: Whole) -> None:
        server.fill(4)
        before = server.house.files()
        server.know(f"ORACLE 127.0.0.1 {server.port} as")
        found = move_from(server, "ORACLE")
        assert (found.status, found.counts) == (0, (0, 4, 0, 0))
        assert sum(line.startswith("Rewritten file: ") for line in server.house.log.lines) == 4
        assert server.house.files() == before

    @pytest.mark.parametrize("max_length", [0, 64, 4096, 131072])
    def test_any_maximum_length(self, server: Whole, max_length: int) -> None:
        elements = {**CT1, 0x7FE00010: (b"OW", bytes(range(256)) * 3000)}
        assert server.house.store(elements) == 0
        with destination(syntaxes=[EVLE], max_length=max_length) as dest:
            server.know(f"DEST 127.0.0.1 {dest.port} ul")
            assert move_from(server, "DEST").counts == (0, 1, 0, 0)
        ((_, data),) = dest.datasets
        assert data == dataset(elements)

    @pytest.mark.peer
    @pytest.mark.skipif(not (dcmtk.find("movescu") and dcmtk.find("storescp")), reason="dcmtk is not installed")
    @pytest.mark.parametrize("model", ["-S", "-P"])
    def test_movescu_to_storescp(self, server: Whole, tmp_path_factory: pytest.TempPathFactory, model: str) -> None:
        uids = server.fill(3)
        folder = tmp_path_factory.mktemp("received")
        with storescp(folder) as port:
            server.know(f"STORESCP 127.0.0.1 {port} un")
            command = [
                dcmtk.path("movescu"), model, "-d", "-aec", "ORACLE", "-aem", "STORESCP", "-k", "0008,0052=STUDY",
                "-k", f"0020,000D={STUDY.decode()}", "127.0.0.1", str(server.port),
            ]  # fmt: skip
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        assert re.search(r"Completed Suboperations +: 3", done.stderr)
        assert len(list(folder.iterdir())) == len(uids)


@contextmanager
def storescp(folder: Path, *options: str) -> Iterator[int]:
    port = free_port()
    process = subprocess.Popen(
        [dcmtk.path("storescp"), *options, "-od", str(folder), str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: _listens(port))
        yield port
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
