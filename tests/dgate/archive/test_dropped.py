from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from dgate.archive.dropped import add_file, is_written_to
from dgate.archive.watch import PAUSES, Watch
from dgate.encoding.elements import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from dgate.encoding.part10 import header
from dgate.index.database import sqlite
from tests.dgate.archive.support import CT1, CT_CLASS, UID, House, ct1, dataset, make_house

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def part10(elements: dict[int, tuple[bytes, bytes]], syntax: str = EXPLICIT_LITTLE) -> bytes:
    uid = elements[0x00080018][1]
    return header(CT_CLASS.encode(), uid, syntax.encode()) + dataset(elements, syntax)


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def incoming(house: House) -> Path:
    folder = house.data / "incoming"
    folder.mkdir()
    return folder


@pytest.fixture
def watch(house: House, incoming: Path, clock: Clock) -> Watch:
    assert incoming.is_dir()
    return Watch(house.archive, clock)


def stored(house: House) -> list[str]:
    return [name for name in house.files() if not name.startswith("incoming/")]


# -- the watched folder


def test_files_of_any_name_go_in_and_are_removed_with_their_folders(house: House, incoming: Path, watch: Watch) -> None:
    (incoming / "a/b").mkdir(parents=True)
    first, second = incoming / "whatever.txt", incoming / "a/b/\udcff object"
    first.write_bytes(part10(CT1))
    second.write_bytes(part10(ct1(t00080018=b"1.2"), IMPLICIT_LITTLE))
    watch.look()
    assert stored(house) == []  # seen once: it may still grow
    watch.look()
    assert len(stored(house)) == 2
    assert f"Added file: {first}" in house.log.lines
    assert list(incoming.iterdir()) == []
    assert house.rows("SELECT COUNT(*) FROM DICOMImages") == [(2,)]
    assert not any(line.startswith("C-Store") for line in house.log.lines)
    assert house.log.lines.count(f"Monitoring for files in: {incoming}/") == 1


def test_a_file_that_changes_waits(house: House, incoming: Path, watch: Watch) -> None:
    content, target = part10(CT1), incoming / "x.dcm"
    for size in (100, 400, len(content)):
        target.write_bytes(content[:size])
        watch.look()
        assert target.exists()
    watch.look()
    assert not target.exists()
    assert len(stored(house)) == 1
    assert not any("***" in line for line in house.log.lines)


def test_a_file_that_somebody_has_open_for_writing_waits(house: House, incoming: Path, watch: Watch) -> None:
    content, target = part10(CT1), incoming / "x.dcm"
    with target.open("wb") as writer:
        writer.write(content[:-64])
        writer.flush()
        with target.open("rb") as reader:
            if not is_written_to(reader.fileno()):
                pytest.skip("this file system has no leases")
        for _ in range(3):
            watch.look()
        assert stored(house) == []
        writer.write(content[-64:])
    watch.look()
    watch.look()
    assert len(stored(house)) == 1
    assert (house.data / stored(house)[0]).read_bytes().endswith(dataset(CT1))


def test_partial_files_wait_and_dot_underscore_files_go(house: House, incoming: Path, watch: Watch) -> None:
    (incoming / "x.dcm.PARTIAL").write_bytes(part10(CT1))
    (incoming / "._x.dcm").write_bytes(b"resource fork")
    for _ in range(3):
        watch.look()
    assert [path.name for path in incoming.iterdir()] == ["x.dcm.PARTIAL"]
    assert stored(house) == []


def test_a_bad_file_blocks_nothing_and_is_moved_aside_in_the_end(
    house: House, incoming: Path, watch: Watch, clock: Clock
) -> None:
    (incoming / "sub").mkdir()
    (incoming / "sub/a.dcm").write_bytes(b"no object")
    (incoming / ".failed").mkdir()
    (incoming / ".failed/a.dcm").write_bytes(b"an earlier one")
    (incoming / "b.dcm").write_bytes(part10(CT1))
    watch.look()
    watch.look()
    assert len(stored(house)) == 1
    for pause in PAUSES:
        assert (incoming / "sub/a.dcm").exists()
        clock.now += pause - 0.5
        lines = len(house.log.lines)
        watch.look()
        assert len(house.log.lines) == lines
        clock.now += 1
        watch.look()
    assert not (incoming / "sub/a.dcm").exists()
    assert (incoming / ".failed/a_0001.dcm").read_bytes() == b"no object"
    assert (incoming / ".failed/a.dcm").read_bytes() == b"an earlier one"
    assert any(f"***Cannot add {incoming}/sub/a.dcm: moved to" in line for line in house.log.lines)
    watch.look()
    watch.look()
    assert sorted(path.name for path in (incoming / ".failed").iterdir()) == ["a.dcm", "a_0001.dcm"]


def test_a_bad_file_that_becomes_good_goes_in(house: House, incoming: Path, watch: Watch) -> None:
    target = incoming / "x.dcm"
    target.write_bytes(part10(CT1)[:-10])
    watch.look()
    watch.look()
    assert target.exists()
    target.write_bytes(part10(CT1))
    watch.look()
    watch.look()
    assert not target.exists()
    assert len(stored(house)) == 1


