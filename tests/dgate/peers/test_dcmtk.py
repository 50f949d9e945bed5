"""dcmtk's programs against the running server: good manners, bad manners, and the way they die."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from tests import dcmtk
from tests.dgate.archive.support import CT1, dataset
from tests.dgate.hostile.client import SOP_UID, Client
from tests.dgate.hostile.site import Site

from .files import archived, content, path_of

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(not dcmtk.find("storescu"), reason="dcmtk is not installed"),
]


def words(site: Site, program: str, *options: str) -> list[str]:
    return [dcmtk.path(program), "-aet", "DCMTK", "-aec", "ORACLE", "127.0.0.1", str(site.port), *options]


def call(site: Site, program: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words(site, program, *options), capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("options", [(), ("--abort",), ("--repeat", "20"), ("--repeat", "20", "--abort")])
def test_echoscu(served: Site, options: tuple[str, ...]) -> None:
    done = call(served, "echoscu", *options)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("options", [(), ("--abort",), ("-R",), ("--max-pdu", "4096"), ("--max-send-pdu", "4096")])
@pytest.mark.parametrize("name", ["CT_small.dcm", "rtplan.dcm", "MR_small.dcm"])
def test_storescu(served: Site, name: str, options: tuple[str, ...]) -> None:
    """What was acknowledged is there, whether the client then releases the association or aborts it."""
    done = call(served, "storescu", *options, str(path_of(name)))
    assert done.returncode == 0, done.stderr
    sent = content(path_of(name))
    assert content(archived(served.data, sent.SOPInstanceUID)) == sent


def test_storescu_with_many_invented_objects(served: Site) -> None:
    images = served.images()
    options = ("--repeat", "50", "+IR", "10", "+IS", "2", "+IP", "2", "--abort")
    done = call(served, "storescu", *options, str(path_of("CT_small.dcm")))
    assert done.returncode == 0, done.stderr
    assert served.images() > images
    assert served.images() == len(served.files())


def test_a_client_that_is_killed(served: Site, tmp_path: Path) -> None:
    """No release, no abort: the connection just ends, wherever it was."""
    images = served.images()
    command = words(served, "storescu", "--repeat", "100000", "+II", str(path_of("CT_small.dcm")))
    with (tmp_path / "output").open("wb") as output, subprocess.Popen(command, stderr=output) as client:
        while served.images() < images + 10:
            assert client.poll() is None
        client.send_signal(signal.SIGKILL)
    served.still_serves()
    assert served.images() == len(served.files())


def test_storescu_goes_on_after_a_refused_object(served: Site, tmp_path: Path) -> None:
    """The first has no SOP instance UID that could be a key; the second is stored over the same association."""
    bad, good = tmp_path / "bad.dcm", tmp_path / "good.dcm"
    for path, series in ((bad, b"1.2.9999.1"), (good, b"1.2.9999.2")):
        elements = {**CT1, SOP_UID: (b"UI", series), 0x0020000E: (b"UI", series if path == bad else b"1.2.9999")}
        path.write_bytes(part10(elements))
    with Client(served.port) as client:  # the bad one contradicts this one: another series of the same object
        other = {**CT1, SOP_UID: (b"UI", b"1.2.9999.1"), 0x0020000E: (b"UI", b"1.2.9998")}
        assert client.store(dataset(other)) == 0
        client.release()
    done = call(served, "storescu", "--no-halt", "-v", str(bad), str(good))
    answers = [line for line in done.stderr.splitlines() if "Received Store Response" in line]
    assert ["Success" in line for line in answers] == [False, True]
    assert "0x110" in answers[0]
    assert content(archived(served.data, "1.2.9999.2")) == content(good)


def part10(elements: dict[int, tuple[bytes, bytes]]) -> bytes:
    from dgate.encoding import part10 as file_format
    from dgate.encoding.elements import EXPLICIT_LITTLE

    sop_class, uid = elements[0x00080016][1], elements[SOP_UID][1]
    return file_format.header(sop_class, uid, EXPLICIT_LITTLE.encode()) + dataset(elements)


@pytest.mark.parametrize("options", [(), ("--abort",), ("--cancel", "1"), ("--cancel", "1", "--abort")])
def test_findscu(served: Site, options: tuple[str, ...]) -> None:
    keys = ("-S", "-k", "QueryRetrieveLevel=IMAGE", "-k", "SOPInstanceUID=", "-k", "PatientID=")
    done = call(served, "findscu", *options, *keys)
    assert done.returncode == 0, done.stderr


def test_findscu_with_keys_that_are_no_keys(served: Site) -> None:
    keys = ("-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientID=';--", "-k", "PatientName=*'*%_*")
    done = call(served, "findscu", *keys, "-k", "StudyInstanceUID=")
    assert done.returncode == 0, done.stderr
    assert "Find Response: 1" not in done.stdout + done.stderr


def test_termscu_ends_nothing(served: Site) -> None:
    """dcmtk's private class that asks a server to end: refused, and the server is still there."""
    call(served, "termscu")
    served.still_serves()


@pytest.mark.parametrize("program", ["echoscu", "storescu", "findscu"])
def test_programs_that_are_stopped_and_never_continued(served: Site, program: str) -> None:
    """A client that hangs costs nothing but its place until its time is over; here it is killed in the end."""
    more = {"storescu": ["--repeat", "100000", str(path_of("CT_small.dcm"))], "echoscu": ["--repeat", "100000"]}
    keys = ["-S", "--repeat", "100000", "-k", "QueryRetrieveLevel=IMAGE", "-k", "SOPInstanceUID="]
    with subprocess.Popen(words(served, program, *more.get(program, keys)), stderr=subprocess.DEVNULL) as client:
        try:
            served.wait_for_line("UPACS THREAD")
            client.send_signal(signal.SIGSTOP)
            served.still_serves()
        finally:
            client.kill()
