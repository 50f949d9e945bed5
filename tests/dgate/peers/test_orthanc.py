"""Orthanc as a client of ours and as the place where a C-MOVE goes."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dgate.net import dimse
from tests.dgate.hostile.client import Client
from tests.dgate.hostile.conftest import harmless
from tests.dgate.hostile.site import Site
from tests.dgate.net.conftest import wait_for
from tests.ports import free_port

from .files import archived, content, path_of

if TYPE_CHECKING:
    import pydicom

PROGRAM = shutil.which("Orthanc", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
STUDY = 0x0020000D
OBJECTS = ("CT_small.dcm", "MR_small.dcm", "rtplan.dcm")

pytestmark = [pytest.mark.peer, pytest.mark.skipif(PROGRAM is None, reason="Orthanc is not installed")]


class Orthanc:
    """A server process on the loopback, asked through its REST interface."""

    def __init__(self, folder: Path, peer: int) -> None:
        self.folder = folder
        self.http, self.dicom = free_port(), free_port()
        configuration = {
            "Name": "peer",
            "StorageDirectory": str(folder / "storage"),
            "IndexDirectory": str(folder / "index"),
            "Plugins": [],
            "HttpPort": self.http,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomAet": "ORTHANC",
            "DicomPort": self.dicom,
            "DicomCheckCalledAet": False,
            "DicomModalities": {"dgate": ["ORACLE", "127.0.0.1", peer]},
            "DicomScuTimeout": 30,
            "OverwriteInstances": True,
        }
        (folder / "orthanc.json").write_text(json.dumps(configuration))
        self.output = folder / "output"
        assert PROGRAM is not None
        with self.output.open("wb") as out:
            command = [PROGRAM, str(folder / "orthanc.json")]
            self.process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, cwd=folder)

    def wait_until_it_answers(self) -> None:
        wait_for(self._answers, 60, self.output.read_text)

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.output.read_text()
        with suppress(OSError):
            return bool(self.get("/system"))
        return False

    def get(self, path: str) -> Any:
        return self._call(path, None)

    def post(self, path: str, body: bytes | str | dict[str, Any] | list[str]) -> Any:
        if isinstance(body, str):
            body = body.encode()
        return self._call(path, body if isinstance(body, bytes) else json.dumps(body).encode())

    def _call(self, path: str, data: bytes | None) -> Any:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}{path}", data=data)
        with opener.open(request, timeout=60) as answer:
            content = answer.read()
        return json.loads(content) if content[:1] in b'{["' else content

    def add(self, name: str) -> str:
        """Put a file into Orthanc; its identifier there."""
        return str(self.post("/instances", path_of(name).read_bytes())["ID"])

    def empty(self) -> None:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        for patient in self.get("/patients"):
            url = f"http://127.0.0.1:{self.http}/patients/{patient}"
            opener.open(urllib.request.Request(url, method="DELETE"), timeout=60).close()

    def object(self, identifier: str) -> pydicom.Dataset:
        path = self.folder / f"{identifier}.dcm"
        path.write_bytes(self.get(f"/instances/{identifier}/file"))
        return content(path)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


@pytest.fixture(scope="module")
def orthanc(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    peer = Orthanc(tmp_path_factory.mktemp("orthanc"), site.port)
    try:
        peer.wait_until_it_answers()
        site.know(f"ORTHANC 127.0.0.1 {peer.dicom} un")
        yield peer
    finally:
        peer.stop()


@pytest.fixture
def filled(site: Site, orthanc: Orthanc) -> Orthanc:
    """Orthanc with the objects, which it has sent to us."""
    with harmless(site):
        identifiers = [orthanc.add(name) for name in OBJECTS]
        job = orthanc.post("/modalities/dgate/store", {"Resources": identifiers, "Synchronous": True})
        assert job["FailedInstancesCount"] == 0
    return orthanc


def test_its_echo(site: Site, orthanc: Orthanc) -> None:
    with harmless(site):
        orthanc.post("/modalities/dgate/echo", "{}")


def test_it_stores_to_us(site: Site, filled: Orthanc) -> None:
    assert filled.process.poll() is None
    for name in OBJECTS:
        sent = content(path_of(name))
        assert content(archived(site.data, sent.SOPInstanceUID)) == sent


def test_it_asks_us_and_fetches_what_it_found(filled: Orthanc) -> None:
    """Its C-MOVE has itself as the destination."""
    sent = content(path_of("CT_small.dcm"))
    filled.empty()
    query = {"Level": "Study", "Query": {"PatientID": sent.PatientID, "StudyInstanceUID": ""}}
    found = filled.post("/modalities/dgate/query", query)
    (answer,) = filled.get(f"/queries/{found['ID']}/answers")
    assert filled.get(f"/queries/{found['ID']}/answers/{answer}/content?simplify")["StudyInstanceUID"] == (
        sent.StudyInstanceUID
    )
    filled.post(f"/queries/{found['ID']}/answers/{answer}/retrieve", "ORTHANC")
    (identifier,) = filled.get("/instances")
    assert filled.object(identifier) == sent


def move(site: Site, study: str) -> dimse.Command:
    """C-MOVE a study to Orthanc; the final response."""
    with Client(site.port) as client:
        client.ask_to_move("ORTHANC", {STUDY: study.encode()})
        while True:
            answer, _ = client.response()
            if answer.number(dimse.STATUS) != dimse.PENDING:
                client.release()
                return answer


@pytest.mark.parametrize("name", OBJECTS)
def test_we_move_to_it(site: Site, filled: Orthanc, name: str) -> None:
    sent = content(path_of(name))
    filled.empty()
    with harmless(site):
        answer = move(site, sent.StudyInstanceUID)
    assert answer.number(dimse.STATUS) == 0
    assert (answer.number(dimse.COMPLETED), answer.number(dimse.FAILED)) == (1, 0)
    (identifier,) = filled.get("/instances")
    assert filled.object(identifier) == sent


def test_a_move_to_one_that_is_gone(site: Site, tmp_path: Path) -> None:
    """Not the shared one: this Orthanc dies before the C-MOVE."""
    dying = Orthanc(tmp_path, site.port)
    try:
        dying.wait_until_it_answers()
        site.know(f"ORTHANC 127.0.0.1 {dying.dicom} un")
        dying.add("CT_small.dcm")
        dying.post("/modalities/dgate/store", {"Resources": dying.get("/instances"), "Synchronous": True})
    finally:
        dying.process.kill()
        dying.process.wait()
    with harmless(site):
        answer = move(site, content(path_of("CT_small.dcm")).StudyInstanceUID)
    assert answer.number(dimse.STATUS) == 0xC005
