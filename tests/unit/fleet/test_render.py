from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import UndefinedError

from conquestctl.fleet.render import View, renderer, template_folder, yaml_scalar

VIEW = View("ct1", "CT1", 5678, "127.0.0.1", "i:1", "1:1", "conquest-1-ct1", "conquest-1", "10.213.0.0/22")


@settings(max_examples=200)
@given(
    st.one_of(
        st.text(st.characters(max_codepoint=126), max_size=12),
        st.sampled_from(["yes", "no", "on", "null", "1e3", "0x1", "1_000", "true", "y"]),
    )
)
def test_a_scalar_is_read_back_as_the_same_text(text: str) -> None:
    assert yaml.safe_load(f"{yaml_scalar(text)}: 1\n") == {text: 1}


def test_a_value_missing_in_the_view_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / ".env.j2").write_text("X={{ nobody }}\n")
    (tmp_path / "docker-compose.yml.j2").write_text("")
    with pytest.raises(UndefinedError, match="nobody"):
        renderer(tmp_path)(VIEW)


def test_the_fixed_files_are_copied_and_the_record_has_their_hashes() -> None:
    files = renderer()(VIEW)
    record = json.loads(files[".conquestctl/rendered.json"])
    assert set(record["sha256"]) == set(files) - {".env", ".conquestctl/rendered.json"}
    ini = "mount/config/dicom.ini.j2"
    assert files[ini] == (template_folder() / ini).read_bytes()
    assert record["sha256"][ini] == hashlib.sha256(files[ini]).hexdigest()
    assert not any(path.endswith(".gitkeep") for path in files)
