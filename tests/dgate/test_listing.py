from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from dgate.config.amap import AcrNemaMap
from dgate.config.inifile import IniFile
from dgate.config.kfactor import Column, KFactor, parse_dicom_sql
from dgate.config.settings import load_settings
from dgate.listing import ae_titles, database_columns, free_space

SQL = Path(__file__).parents[2] / "templates/mount/config/dicom.sql"
TAG = st.integers(0, 0xFFFF)
NAME = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,15}", fullmatch=True)
COLUMN = st.builds(
    Column,
    *(TAG, TAG, NAME, st.integers(1, 8000), st.sampled_from(["SQL_C_CHAR", "SQL_C_DATE"])),
    st.sampled_from(["STR", "MSTR", "DATE", "UI", "UINT16"]),
)
WORKLIST = st.builds(
    Column,
    *(TAG, TAG, NAME, st.integers(1, 8000), st.just("SQL_C_CHAR"), st.just("STR")),
    hl7=st.sampled_from(["", "---", "PID.3"]),
    sequence=st.none() | st.tuples(TAG, TAG),
)
BLOCK = st.lists(COLUMN, min_size=1, max_size=4).map(tuple)


@given(st.builds(KFactor, BLOCK, BLOCK, BLOCK, BLOCK, st.lists(WORKLIST, min_size=1, max_size=6).map(tuple)))
@settings(max_examples=80)
def test_the_listed_columns_are_those_of_the_file(kfactor: KFactor) -> None:
    assert parse_dicom_sql("\n".join(database_columns(kfactor))) == kfactor


def test_the_delivered_file_survives_being_listed() -> None:
    kfactor = parse_dicom_sql(SQL.read_text())
    assert parse_dicom_sql("\n".join(database_columns(kfactor))) == kfactor


def test_incomplete_entries_of_the_map_are_listed_too() -> None:
    assert list(ae_titles(AcrNemaMap.parse(b"A h\n"))) == [f"{'A':<16}  {'h':<29}  {'':<9}  {'un':<14}"]


def test_a_device_that_is_not_there_is_named(tmp_path: Path) -> None:
    text = f"[sscscp]\nSQLite = 1\nSQLServer = c\nMAGDevices = 2\nMAGDevice0 = {tmp_path}\nMAGDevice1 = {tmp_path}/no\n"
    found, _ = load_settings(IniFile.parse(text.encode()), str(tmp_path))
    first, second = free_space(found)
    assert first.startswith("FreeStore Left ")
    assert first.endswith(f" on {tmp_path}/")
    assert second == f"***MAG1: {tmp_path}/no/: No such file or directory"
