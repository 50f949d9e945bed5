"""An instance without converters pays nothing for them: none of their modules is ever loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
WORK = """
import sys
from pathlib import Path
from dgate.archive.regenerate import enter_folder
from dgate.encoding.elements import IMPLICIT_LITTLE
from dgate.interfaces import Session
from tests.dgate.rules.bench import make_instance, read_settings
from tests.dgate.archive.support import dataset

class Peer:
    calling_ae, called_ae, session = "A", "B", Session()

instance = make_instance(Path(sys.argv[1]))
instance.settings = read_settings(instance.root, sys.argv[2])
archive = instance.archive
assert instance.store() == 0
keys = dataset({0x00080052: (b"CS", b"IMAGE "), 0x00080018: (b"UI", b"")}, IMPLICIT_LITTLE)
assert len(list(archive.find("study", keys, IMPLICIT_LITTLE, Peer()))) == 1
(stored,) = archive.select(keys, IMPLICIT_LITTLE, Peer(), "DEST")
with archive.open(stored, Peer(), "DEST"):
    pass
assert enter_folder(archive, b"MAG0") == 1
rooms = ("dgate.rules.", "dgate.lua.", "dgate.forward.", "dgate.archive.converted")
print(*sorted(name for name in sys.modules if name.startswith(rooms)))
archive.close()
"""


def loaded_after(root: Path, ini: str) -> set[str]:
    words = [sys.executable, "-c", WORK, str(root), ini]
    done = subprocess.run(words, check=True, capture_output=True, text=True, cwd=REPOSITORY)
    return set(done.stdout.split())


def test_nothing_is_loaded_for_stores_queries_retrievals_and_regenerations(tmp_path: Path) -> None:
    assert loaded_after(tmp_path, "IncomingCompression = ul\n") == {"dgate.rules.instance"}


@pytest.mark.parametrize(
    ("line", "is_for_stores"),
    [
        ("ImportConverter0 = nop", True),
        ("RejectedImageConverter0 = nop", True),
        ("CompressionConverter3 = nop", True),
        ("RegenConverter0 = nop", False),
        ("QueryConverter0 = nop", False),
    ],
)
def test_one_line_loads_what_it_needs(tmp_path: Path, line: str, is_for_stores: bool) -> None:
    loaded = loaded_after(tmp_path, f"{line}\n")
    assert "dgate.rules.converters" in loaded
    assert ("dgate.archive.converted" in loaded) == is_for_stores
    assert "dgate.forward.virtual" not in loaded
