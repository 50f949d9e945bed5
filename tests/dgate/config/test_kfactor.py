from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgate.config.kfactor import DT_TYPES, TABLES, Column, KFactor, parse_dicom_sql

REST = "".join(f'*{name}*\n{{ {{ 0x0010, 0x0020, "PatientID", 64, SQL_C_CHAR, DT_STR }} }}\n' for name in TABLES[1:])


def parse_patient(rows: str) -> KFactor:
    return parse_dicom_sql(f"*Patient*\n{{\n{rows}\n}}\n{REST}")


def test_a_block_of_columns() -> None:
    found = parse_patient(
        '{ 0x0010, 0x0020, "PatientID", 64, SQL_C_CHAR, DT_STR },\n{ 0x0010, 0x0030, "Birth", 8, SQL_C_DATE, DT_DATE }'
    )
    assert found.faults == ()
    assert found.patient == (
        Column(0x10, 0x20, "PatientID", 64, "SQL_C_CHAR", "STR"),
        Column(0x10, 0x30, "Birth", 8, "SQL_C_DATE", "DATE"),
    )
    assert found.patient[1].tag == (0x10, 0x30)


@pytest.mark.parametrize(
    "rows",
    [
        '{0x10,0x20,"ID",64,SQL_C_CHAR,DT_STR}',
        '{ 0x0010 , 0x0020\n,"ID" , 64,\tSQL_C_CHAR,\r\nDT_STR } , ',
        '/* { 0x1, 0x2 } */ { 0x0010, /* x\ny */ 0x0020, "ID", 64, SQL_C_CHAR, DT_STR }',
        '{ 0x0010, 0x0020, "ID", 64, sql_c_char, dt_str }',
    ],
)
def test_blanks_comments_and_commas_are_free(rows: str) -> None:
    found = parse_patient(rows)
    assert found.faults == ()
    assert found.patient == (Column(0x10, 0x20, "ID", 64, "SQL_C_CHAR", "STR"),)


def test_worklist_columns_know_their_sequence_and_hl7_tag() -> None:
    found = parse_dicom_sql(
        """*WorkList* {
        { 0x0008, 0x0050, "Acc", 16, SQL_C_CHAR, DT_STR, "OBR.18" },
        { 0x0040, 0x0100, "-----", 0, SQL_C_CHAR, DT_STARTSEQUENCE, "---" },
        { 0x0008, 0x0060, "Modality", 16, SQL_C_CHAR, DT_STR, "OBR.24" },
        { 0x0040, 0x0100, "-----", 0, SQL_C_CHAR, DT_ENDSEQUENCE, "---" },
        { 0x0040, 0x1001, "ReqProcID", 16, SQL_C_CHAR, DT_STR, "---" } }"""
    )
    assert found.worklist == (
        Column(0x08, 0x50, "Acc", 16, "SQL_C_CHAR", "STR", "OBR.18"),
        Column(0x08, 0x60, "Modality", 16, "SQL_C_CHAR", "STR", "OBR.24", (0x40, 0x100)),
        Column(0x40, 0x1001, "ReqProcID", 16, "SQL_C_CHAR", "STR", "---"),
    )


