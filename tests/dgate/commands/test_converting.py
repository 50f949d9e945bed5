"""A file of the archive for whoever asks, and for another node."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from dgate.commands.client import request
from tests.dgate.archive.support import UID
from tests.dgate.commands.conftest import Site, make_site
from tests.ports import free_port


@pytest.fixture
def name(site: Site) -> str:
    site.store()
    return site.files()[0]


def test_to_json(site: Site, name: str) -> None:
    found = json.loads(site.command(f"convert_to_json:{name}"))
    assert (found["PatientName"], found["Rows"], found["SOPInstanceUID"]) == ("Doe^John^Q", 4, f"{UID}.1.1")


def test_to_dicom(site: Site, name: str) -> None:
    content = (site.root / "data" / name).read_bytes()
    for more in ("", ",0", ",0,as"):
        assert request(site.settings, "127.0.0.1", site.port, f"convert_to_dicom:{name}{more}".encode()) == content
    assert site.command(f"convert_to_dicom:{name},512").startswith("***convert_to_dicom: only files as they are")
    assert site.command("convert_to_dicom:none") == "***convert_to_dicom: no such file: none\n"


@pytest.fixture
def image(site: Site) -> str:
    """A file of 128 x 128 pixels."""
    path = site.root / "image.dcm"
    path.write_bytes(Path(str(get_testdata_file("CT_small.dcm"))).read_bytes())
    return str(path)


@pytest.mark.parametrize(("kind", "start"), [("bmp", b"BM"), ("gif", b"GIF8"), ("jpg", b"\xff\xd8\xff")])
def test_to_a_picture(site: Site, name: str, image: str, kind: str, start: bytes) -> None:
    for more in ("", ",", ",2", ",0,picture,40/400", ",0,,40/400/0"):
        answer = request(site.settings, "127.0.0.1", site.port, f"convert_to_{kind}:{image}{more}".encode())
        assert answer.startswith(start), (more, answer[:80])
    assert "cannot be read" in site.command(f"convert_to_{kind}:{image},0,,0/0/7"), "there is no such frame"
    assert "cannot be read: there is no image" in site.command(f"convert_to_{kind}:{name}")
    assert site.command(f"convert_to_{kind}:none") == f"***convert_to_{kind}: no such file: none\n"


def test_the_size_of_a_picture(site: Site, image: str) -> None:
    def width(size: str) -> int:
        made = request(site.settings, "127.0.0.1", site.port, f"convert_to_bmp:{image},{size}".encode())
        return int.from_bytes(made[18:22], "little")

    assert (width(""), width("64"), width("1000")) == (128, 64, 128)


def test_forward(site: Site, name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = make_site(tmp_path_factory.mktemp("other"))
    other.listener.start()
    try:
        site.command(f"put_amap:1,OTHER,127.0.0.1,{other.port}")
        assert site.command(f"forward:{name},ul,OTHER") == "0"
        assert other.rows("SELECT SOPInstanc FROM DICOMImages") == [(f"{UID}.1.1",)]
        other.command("initializetables:")
        with other.archive.stores.writer.exclusive() as connection:
            connection.execute("DROP TABLE DICOMImages")
        assert site.command(f"forward:{name},,OTHER") == f"1 Forward of {name} to OTHER failed"
        assert "OTHER: status 0110" in site.log()
    finally:
        other.listener.stop()
        other.archive.close()


def test_forward_to_nobody(site: Site, name: str) -> None:
    site.command(f"put_amap:1,OTHER,127.0.0.1,{free_port()}")
    assert site.command(f"forward:{name},un,OTHER") == f"1 Forward of {name} to OTHER failed"
    assert (
        site.command(f"forward:{name},un,NOBODY")
        == "***forward: NOBODY is not in acrnema.map, or without a port there\n"
    )


def test_what_is_no_object(site: Site) -> None:
    (site.root / "text").write_text("not an object" * 100)
    for command in (f"convert_to_json:{site.root}/text", f"forward:{site.root}/text,un,OTHER"):
        assert "cannot be read" in site.command(command)
