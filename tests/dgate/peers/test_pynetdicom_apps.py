"""pynetdicom's client applications against the running server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pydicom
import pytest

from tests.dgate.hostile.site import Site

from .files import NAMES, archived, content, path_of

pytestmark = pytest.mark.peer


def call(site: Site, program: str, *options: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "pynetdicom", program, "-aec", "ORACLE", "127.0.0.1", str(site.port), *options]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, cwd=folder)


@pytest.mark.parametrize("options", [(), ("--abort",)])
def test_echoscu(served: Site, options: tuple[str, ...]) -> None:
    done = call(served, "echoscu", *options)
    assert done.returncode == 0, done.stderr


def test_storescu_sends_files_of_many_kinds(served: Site) -> None:
    for name in NAMES:
        done = call(served, "storescu", "-cx", str(path_of(name)))
        assert done.returncode == 0, done.stderr
        sent = content(path_of(name))
        stored = archived(served.data, sent.SOPInstanceUID)
        if pydicom.dcmread(path_of(name)).file_meta.TransferSyntaxUID.is_little_endian:
            assert content(stored) == sent
        else:
            assert pydicom.dcmread(stored).file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian


def test_findscu(served: Site) -> None:
    keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=", "-k", "PatientID=PAT 001.A")
    done = call(served, "findscu", "-S", "-v", *keys)
    assert done.returncode == 0, done.stderr
    assert "PAT 001.A" in done.stdout + done.stderr


def test_getscu(served: Site, tmp_path: Path) -> None:
    sent = content(path_of("CT_small.dcm"))
    assert call(served, "storescu", str(path_of("CT_small.dcm"))).returncode == 0
    keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={sent.StudyInstanceUID}")
    done = call(served, "getscu", "-S", "-od", str(tmp_path), *keys, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    (received,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert content(received) == sent
