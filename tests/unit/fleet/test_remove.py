from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from conquestctl.engine.base import Observed, State
from conquestctl.errors import ConflictError, NotFoundError
from conquestctl.fleet.remove import data_size, refuse_live, remove
from conquestctl.fleet.scan import Fleet
from tests.unit.fleet.support import make

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_data_is_kept_and_can_be_brought_back(tmp_path: Path) -> None:
    (instance,) = make(tmp_path, "ct1")
    (instance.mount / "data" / "x.dcm").write_bytes(b"image")
    assert data_size(instance) == (1, 5)
    fleet = Fleet.open(tmp_path / "fleet")
    kept = remove(fleet, "ct1", now=NOW)
    assert kept == fleet.root / ".removed" / "ct1-20300102-030405"
    assert (kept / "mount" / "data" / "x.dcm").read_bytes() == b"image"
    assert Fleet.open(fleet.root).entries == ()
    make(tmp_path, "ct1")
    again = remove(Fleet.open(fleet.root), "ct1", now=NOW)
    assert again is not None
    assert again != kept
    kept.rename(instance.folder)
    assert Fleet.open(fleet.root).instances() == [instance]


def test_purge_deletes(tmp_path: Path) -> None:
    make(tmp_path, "ct1")
    fleet = Fleet.open(tmp_path / "fleet")
    assert remove(fleet, "ct1", purge=True, now=NOW) is None
    assert {path.name for path in fleet.root.iterdir()} == {".lock"}
    with pytest.raises(NotFoundError):
        remove(Fleet.open(fleet.root), "ct1", now=NOW)


@pytest.mark.parametrize("state", [State.RUNNING, State.RESTARTING, State.PAUSED])
def test_a_live_one_is_refused(state: State) -> None:
    with pytest.raises(ConflictError) as caught:
        refuse_live([Observed("ct1"), Observed("ct2", state)])
    assert caught.value.hint == "First: conquestctl down ct2"


def test_a_stopped_one_is_not_refused() -> None:
    refuse_live([Observed("ct1", state) for state in (State.ABSENT, State.CREATED, State.EXITED)])
