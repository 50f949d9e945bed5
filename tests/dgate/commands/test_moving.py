"""Moves by command: from the own archive, and from another server to a third."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import dcmtk
from tests.dgate.archive.support import UID
from tests.dgate.commands.conftest import Site, make_site
from tests.dgate.net.conftest import wait_for
from tests.ports import free_port


@pytest.fixture
def other(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A second server, known to the first as OTHER; it knows the first as ORACLE."""
    made = make_site(tmp_path_factory.mktemp("other"))
    made.listener.start()
    assert site.command(f"put_amap:1,OTHER,127.0.0.1,{made.port}") == ""
    assert made.command(f"put_amap:0,ORACLE,127.0.0.1,{site.port}") == ""
    yield made
    made.listener.stop()
    made.archive.close()


@pytest.fixture
def objects(site: Site) -> None:
    site.store()
    site.store(t00080018=UID.encode() + b".2.2", t0020000E=UID.encode() + b".2")
    site.store(t00080018=b"1.9.1.1", t0020000E=b"1.9.1", t0020000D=b"1.9", t00100020=b"P2", t00080020=b"20240105")


@pytest.mark.usefixtures("objects")
@pytest.mark.parametrize(
    ("command", "count"),
    [
        ("movepatient:(local),OTHER,PAT 001.A", 2),
        (f"movestudy:(local),OTHER,PAT 001.A:{UID}", 2),
        (f"movestudy:local,OTHER,{UID}", 2),
        (f"moveseries:(local),OTHER,PAT 001.A:{UID}.1", 1),
        (f"moveseries:ORACLE,OTHER,PAT 001.A:{UID}.2,{UID}", 1),
        ("movestudies:(local),OTHER,20240105", 1),
        ("movestudies:(local),OTHER,20200101-20251231", 3),
        (f"move:(local),OTHER,PAT 001.A~{UID}~{UID}.2~", 1),
        ("move:(local),OTHER,P2~~~1.9.1.1", 1),
        ("move:(local),OTHER,P2", 1),
    ],
)
def test_from_here(site: Site, other: Site, command: str, count: int) -> None:
    assert site.command(command) == "0"
    assert len(other.files()) == count
    assert len(site.files()) == 3
    state = json.loads(site.command("status_json:"))
    assert (state["images"]["sent"], state["requests"]["move"]) == (count, 1)
    assert json.loads(other.command("status_json:"))["images"]["stored"] == count


@pytest.mark.usefixtures("objects")
@pytest.mark.parametrize(
    "command",
    [
        "movepatient:(local),OTHER,",
        "movestudy:(local),OTHER,PAT 001.A:",
        "move:(local),OTHER,~~~",
        "movestudies:,OTHER,2020",
    ],
)
def test_nothing_named_nothing_moved(site: Site, other: Site, command: str) -> None:
    assert site.command(command).startswith("***move")
    assert other.files() == []


@pytest.mark.usefixtures("objects")
def test_failures(site: Site) -> None:
    port = free_port()
    site.command(f"put_amap:1,OTHER,127.0.0.1,{port}")
    assert site.command("movepatient:(local),OTHER,PAT 001.A") == "1 Move failed from (local) to OTHER"
    assert site.command("movepatient:(local),NOBODY,PAT 001.A") == "1 Move failed from (local) to NOBODY"
    assert site.command("movepatient:(local),OTHER,UNKNOWN") == "1 Move failed from (local) to OTHER"
    assert site.command("movepatient:OTHER,ORACLE,PAT 001.A") == "1 Move failed from OTHER to ORACLE"
    assert "Host 'OTHER' did not accept the connection" in site.log()
    assert site.command("movepatient:NOBODY,ORACLE,X").startswith("***movepatient: NOBODY is not in acrnema.map")


def test_an_object_that_is_refused_is_a_failure(site: Site, other: Site) -> None:
    site.store()
    with other.archive.stores.writer.exclusive() as connection:
        connection.execute("DROP TABLE DICOMImages")
    assert site.command("movepatient:(local),OTHER,PAT 001.A") == "1 Move failed from (local) to OTHER"


@pytest.mark.usefixtures("objects", "other")
def test_from_another_server(site: Site) -> None:
    site.command("movepatient:(local),OTHER,PAT 001.A")
    site.command("deletepatient:PAT 001.A")
    assert len(site.files()) == 1
    assert site.command("movepatient:OTHER,ORACLE,PAT 001.A") == "0"
    assert len(site.files()) == 3
    assert site.command(f"moveseries:OTHER,NOBODY,{UID}.1") == "1 Move failed from OTHER to NOBODY"


@pytest.mark.usefixtures("objects")
def test_what_another_server_has_of_certain_days_is_fetched(site: Site, other: Site) -> None:
    # both are ORACLE: the one that is asked sends to whom its own map says, which is nobody at first
    missed = "1 1 of 1 studies did not come from ORACLE"
    assert other.command("grabimagesfromserver:ORACLE,20240105") == missed
    site.command(f"put_amap:0,ORACLE,127.0.0.1,{other.port}")
    assert other.command("grabimagesfromserver:ORACLE,20240105") == "0"
    assert other.rows("SELECT StudyInsta FROM DICOMStudies") == [("1.9",)]
    assert other.command("grabimagesfromserver:ORACLE,20200101-20251231") == "0"
    assert len(other.files()) == 3
    assert other.command("grabimagesfromserver:ORACLE,2020") == (
        "***grabimagesfromserver: expected AE,yyyymmdd or AE,yyyymmdd-yyyymmdd\n"
    )
    assert other.command("grabimagesfromserver:NOBODY,20200101").startswith("***grabimagesfromserver: NOBODY is not in")


@pytest.mark.peer
@pytest.mark.skipif(dcmtk.find("storescp") is None, reason="dcmtk is not installed")
@pytest.mark.usefixtures("objects")
def test_to_dcmtk(site: Site, tmp_path: Path) -> None:
    port = free_port()
    received = tmp_path / "received"
    received.mkdir()
    with subprocess.Popen([dcmtk.path("storescp"), "-od", str(received), str(port)]) as process:
        site.command(f"put_amap:1,OTHER,127.0.0.1,{port}")
        wait_for(lambda: site.command("echo:OTHER") == "OTHER is UP")
        assert site.command("movepatient:(local),OTHER,PAT 001.A") == "0"
        assert len(list(received.iterdir())) == 2
        process.terminate()