GOOD = '{ 0x0010, 0x0020, "PatientID", 64, SQL_C_CHAR, DT_STR }'


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ('{ 0x0010, 0x0020, "PatientID", 64, SQL_C_CHAR }', "5 fields"),
        ('{ 0010, 0x0020, "PatientID", 64, SQL_C_CHAR, DT_STR }', "is not a tag"),
        ('{ 0x0010, 0x00200, "PatientID", 64, SQL_C_CHAR, DT_STR }', "is not a tag"),
        ('{ 0x0010, 0x0020, "Patient ID", 64, SQL_C_CHAR, DT_STR }', "is not a column name"),
        ('{ 0x0010, 0x0020, "x) --", 64, SQL_C_CHAR, DT_STR }', "is not a column name"),
        ('{ 0x0010, 0x0020, "PatientID", 0, SQL_C_CHAR, DT_STR }', "length '0'"),
        ('{ 0x0010, 0x0020, "PatientID", many, SQL_C_CHAR, DT_STR }', "length 'many'"),
        ('{ 0x0010, 0x0020, "PatientID", 64, SQL_C_INT, DT_STR }', "unknown SQL type"),
        ('{ 0x0010, 0x0020, "PatientID", 64, SQL_C_CHAR, DT_XX }', "unknown DICOM type"),
        ('{ 0x0010, 0x0020, "PatientID, 64, SQL_C_CHAR, DT_STR }', "without its partner"),
        ("stray", "stands outside"),
    ],
)
def test_a_bad_line_is_a_fault_with_its_number(row: str, words: str) -> None:
    found = parse_patient(f"{GOOD}\n{row}")
    fault = found.faults[0]
    assert (fault.line, fault.fatal) == (4, True)
    assert words in fault.message
    assert found.patient[0].name == "PatientID"


def test_missing_blocks_are_faults_only_the_worklist_is_optional() -> None:
    found = parse_dicom_sql("")
    assert {(fault.message, fault.fatal) for fault in found.faults} == {
        (f"no columns for *{name}*", name != "worklist") for name in TABLES
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"*Patient* {{ {GOOD} *Study* {{ {GOOD} }}", "is not closed before *Study*"),
        (f"*Patient* {{ {GOOD} ", "ends inside the block"),
        (f"*Pets* {{ {GOOD} }}", "unknown block *Pets*"),
        (f"*Patient* {{ {GOOD} }} *PATIENT* {{ {GOOD} }}", "second block"),
        (f"*Patient* {{ {GOOD[:-1]} {GOOD} }}", "before the line above is closed"),
        (f"*Patient* {{ {GOOD} }} }}", "} without {"),
    ],
)
def test_braces_and_block_names(text: str, words: str) -> None:
    assert any(words in fault.message for fault in parse_dicom_sql(text).faults)


_COLUMNS = st.lists(
    st.builds(
        Column,
        group=st.integers(0, 0xFFFF),
        element=st.integers(0, 0xFFFF),
        name=st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,30}", fullmatch=True),
        length=st.integers(1, 8000),
        sql_type=st.sampled_from(["SQL_C_CHAR", "SQL_C_DATE"]),
        dt=st.sampled_from(sorted(DT_TYPES)),
        hl7=st.sampled_from(["", "---", "OBR.4.1"]),
    ),
    min_size=1,
    max_size=5,
).map(tuple)


def written(name: str, columns: tuple[Column, ...]) -> str:
    rows = [
        f'{{ 0x{c.group:04x}, 0x{c.element:04X}, "{c.name}", {c.length}, {c.sql_type}, DT_{c.dt}'
        + (f', "{c.hl7}" }}' if c.hl7 else " }")
        for c in columns
    ]
    return f"*{name}* {{ " + ",\n".join(rows) + " }\n"


@given(st.tuples(*[_COLUMNS] * 5))
@settings(max_examples=100)
def test_what_is_written_is_read(tables: tuple[tuple[Column, ...], ...]) -> None:
    text = "".join(written(name, columns) for name, columns in zip(TABLES, tables, strict=True))
    found = parse_dicom_sql(text)
    assert (found.patient, found.study, found.series, found.image, found.worklist) == tables
    assert found.faults == ()


@given(
    st.one_of(
        st.text(max_size=200),
        st.lists(
            st.sampled_from([GOOD, "*Patient*", "*Image*", "{", "}", ",", '"', "/*", "*/", "*", "0x10", "\n", " x "]),
            max_size=25,
        ).map("".join),
    )
)
@settings(max_examples=200)
def test_any_text_can_be_parsed(text: str) -> None:
    found = parse_dicom_sql(text)
    assert all(0 <= fault.line <= text.count("\n") + 1 for fault in found.faults)
