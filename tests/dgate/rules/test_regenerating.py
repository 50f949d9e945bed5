"""`RegenConverter0` and `RegenFailConverter0`, without a server and in one that runs."""

from __future__ import annotations

import io
import sqlite3

import pytest

from dgate.archive.archive import open_archive
from dgate.archive.progress import Progress
from dgate.archive.regenerate import enter_folder, regenerate
from tests.dgate.archive.support import UID, kfactor
from tests.dgate.lua.scripts import SomeCommands, make_engine
from tests.dgate.rules.bench import CT, Instance, Record, changed, read_settings


def objects(instance: Instance) -> None:
    """Three of one patient, one of them large."""
    for number, size in enumerate((64, 3 << 20, 64), 1):
        made = changed(CT, t00080018=f"{UID}.1.{number}".encode(), t00200013=b"%d" % number, t7fe00010=bytes(size))
        assert instance.store(made) == 0
    instance.log.entries.clear()


def regenerated(instance: Instance, more: str, workers: int = 4) -> list[str]:
    """All lines about files after the index was made anew with these settings."""
    log, settings = Record(), read_settings(instance.root, more)
    instance.archive.close()
    try:
        regenerate(settings, kfactor(), log, 0, workers=workers, progress=Progress(io.StringIO()))
    finally:
        instance.archive = open_archive(instance.settings, kfactor(), Record())
    return [line.replace(f"{instance.data}/", "") for _, line in log.entries if "egen" in line]


def patients(instance: Instance) -> list[str]:
    with sqlite3.connect(instance.root / "conquest.db3") as database:
        rows = database.execute("SELECT ImagePat FROM DICOMImages ORDER BY SOPInstanc").fetchall()
    return [value.decode() if isinstance(value, bytes) else value for (value,) in rows]


def test_what_it_changes_is_in_the_index_only(instance: Instance) -> None:
    objects(instance)
    before = {path: path.read_bytes() for path in instance.files()}
    names = [str(path.relative_to(instance.data)) for path in before]
    more = 'ImportConverter0 = destroy\nRegenConverter0 = nop %V0020,0013 %i %m; set 0010,0020 to "NEW"\n'
    lines = regenerated(instance, more)
    assert patients(instance) == ["NEW"] * 3
    assert {path: path.read_bytes() for path in instance.files()} == before
    expected = ["Regen Device 'MAG0'"]
    for number, name in enumerate(names, 1):
        expected += [
            f"Regenconverter0.0: nop {number} 1CT1 CT",
            'Regenconverter0.1 executes: set 0010,0020 to "NEW"',
            f"[Regen] {name} -SUCCESS",
        ]
    assert lines == expected


def test_the_file_name_is_that_of_the_file(instance: Instance) -> None:
    objects(instance)
    lines = regenerated(instance, "RegenConverter0 = nop %f\n")
    assert [line for line in lines if "nop" in line] == [
        f"Regenconverter0.0: nop {path.relative_to(instance.data)}" for path in instance.files()
    ]


@pytest.mark.parametrize("verdict", ["destroy", "reject"])
def test_what_it_does_not_want_is_not_entered(instance: Instance, verdict: str) -> None:
    objects(instance)
    lines = regenerated(instance, f'RegenConverter0 = ifequal "%V0020,0013","2"; {verdict}\n')
    assert len(patients(instance)) == 2
    assert sum(line.endswith("-SUCCESS") for line in lines) == 2
    assert not any("FAILED" in line for line in lines)
    assert len(instance.files()) == 3


def test_a_file_that_the_index_refuses(instance: Instance) -> None:
    objects(instance)
    more = (
        'RegenConverter0 = ifequal "%V0020,0013","3"; set 0010,0020 to "OTHER"\n'
        "RegenFailConverter0 = nop refused %V0020,0013 of %i\n"
    )
    lines = regenerated(instance, more)
    third = str(instance.files()[2].relative_to(instance.data))
    assert lines[-2:] == [
        f"***[Regen] {third} -FAILED: Error SQL Add",
        "RegenFailconverter0.0: nop refused 3 of 1CT1",
    ]
    assert len(patients(instance)) == 2


def test_a_script_in_its_place(instance: Instance) -> None:
    pytest.importorskip("lupa")
    objects(instance)
    chunk = "n = (n or 0) + 1 print('Regen', n, Data.InstanceNumber) Data.PatientID = 'LUA'"
    lines = regenerated(instance, f"[lua]\nRegenConverter0 = {chunk}\n")
    assert [line for line in lines if "\t" in line] == ["Regen\t1\t1", "Regen\t2\t2", "Regen\t3\t3"]
    assert patients(instance) == ["LUA"] * 3


def test_in_a_running_server(instance: Instance) -> None:
    objects(instance)
    instance.configure("nop never", more='RegenConverter0 = set 0010,0010 to "Entered Anew"; nop done\n')
    assert enter_folder(instance.archive, b"MAG0") == 3
    lines = [line.replace(f"{instance.data}/", "") for _, line in instance.log.entries]
    assert lines[0] == "Regen Device 'MAG0'"
    assert lines[-3:-1] == [
        'Regenconverter0.0 executes: set 0010,0010 to "Entered Anew"',
        "Regenconverter0.1: nop done",
    ]
    assert lines[-1].endswith("-SUCCESS")
    with sqlite3.connect(instance.root / "conquest.db3") as database:
        assert database.execute("SELECT COUNT(*) FROM DICOMStudies WHERE PatientNam = 'Entered Anew'").fetchone() == (
            1,
        )


def test_a_script_in_a_running_server_that_fails_changes_nothing(instance: Instance) -> None:
    pytest.importorskip("lupa")
    objects(instance)
    instance.configure("nop", more="[lua]\nRegenConverter0 = x.y = 1\n", engine=make_engine(instance, SomeCommands()))
    assert enter_folder(instance.archive, b"MAG0") == 3
    assert patients(instance) == ["1CT1"] * 3


def test_scripts_remember_until_the_end_of_the_command(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lupa")
    monkeypatch.setattr("dgate.archive.regenerate.PORTION", 1)
    objects(instance)
    more = "[lua]\nRegenConverter0 = n = (n or 0) + 1 print('file', n)\n"
    instance.configure("nop", more=more, engine=make_engine(instance, SomeCommands()))
    assert enter_folder(instance.archive, b"MAG0") == 3
    assert [line for _, line in instance.log.entries if line.startswith("file")] == ["file\t1", "file\t2", "file\t3"]
