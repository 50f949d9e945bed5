from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dgate.encoding.elements import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, encoding_of, read_all
from dgate.index.tables import Column
from dgate.interfaces import QueryFailure, QueryModel
from dgate.query.identifier import Key
from dgate.query.matching import MAX_LIST, condition, like_pattern
from tests.dgate.archive.support import UID, House, ct1, dataset, make_house

if TYPE_CHECKING:
    from collections.abc import Iterator

LEVEL, AE = 0x00080052, 0x00080054
VRS = {0x00280010: b"US", 0x00080020: b"DA", 0x0020000D: b"UI", 0x0020000E: b"UI", 0x00080018: b"UI", 0x00100010: b"PN"}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, database: str) -> Iterator[House]:
    assert database  # it is another house for each
    """Three patients: two studies, one of them with two modalities; one with odd characters; one nearly empty."""
    made = make_house(tmp_path_factory.mktemp("query"), enable_computed_fields=True)
    for number in (42, 43, 1):
        made.store(ct1(t00080018=f"{UID}.1.{number}".encode(), t00200013=b"%d" % number))
    made.store(ct1(t00080018=b"1.5.1.1", t0020000e=b"1.5.1", t00080060=b"SR"))
    second = {"t0020000d": b"1.6", "t0020000e": b"1.6.1", "t00100020": b"P2", "t00080020": b"20210101"}
    made.store(ct1(t00080018=b"1.6.1.1", t00100010=b"O'Neil_100%^!", t00080030=b"235959", **second))
    third = {"t0020000d": b"1.7", "t0020000e": b"1.7.1", "t00100020": b"P3", "t00080020": None, "t00081030": None}
    made.store(ct1(t00080018=b"1.7.1.1", t00100010=b"abc\xe9", t00200010=None, **third))
    yield made
    made.archive.close()


def find(
    house: House,
    level: str,
    keys: dict[int, bytes],
    model: QueryModel = "study",
    syntax: str = EXPLICIT_LITTLE,
) -> list[dict[int, bytes]]:
    elements = {tag: (VRS.get(tag, b"LO"), value) for tag, value in keys.items()}
    elements[LEVEL] = (b"CS", level.encode())
    answers = house.archive.find(model, dataset(elements, syntax), syntax)
    found = []
    for answer in answers:
        walker = read_all(answer, encoding_of(syntax))
        assert walker.fault == ""
        assert list(walker.values) == sorted(walker.values)
        assert all(len(value) % 2 == 0 for value in walker.values.values())
        assert walker.values.pop(LEVEL).strip().decode() == level.strip()
        found.append({tag: value.rstrip(b" \0") for tag, value in walker.values.items()})
    return found


def studies(house: House, tag: int, value: bytes, **options: str) -> list[str]:
    found = find(house, "STUDY", {0x0020000D: b"", tag: value}, **options)  # type: ignore[arg-type]
    return sorted(answer[0x0020000D].decode() for answer in found)


ALL = sorted([UID, "1.6", "1.7"])


@pytest.mark.parametrize(
    ("tag", "value", "expected"),
    [
        (0x00100020, b"PAT 001.A", [UID]),
        (0x00100020, b"pat 001.a", []),
        (0x00100020, b"", ALL),
        (0x00100020, b"*", ALL),
        (0x00100020, b"P?", ["1.6", "1.7"]),
        (0x00100020, b"P2\\P3", []),
        (0x00100010, b"Doe", []),
        (0x00100010, b"Doe*", [UID]),
        (0x00100010, b"*'N*", ["1.6"]),
        (0x00100010, b"O'Neil_100%^!", ["1.6"]),
        (0x00100010, b"*_100%*", ["1.6"]),
        (0x00100010, b"*!", ["1.6"]),
        (0x00100010, b"%", []),
        (0x00100010, b"_*", []),
        (0x00100010, b"[OD]*", []),
        (0x00100010, b"abc\xe9", ["1.7"]),
        (0x00100010, b"ab*\xe9", ["1.7"]),
        (0x00100010, b"x' OR '1'='1", []),
        (0x00100010, b"'; DROP TABLE DICOMStudies;--", []),
        (0x00100010, b"*" * 100_000, ALL),
        (0x00100010, (b"*a" * 20_000), []),
        (0x00080020, b"20200101-20201231", [UID]),
        (0x00080020, b"20200301-", ["1.6"]),
        (0x00080020, b"-20200301", [UID]),
        (0x00080020, b"20200229", [UID]),
        (0x00080020, b"-", ALL),
        (0x00080030, b"200000-240000", ["1.6"]),
        (0x00080030, b"235959", ["1.6"]),
        (0x0020000D, b"1.6\\1.7", ["1.6", "1.7"]),
        (0x0020000D, b"1.6\\1.6\\\\9.9", ["1.6"]),
        (0x0020000D, b"1.*", ALL),
        (0x00080061, b"CT", ALL),
        (0x00080061, b"SR", [UID]),
        (0x00080061, b"S*", [UID]),
        (0x00080061, b"C*", ["1.6", "1.7"]),
        (0x00080061, b"CT\\SR", []),
        (0x00080060, b"SR", ALL),
        (0x00081030, b"Brain, w/o: contrast  ", sorted([UID, "1.6"])),
    ],
)
def test_matching(house: House, tag: int, value: bytes, expected: list[str]) -> None:
    """Long values need an encoding without 16-bit lengths."""
    assert studies(house, tag, value, syntax=IMPLICIT_LITTLE) == expected
    if len(value) < 60_000:
        assert studies(house, tag, value) == expected