@pytest.mark.sqlite
def test_our_own_trouble_never_costs_a_file(
    house: House, incoming: Path, watch: Watch, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.01)
    target = incoming / "x.dcm"
    target.write_bytes(part10(CT1))
    watch.look()
    with closing(sqlite3.connect(house.root / "conquest.db3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for _ in range(20):
            watch.look()
            clock.now += 100
        other.execute("ROLLBACK")
    assert target.exists()
    assert house.leftovers() == []
    watch.look()
    assert not target.exists()
    assert len(stored(house)) == 1


def test_links_are_not_followed(house: House, incoming: Path, watch: Watch, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.dcm").write_bytes(part10(CT1))
    (incoming / "folder").symlink_to(outside)
    (incoming / "file.dcm").symlink_to(outside / "x.dcm")
    os.mkfifo(incoming / "pipe")
    for _ in range(3):
        watch.look()
    assert stored(house) == []
    assert (outside / "x.dcm").exists()
    assert sorted(path.name for path in incoming.iterdir()) == ["file.dcm", "folder", "pipe"]


def test_a_folder_that_becomes_a_link_is_not_followed(
    house: House, incoming: Path, watch: Watch, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    (outside / "b").mkdir(parents=True)
    (incoming / "a/b").mkdir(parents=True)
    for folder in (outside, incoming / "a"):
        (folder / "b/x.dcm").write_bytes(part10(CT1))
    watch.look()
    path = os.fsencode(incoming / "a/b/x.dcm")
    known = watch._seen[path]
    (incoming / "a").rename(tmp_path / "elsewhere")
    (incoming / "a").symlink_to(outside)
    assert watch._try(os.fsencode(incoming) + b"/", path, known) is known
    watch._remove(os.fsencode(incoming) + b"/", path)
    watch._move_aside(os.fsencode(incoming) + b"/", path)
    assert stored(house) == []
    assert (outside / "b/x.dcm").exists()


def test_a_contradicting_object_stays_out(house: House, incoming: Path, watch: Watch) -> None:
    house.store(CT1)
    (incoming / "x.dcm").write_bytes(part10(ct1(t0020000e=b"9.9")))
    watch.look()
    watch.look()
    assert (incoming / "x.dcm").exists()
    assert house.rows("SELECT SeriesInst FROM DICOMImages") == [(UID.encode() + b".1",)]


def test_a_file_that_cannot_be_removed_goes_in_once(
    house: House, incoming: Path, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: bytes, *, dir_fd: int) -> None:
        raise PermissionError(13, "Permission denied", path, dir_fd)

    (incoming / "x.dcm").write_bytes(part10(CT1))
    monkeypatch.setattr(os, "unlink", refuse)
    for _ in range(4):
        watch.look()
    assert sum(line.startswith("Added file") for line in house.log.lines) == 1
    assert sum(line.startswith("***Cannot remove") for line in house.log.lines) == 1


def test_the_second_watch_folder(tmp_path: Path, clock: Clock) -> None:
    dropped = tmp_path / "dropped"
    house = make_house(tmp_path, watch_folder=str(dropped))
    watch = Watch(house.archive, clock)
    watch.look()
    dropped.mkdir()
    (dropped / "x").write_bytes(part10(CT1))
    watch.look()
    watch.look()
    assert list(dropped.iterdir()) == []
    assert f"Monitoring for files in: {dropped}/" in house.log.lines
    house.archive.close()


@pytest.mark.parametrize("folder", ["data", ".", "data/PAT_001_A", "data/"])
def test_a_watch_folder_that_would_eat_the_archive_is_refused(tmp_path: Path, clock: Clock, folder: str) -> None:
    house = make_house(tmp_path, watch_folder=f"{tmp_path}/{folder}")
    house.store(CT1)
    files = house.files()
    watch = Watch(house.archive, clock)
    for _ in range(3):
        watch.look()
    assert house.files() == files
    assert any("is not watched" in line for line in house.log.lines)
    house.archive.close()


def test_a_patient_called_incoming_is_not_taken_in_again(house: House, incoming: Path, watch: Watch) -> None:
    for number, name in enumerate((b"incoming", b"INCOMING", b"bin", b"Printer_Files")):
        assert (
            house.store(
                ct1(t00100020=name, t00080018=b"1.%d" % number, t0020000d=b"2.%d" % number, t0020000e=b"3.%d" % number)
            )
            == 0
        )
    for _ in range(3):
        watch.look()
    assert list(incoming.iterdir()) == []
    assert [name.split("/")[0] for name in house.files()] == ["_INCOMING", "_Printer_Files", "_bin", "_incoming"]


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def test_the_thread_looks_and_stops(house: House, incoming: Path) -> None:
    (incoming / "x").write_bytes(part10(CT1))
    with Watch(house.archive, every=0.01):
        assert house.log.lines[-1] == f"Monitoring for files in: {incoming}/"
        eventually(lambda: not (incoming / "x").exists())
    assert "incoming" not in {thread.name for thread in threading.enumerate()}
    assert len(stored(house)) == 1


# -- one file


@pytest.mark.parametrize("syntax", [EXPLICIT_LITTLE, IMPLICIT_LITTLE])
def test_adding_a_file_leaves_it(house: House, tmp_path: Path, syntax: str) -> None:
    source = tmp_path / "source"
    source.write_bytes(part10(CT1, syntax))
    assert add_file(house.archive, str(source))
    assert source.exists()
    assert f"Added file: {source}" in house.log.lines
    assert (house.data / house.files()[0]).read_bytes() == source.read_bytes()


@pytest.mark.parametrize("content", [b"", b"no object", part10(CT1)[:-10], bytes(128) + b"DICM"])
def test_what_is_no_object_is_not_added(house: House, tmp_path: Path, content: bytes) -> None:
    source = tmp_path / "source"
    source.write_bytes(content)
    assert not add_file(house.archive, str(source))
    assert not add_file(house.archive, str(tmp_path / "absent"))
    assert not add_file(house.archive, str(tmp_path))
    assert any(line.startswith(f"***Cannot add {source}") for line in house.log.lines)
    assert house.files() == []
    assert house.leftovers() == []
    assert source.exists()
