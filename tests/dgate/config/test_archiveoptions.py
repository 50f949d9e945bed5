"""What the archive makes of the settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from dgate.config.archiveoptions import options_from
from dgate.config.inifile import IniFile
from dgate.config.settings import load_settings


@pytest.mark.parametrize(
    ("setting", "mode", "code"), [("", 0, ""), ("", 2, "n2"), ("", 5, ""), ("", -1, ""), ("as", 2, "as")]
)
def test_the_obsolete_mode_counts_where_nothing_is_set(tmp_path: Path, setting: str, mode: int, code: str) -> None:
    keys = f"MAGDevice0 = data\nFileCompressMode = {mode}\nIncomingCompression = {setting}\n"
    settings, _ = load_settings(IniFile.parse(f"[sscscp]\nMicroPACS = sscscp\n{keys}".encode()), str(tmp_path))
    assert options_from(settings).incoming_compression == code
