"""`kill -9` while a command changes every image of a patient: files and rows go together, and nothing is lost."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from pydicom import dcmread

from dgate.commands.client import request
from dgate.config.inifile import IniFile
from dgate.config.settings import load_settings
from dgate.net.scu import EchoError
from tests.dgate.archive.support import ct1, dataset
from tests.dgate.net.conftest import wait_for

from .client import Client
from .conftest import assert_no_fault_of_ours
from .site import Site

IMAGES = 60


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """With images of one patient; ended in any case."""
    prepared = Site(tmp_path)
    prepared.start()
    with Client(prepared.port) as client:
        for number in range(IMAGES):
            data = ct1(t00080018=b"1.%d" % number, t00200013=b"%d" % number, t00100020=b"FIRST")
            assert client.store(dataset(data)) == 0
        client.release()
    yield prepared
    prepared.kill()


def command(site: Site, text: str) -> str:
    settings, _ = load_settings(IniFile.parse((site.folder / "dicom.ini").read_bytes()), str(site.folder))
    with suppress(EchoError, OSError):  # the server has died
        return request(settings, "127.0.0.1", site.port, text.encode()).decode()
    return ""


def killed_within(site: Site, text: str, line: str, count: int) -> None:
    """Send a command and kill the server when so many more of these lines are in its log."""
    wanted = site.log().count(line) + count
    thread = threading.Thread(target=command, args=(site, text))
    thread.start()
    wait_for(lambda: site.log().count(line) >= wanted or not thread.is_alive(), 60, site.log)
    site.kill()
    thread.join()
    site.start()


def check(site: Site) -> dict[str, str]:
    """Files and rows go together and say the same; each image's patient, by the number it was stored with."""
    rows = {
        uid.decode(): (path.decode(), patient.decode())
        for uid, path, patient in site.rows("SELECT SOPInstanc, ObjectFile, ImagePat FROM DICOMImages")
    }
    assert sorted(path for path, _ in rows.values()) == site.files()
    assert site.temporaries() == []
    found: dict[str, str] = {}
    for uid, (path, patient) in rows.items():
        image = dcmread(site.data / path)
        assert (image.SOPInstanceUID, image.PatientID) == (uid, patient)
        assert image.PixelData == bytes(range(64))
        found[str(image.InstanceNumber)] = patient
    assert len(found) == IMAGES
    return found


@pytest.mark.parametrize(
    ("script", "line"),
    [('set 0010,0020 to "SECOND"; newuids', "Deleted file: "), ('set 0010,0010 to "Second"', "Rewritten file: ")],
    ids=["as new objects", "in place"],
)
def test_kill_9_while_images_are_changed(site: Site, script: str, line: str) -> None:
    seed = int(os.environ.get("DGATE_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"DGATE_TEST_SEED={seed}")
    chance = random.Random(seed)  # noqa: S311 - test data
    text = f"modifystudy:FIRST,,{script}"
    for _ in range(4):
        killed_within(site, text, line, chance.randint(1, IMAGES // 5))
        check(site)
    # with new UIDs, nothing may be left to do by now
    assert command(site, text) in ("0", "***modifystudy: there is no such image\n")
    check(site)
    if "newuids" in script:
        assert site.rows("SELECT DISTINCT ImagePat FROM DICOMImages") == [(b"SECOND",)]
        assert len(site.files()) == IMAGES
    else:
        assert site.rows("SELECT PatientNam FROM DICOMPatients") == [(b"Second",)]
    assert site.stop() == 0
    assert_no_fault_of_ours(site)
