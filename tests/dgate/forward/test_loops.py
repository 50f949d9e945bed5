"""Two servers that forward to one another."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dgate.hostile.client import Client
from tests.dgate.hostile.conftest import assert_no_fault_of_ours
from tests.dgate.hostile.site import Site
from tests.dgate.net.conftest import wait_for

from .support import an_object, make_site, queue_is_empty, store


def a_pair(folder: Path, ini: str) -> tuple[Site, Site]:
    """A and B, each with the other in its map; `{other}` in the settings is its name."""
    first = make_site(folder / "a", ini.format(other="B"))
    second = make_site(folder / "b", ini.format(other="A"))
    for site, title, other, port in ((first, "A", "B", second.port), (second, "B", "A", first.port)):
        (site.folder / "acrnema.map").write_text(f"{other} 127.0.0.1 {port} un\n")
        text = (site.folder / "dicom.ini").read_text().replace("MyACRNema = ORACLE", f"MyACRNema = {title}")
        (site.folder / "dicom.ini").write_text(text)
    return first, second


@pytest.mark.parametrize(
    "ini",
    [
        "ExportConverters = 1\nExportConverter0 = forward to {other}\n",
        "ImportConverter0 = forward to {other}\n",
        "ImportConverter0 = forward image after 0 to {other}\n",
    ],
)
def test_an_object_goes_round_no_more_than_twice(tmp_path: Path, ini: str) -> None:
    first, second = a_pair(tmp_path, ini)
    try:
        first.start()
        second.start()
        store(first, an_object(1), an_object(2))
        wait_for(lambda: second.images() == 2, 20, lambda: first.log() + second.log())
        if "image" not in ini:
            wait_for(lambda: "came back" in first.log() + second.log(), 20, lambda: first.log()[-3000:])
        if "Export" in ini:
            wait_for(lambda: queue_is_empty(first) and queue_is_empty(second), 20, first.log)
        quiet = first.log().count("Server Command   := 0001"), second.log().count("Server Command   := 0001")
        assert max(quiet) <= 6
        with Client(second.port) as client:
            client.release()
    finally:
        first.kill()
        second.kill()
    for site in (first, second):
        assert_no_fault_of_ours(site)
