"""`movedevice:` and its line: objects go from one device to another."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest

from dgate.archive.moved import move_objects
from tests.dgate.archive.support import UID
from tests.dgate.commands.conftest import Site
from tests.dgate.rules.bench import CT, Instance, changed, make_instance, read_settings, texts

SECOND = "MAGDevices = 2\nMAGDevice1 = {root}/other/\n"


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Instance:
    """With two devices and three objects on the first, one of them large."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()
    made = make_instance(tmp_path, SECOND.format(root=tmp_path))
    for number, size in enumerate((64, 3 << 20, 64), 1):
        elements = changed(CT, t00080018=f"{UID}.1.{number}".encode(), t00200013=b"%d" % number, t7fe00010=bytes(size))
        assert made.store(elements) == 0
    made.log.entries.clear()
    return made


def moved(instance: Instance, more: str = "", source: int = 0, target: int = 1) -> tuple[int, int]:
    instance.settings = read_settings(
        instance.root, f"ImportConverter0 = nop never\n{more}{SECOND.format(root=instance.root)}"
    )
    converters = instance.archive.stores.converters
    assert converters is not None
    devices = instance.archive.stores.devices.magnetic
    return move_objects(instance.archive, converters.services, devices[source], devices[target])


def below(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*.dcm") if ".spool" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def where(instance: Instance) -> list[tuple[bytes, bytes]]:
    rows = instance.archive.readers.borrow()
    found = rows.execute("SELECT DeviceName, ObjectFile FROM DICOMImages ORDER BY SOPInstanc").fetchall()
    instance.archive.readers.give_back(rows)
    return [(bytes(device), bytes(path)) for device, path in found]


def test_objects_go_as_they_are_under_their_names(instance: Instance) -> None:
    before, rows = below(instance.data), where(instance)
    assert moved(instance) == (3, 0)
    assert below(instance.root / "other") == before
    assert below(instance.data) == {}
    assert where(instance) == [(b"MAG1", path) for _, path in rows]
    assert not any("never" in line for line in instance.log.lines)
    assert moved(instance) == (0, 0)
    assert moved(instance, source=1, target=0) == (3, 0)
    assert below(instance.data) == before


def test_the_line_changes_what_is_moved(instance: Instance) -> None:
    line = 'MoveDeviceConverter0 = nop %V0020,0013 %i; set 0010,0010 to "Moved"\n'
    assert moved(instance, line) == (3, 0)
    said = texts(instance.log.lines, "MoveDeviceconverter0.0")
    assert said == [f"MoveDeviceconverter0.0: nop {number} 1CT1" for number in (1, 2, 3)]
    files = [pydicom.dcmread(path) for path in sorted((instance.root / "other").rglob("*.dcm"))]
    assert [str(file.PatientName) for file in files] == ["Moved"] * 3
    assert [len(file.PixelData) for file in files] == [64, 3 << 20, 64]


@pytest.mark.parametrize("line", ["destroy", 'set 0008,0018 to "1.2.3"', 'set 0010,0020 to "ANOTHER"'])
def test_what_a_line_does_not_want_or_spoils_stays(instance: Instance, line: str) -> None:
    before, rows = below(instance.data), where(instance)
    assert moved(instance, f'MoveDeviceConverter0 = ifequal "%V0020,0013","2"; {line}\n') == (2, 1)
    assert len(below(instance.data)) == 1
    assert below(instance.data).items() <= before.items()
    assert where(instance)[1] == rows[1]
    assert instance.leftovers() == []


def test_a_file_that_is_gone_stays_gone_and_is_told(instance: Instance) -> None:
    instance.files()[1].unlink()
    assert moved(instance) == (2, 1)
    assert any("stays on MAG0" in line for line in instance.log.lines)


def test_the_command(site: Site) -> None:
    site.store()
    assert site.command("movedevice:MAG0,MAG1").startswith("***movedevice: there is no MAG device")
    assert site.command("movedevice:MAG0,mag0") == "***movedevice: expected two devices\n"
    assert len(site.files()) == 1
