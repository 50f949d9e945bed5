"""Other people's DICOM clients against the server, and our own small one."""

from __future__ import annotations

import io
import socket
import subprocess

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.filereader import read_dataset
from pynetdicom import AE, build_role

from dgate.net.scu import EchoError, echo
from tests import dcmtk

from .conftest import PATIENT, Running, StartServer
from .raw import CT, EVLE, IVLE, VERIFICATION

TRAILING_PADDING = 0xFFFCFFFC


@pytest.fixture
def patient_server(start_server: StartServer) -> Running:
    return start_server(PATIENT)


def path_of(name: str) -> str:
    path = get_testdata_file(name)
    assert isinstance(path, str)
    return path


def same_object(server: Running, name: str) -> None:
    """Every object that arrived is the data set of this file."""
    expected = pydicom.dcmread(path_of(name))
    expected.pop(TRAILING_PADDING, None)  # dcmtk leaves it out
    for request, data in server.archive.stored:
        assert request.transfer_syntax in {IVLE, EVLE}
        received = read_dataset(io.BytesIO(data), request.transfer_syntax == IVLE, is_little_endian=True)
        received.pop(TRAILING_PADDING, None)
        assert received == pydicom.Dataset(expected)
        assert request.sop_instance_uid == expected.SOPInstanceUID


def test_pynetdicom_echo_and_store(patient_server: Running) -> None:
    ae = AE("PYNET")
    ae.add_requested_context(VERIFICATION)
    ae.add_requested_context(CT, EVLE)
    role = build_role(CT, scu_role=True, scp_role=True)
    association = ae.associate("127.0.0.1", patient_server.port, ae_title="ORACLE", ext_neg=[role])
    assert association.is_established
    assert association.acceptor.implementation_version_name == "1.5.0/OTHER"
    assert association.acceptor.maximum_length == 131072
    assert association.send_c_echo().Status == 0
    assert association.send_c_store(pydicom.dcmread(path_of("CT_small.dcm"))).Status == 0
    association.release()
    assert len(patient_server.archive.stored) == 1
    assert patient_server.log.users == [("C-Store", "PYNET")]
    same_object(patient_server, "CT_small.dcm")


def test_pynetdicom_abort(patient_server: Running) -> None:
    ae = AE()
    ae.add_requested_context(VERIFICATION)
    association = ae.associate("127.0.0.1", patient_server.port)
    assert association.send_c_echo().Status == 0
    association.abort()
    patient_server.wait_until_empty()


def test_our_own_echo_client(patient_server: Running) -> None:
    echo("127.0.0.1", patient_server.port, calling="CT1", called="CT1")
    patient_server.wait_until_empty()
    assert "C-Echo" in patient_server.log.lines


def test_our_own_echo_client_says_why_it_failed(start_server: StartServer) -> None:
    full = start_server(associations=0)
    with pytest.raises(EchoError, match="association rejected: result 2, source 3, reason 2"):
        echo("127.0.0.1", full.port, calling="CT1", called="CT1")
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        with pytest.raises(EchoError, match=r"no answer within 0\.2 s"):
            echo("127.0.0.1", port, calling="CT1", called="CT1", timeout=0.2)
    with pytest.raises(EchoError, match="cannot talk to"):
        echo("127.0.0.1", port, calling="CT1", called="CT1")


@pytest.mark.peer
@pytest.mark.skipif(not dcmtk.find("storescu"), reason="dcmtk is not installed")
class TestDcmtk:
    def call(self, server: Running, program: str, *options: str, files: tuple[str, ...] = ()) -> None:
        where = ("127.0.0.1", str(server.port))
        command = [dcmtk.path(program), "-aet", "DCMTK", "-aec", "ORACLE", *options, *where, *files]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr

    def test_echo(self, patient_server: Running) -> None:
        self.call(patient_server, "echoscu", "--repeat", "5")
        patient_server.wait_until_empty()
        assert patient_server.log.lines.count("C-Echo") == 5

    def test_proposing_as_much_as_there_can_be(self, patient_server: Running) -> None:
        self.call(patient_server, "echoscu", "--propose-ts", "20", "--propose-pc", "128")

    @pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm", "rtplan.dcm"])
    @pytest.mark.parametrize("pdu", ["4096", "131072"])
    def test_store(self, patient_server: Running, name: str, pdu: str) -> None:
        files = (path_of(name),) * 2
        self.call(patient_server, "storescu", "-R", "--max-send-pdu", pdu, files=files)
        assert len(patient_server.archive.stored) == 2
        same_object(patient_server, name)

    def test_abort(self, patient_server: Running) -> None:
        self.call(patient_server, "echoscu", "--abort")
        patient_server.wait_until_empty()