def test_a_hundred_thousand_uids_are_refused_and_many_are_not(house: House) -> None:
    uids = [b"1.2.%d" % number for number in range(MAX_LIST - 1)]
    assert studies(house, 0x0020000D, b"\\".join([b"1.6", *uids]), syntax=IMPLICIT_LITTLE) == ["1.6"]
    with pytest.raises(QueryFailure) as failure:
        studies(
            house, 0x0020000D, b"\\".join([b"9.9.%d" % number for number in range(100_000)]), syntax=IMPLICIT_LITTLE
        )
    assert failure.value.status == 0xC001


@pytest.mark.parametrize("syntax", [IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG])
def test_answers_hold_the_known_keys_asked_for(house: House, syntax: str) -> None:
    order = "big" if syntax == EXPLICIT_BIG else "little"
    keys = {
        AE: b"",
        0x00080005: b"",
        0x00080056: b"",
        0x00100010: b"",
        0x00280010: b"",
        0x0020000E: b"1.7.1",
        0x00081030: b"",
    }
    (answer,) = find(house, "IMAGE", keys, syntax=syntax)
    assert answer == {
        AE: b"ORACLE",
        0x00081030: b"",
        0x00100010: b"abc\xe9",
        0x0020000E: b"1.7.1",
        0x00280010: (4).to_bytes(2, order).rstrip(b"\0"),  # type: ignore[arg-type]
    }


def test_binary_keys_match(house: House) -> None:
    assert len(find(house, "IMAGE", {0x00280010: b"\x04\x00", 0x0020000E: b"1.7.1"})) == 1
    assert find(house, "IMAGE", {0x00280010: b"\x05\x00", 0x0020000E: b"1.7.1"}) == []


def test_retrieve_ae_title_is_padded(house: House) -> None:
    data = dataset({LEVEL: (b"CS", b"STUDY"), AE: (b"AE", b""), 0x0020000D: (b"UI", b"1.6")})
    (answer,) = house.archive.find("study", data, EXPLICIT_LITTLE)
    assert b"AE\x10\x00ORACLE          " in answer


def test_all_levels_and_models(house: House) -> None:
    assert len(find(house, "PATIENT", {0x00100020: b""}, "patient")) == 3
    assert len(find(house, "STUDY", {0x00100020: b"", 0x0020000D: b""}, "patient_study")) == 3
    assert len(find(house, "SERIES", {0x0020000E: b"", 0x00100020: b"PAT 001.A"}, "patient")) == 2
    assert len(find(house, "IMAGE", {0x00080018: b"", 0x0020000D: UID.encode()}, "patient")) == 4
    assert len(find(house, "IMAGE ", {0x00080018: b"", 0x00100010: b"Doe*"})) == 4


@pytest.mark.parametrize(
    ("level", "model", "keys"),
    [
        ("INSTANCE", "study", {0x00080018: b""}),
        ("study", "study", {0x0020000D: b""}),
        ("", "study", {0x0020000D: b""}),
        ("PATIENT", "study", {0x00100020: b""}),
        ("SERIES", "patient_study", {0x0020000E: b""}),
        ("STUDY", "study", {}),
        ("STUDY", "study", {0x00080056: b"", AE: b""}),
    ],
)
def test_failures(house: House, level: str, model: QueryModel, keys: dict[int, bytes]) -> None:
    with pytest.raises(QueryFailure) as failure:
        find(house, level, keys, model)
    assert failure.value.status == 0xC001


def test_no_level_and_broken_identifiers(house: House) -> None:
    for data in (b"", b"\xff" * 50, dataset({0x0020000D: (b"UI", b"")}), dataset({LEVEL: (b"CS", b"STUDY")})[:-2]):
        with pytest.raises(QueryFailure):
            house.archive.find("study", data, EXPLICIT_LITTLE)


