from __future__ import annotations

import re
from pathlib import Path

from conquestctl.engine.compose import SUPPORTED_KEYS

PAGE = Path(__file__).parents[3] / "docs" / "compose.md"


def test_the_page_lists_exactly_the_keys_that_are_carried_out() -> None:
    rows = [line.split("|")[1] for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == list(SUPPORTED_KEYS)