def test_counts(house: House) -> None:
    (patient,) = find(
        house, "PATIENT", {0x00100020: b"PAT*", 0x00201200: b"", 0x00201202: b"", 0x00201204: b""}, "patient"
    )
    assert [patient[tag] for tag in (0x00201200, 0x00201202, 0x00201204)] == [b"1", b"2", b"4"]
    (study,) = find(house, "STUDY", {0x0020000D: UID.encode(), 0x00201206: b"", 0x00201208: b"", 0x00201209: b""})
    assert (study[0x00201206], study[0x00201208]) == (b"2", b"4")
    assert 0x00201209 not in study
    (series,) = find(house, "SERIES", {0x0020000E: b"1.5.1", 0x00201209: b""})
    assert series[0x00201209] == b"1"


def test_letters_of_either_case_are_alike_to_a_pattern_in_sqlite_only(house: House, database: str) -> None:
    alike = database == "sqlite"
    assert studies(house, 0x00100020, b"p*") == (ALL if alike else [])
    assert studies(house, 0x00100010, b"doe^john^q*") == ([UID] if alike else [])


def test_order(house: House) -> None:
    def names() -> list[bytes]:
        return [answer[0x00100010] for answer in find(house, "STUDY", {0x00100010: b"", 0x0020000D: b""})]

    assert names() == [b"Doe^John^Q", b"O'Neil_100%^!", b"abc\xe9"]
    house.reopen(study_query_sort_order="DICOMStudies.StudyDate desc")
    assert names() == [b"O'Neil_100%^!", b"Doe^John^Q", b"abc\xe9"]
    house.reopen(study_query_sort_order="")


@pytest.mark.parametrize(
    ("level", "order", "expected"),
    [
        ("patient", "DICOMPatients.PatientID desc", [b"PAT 001.A", b"P3", b"P2"]),
        ("patient", "PatientNam", [b"PAT 001.A", b"P2", b"P3"]),
        ("study", "DICOMStudies.StudyDate desc", [b"1.6", UID.encode(), b"1.7"]),
        ("study", "DICOMStudies.StudyModal desc, DICOMPatients.PatientID", [UID.encode(), b"1.6", b"1.7"]),
        ("series", "DICOMSeries.Modality desc, DICOMSeries.SeriesInst desc", [b"1.5.1", b"1.7.1", b"1.6.1"]),
        ("series", "StudyDate desc", [b"1.6.1"]),
        (
            "image",
            "DICOMImages.ImageNumbe desc, DICOMImages.SOPInstanc",
            [f"{UID}.1.43".encode(), f"{UID}.1.42".encode()],
        ),
        ("image", "DICOMSeries.Modality desc", [b"1.5.1.1"]),
    ],
)
def test_every_level_has_its_configured_order(house: House, level: str, order: str, expected: list[bytes]) -> None:
    """At the upper level and that of series the original only selects the column."""
    tag = {"patient": 0x00100020, "study": 0x0020000D, "series": 0x0020000E, "image": 0x00080018}[level]
    house.reopen(**{f"{level}_query_sort_order": order})
    found = [answer[tag] for answer in find(house, level.upper(), {tag: b"", 0x00100010: b""}, "patient")]
    house.reopen(**{f"{level}_query_sort_order": ""})
    assert found[: len(expected)] == expected


def test_a_sort_order_that_is_none_fails_the_query(house: House) -> None:
    house.reopen(study_query_sort_order="DICOMStudies.Colour")
    with pytest.raises(QueryFailure, match=r"no such column|does not exist|Unknown column"):
        find(house, "STUDY", {0x0020000D: b""})
    house.reopen(study_query_sort_order="")


def test_equal_answers_come_once(house: House) -> None:
    assert len(find(house, "SERIES", {0x00080060: b""})) == 2
    assert len(find(house, "IMAGE", {0x0020000E: f"{UID}.1".encode()})) == 1


def test_counts_are_ignored_unless_they_are_configured(house: House) -> None:
    house.reopen(enable_computed_fields=False)
    (study,) = find(house, "STUDY", {0x0020000D: UID.encode(), 0x00201208: b""})
    house.reopen(enable_computed_fields=True)
    assert list(study) == [0x0020000D]


def test_counts_are_padded_to_even_length(house: House) -> None:
    for vr in (b"IS", b""):
        syntax = EXPLICIT_LITTLE if vr else IMPLICIT_LITTLE
        data = dataset({LEVEL: (b"CS", b"STUDY"), 0x0020000D: (b"UI", UID.encode()), 0x00201208: (b"IS", b"")}, syntax)
        (answer,) = house.archive.find("study", data, syntax)
        assert answer.endswith(b"\x02\x00\x00\x004 " if not vr else b"IS\x02\x004 ")


def test_a_case_insensitive_column() -> None:
    column = Column(0x00100010, "PatientNam", 64, "ISTR", is_date=False, source=0x00100010)
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (PatientNam varchar(64))")
        connection.execute("INSERT INTO t VALUES ('Doe^John')")
        for text, expected in ((b"DOE^JOHN", 1), (b"doe", 0)):
            found = condition(column, "PatientNam", Key(column.tag, b"PN", text))
            assert found is not None
            rows = connection.execute(f"SELECT 1 FROM t WHERE {found.sql}", found.parameters).fetchall()  # noqa: S608
            assert len(rows) == expected


def test_private_control_keys(house: House) -> None:
    def numbers(**control: bytes) -> list[bytes]:
        keys = {0x00200013: b"", 0x00080018: b"", 0x0020000E: f"{UID}.1".encode()}
        keys |= {int(name[1:], 16): value for name, value in control.items()}
        return [answer[0x00200013] for answer in find(house, "IMAGE", keys)]

    assert numbers(t99990c00=b"ImageNumbe desc") == [b"43", b"42", b"1"]
    assert numbers(t99990c00=b"DICOMImages.ImageNumbe", t99990c01=b"1", t99990c02=b"1") == [b"42"]
    assert sorted(numbers(t99990c00=b"1; DROP TABLE DICOMImages")) == [b"1", b"42", b"43"]
    (answer,) = find(house, "IMAGE", {0x00080018: b"1.7.1.1", 0x99990800: b"", 0x99990801: b""})
    assert answer[0x99990800].decode() in house.files()
    assert answer[0x99990801] == b"MAG0"


def test_character_set_is_added_when_configured(house: House) -> None:
    house.reopen(queries_return_iso_ir=100)
    (answer,) = find(house, "STUDY", {0x0020000D: b"1.6"})
    assert answer[0x00080005] == b"ISO_IR 100"
    house.reopen(queries_return_iso_ir=0)


def test_answers_come_as_they_are_taken_and_may_be_left(house: House) -> None:
    data = dataset({LEVEL: (b"CS", b"IMAGE"), 0x00080018: (b"UI", b"")})
    for _ in range(20):
        answers = house.archive.find("study", data, EXPLICIT_LITTLE)
        next(answers)
        with closing(answers):  # type: ignore[type-var]
            pass
    assert len(find(house, "IMAGE", {0x00080018: b""})) == 6
    assert house.log.lines[-1] == "C-Find (StudyRoot) located 6 records"


@pytest.mark.sqlite
def test_missing_tables_and_database(house: House) -> None:
    house.reopen()  # all of it is in the one file then
    hidden = house.root / "hidden"
    (house.root / "conquest.db3").rename(hidden)
    with pytest.raises(QueryFailure) as failure:
        find(house, "STUDY", {0x0020000D: b""})
    assert failure.value.status == 0xC001
    (house.root / "conquest.db3").touch()
    with pytest.raises(QueryFailure, match="no such table"):
        find(house, "STUDY", {0x0020000D: b""})
    hidden.rename(house.root / "conquest.db3")
    assert len(find(house, "STUDY", {0x0020000D: b""})) == 3


@given(st.binary(max_size=300), st.sampled_from([IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG]))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_identifiers_end_in_answers_or_a_failure(house: House, data: bytes, syntax: str) -> None:
    for start in (b"", dataset({LEVEL: (b"CS", b"STUDY")}, syntax)):
        with suppress(QueryFailure):
            list(house.archive.find("study", start + data, syntax))


@given(
    st.dictionaries(
        st.sampled_from(
            [0x00100010, 0x00100020, 0x00080020, 0x00080030, 0x0020000D, 0x00080061, 0x99990C00, 0x00200010]
        ),
        st.one_of(st.binary(max_size=40), st.text("*?%_'\"\\;-!0129 A", max_size=40).map(str.encode)),
        min_size=1,
    )
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_key_reaches_the_sql(house: House, keys: dict[int, bytes]) -> None:
    found = find(house, "STUDY", {**keys, 0x00201206: b""})
    assert len(found) <= 3


@given(st.text("ab*?%_!", max_size=30))
def test_like_pattern_has_only_the_wildcards_of_dicom(text: str) -> None:
    import re

    pattern = like_pattern(text.encode()).decode()
    plain = re.sub(r"![%_!]", "", pattern)
    assert plain.count("_") == text.count("?")
    assert plain.count("%") == len(re.findall(r"\*+", text))


def test_the_log_shows_what_was_demanded(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(house.log, "debug", lines.append)
    find(house, "STUDY", {0x00080020: b"20200201-20201231", 0x00100020: b"*"})
    told = [line.replace(' COLLATE "C"', "") for line in lines]
    assert "Values: DICOMStudies.StudyDate >= '20200201' and DICOMStudies.StudyDate <= '20201231'" in told
    find(house, "IMAGE", {0x00080018: b"\\".join(b"1.%d" % number for number in range(100))})
    assert len(max(lines, key=len)) < 1000
