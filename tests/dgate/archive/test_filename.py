from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgate.archive.filename import Naming, clean, compile_syntax, file_name, number, safe_uid, variant
from tests.dgate.archive.support import CT1, UID, ct1

NAMING = Naming(1795465763, 0, b"TESTSCU", b"ORACLE")
T, TC = "1795465763", "17954657630000"


def values(elements: dict[int, tuple[bytes, bytes]]) -> dict[int, bytes]:
    """As received: padded to even length."""
    return {tag: value + (b"\0" if vr == b"UI" else b" ") * (len(value) & 1) for tag, (vr, value) in elements.items()}


def name(syntax: str, elements: dict[int, tuple[bytes, bytes]] = CT1, **options: int) -> str:
    bound, compressed = options.get("max_length", 255), bool(options.get("compressed"))
    path = file_name(compile_syntax(syntax), values(elements), NAMING, compressed=compressed, max_length=bound)
    return path.decode("latin-1")


@pytest.mark.parametrize(
    ("syntax", "expected"),
    [
        *((other, f"Doe^John_PAT_001_/7_42_{T}.v2") for other in ("0", "13", "-1", "abc", "")),
        ("1", f"Doe^John_PAT_001_/0007_000042_{TC}.v2"),
        ("2", f"Doe^John_PAT_001_/{UID}.1_0007_000042_{TC}.v2"),
        ("3", f"PAT_001_A/{UID}.1_0007_000042_{TC}.v2"),
        ("4", f"PAT_001_A/{UID}.1_0007_000042_{TC}.dcm"),
        ("5", f"Doe^John^Q/{UID}.1_0007_000042_{TC}.v2"),
        ("6", f"PAT_001_A/{UID}/{UID}.1/{UID}.1.1.v2"),
        ("7", f"{UID}/{UID}.1/{UID}.1.1.v2"),
        ("8", f"PAT_001_A/{UID}/{UID}.1/{UID}.1.1.dcm"),
        ("9", f"{UID}/{UID}.1/{UID}.1.1.dcm"),
        ("10", f"Images/{UID}.1.1.dcm"),
        ("11", f"Doe^John^Q/{UID}/{UID}.1/{UID}.1.1.dcm"),
        ("12", f"Doe^John^Q_PAT_001_A/CT_STU_1/7/{UID}.1.1.dcm"),
        (
            "%name[0,4]/%modality/%studydate[0,3]/%studydesc/%series-%image_%imagenum_%imageid.dcm",
            "Doe^J/CT/2020/Brain__w_o__contrast/0007-000042_42_empty.dcm",
        ),
        (
            "x_%calledae_%callingae/%date/%time-%counter.v2",
            f"x_ORACLE_TESTSCU/{time.strftime('%Y%m%d', time.localtime(NAMING.unix_time))}/{T}-0000.v2",
        ),
        ("%unknown/%V0008,0060-%v00200011.dcm", "unknown/CT-v00200011.dcm"),
        ("%studyuid/%seriesid/%sopuid", f"{UID}/7/{UID}.1.1"),
    ],
)
def test_table_of_the_reference(syntax: str, expected: str) -> None:
    assert name(syntax) == expected


@pytest.mark.parametrize(
    ("syntax", "expected"),
    [
        ("%name", "Doe^John^Q"), ("%id", "PAT_001_A"), ("%modality", "CT"), ("%studyid", "STU_1"), ("%studyuid", UID),
        ("%seriesid", "7"), ("%seriesuid", f"{UID}.1"), ("%sopuid", f"{UID}.1.1"), ("%imageid", "empty"),
        ("%imagenum", "42"), ("%image", "000042"), ("%series", "0007"), ("%time", T), ("%counter", "0000"),
        ("%date", time.strftime("%Y%m%d", time.localtime(NAMING.unix_time))), ("%calledae", "ORACLE"),
        ("%callingae", "TESTSCU"), ("%studydate", "20200229"), ("%studydesc", "Brain__w_o__contrast"),
        ("%V0010,0040", "M"), ("%v0010,0040", "M"), ("%V0099,0099", "empty"),
        ("%id[0,0]", "P"), ("%id[4,6]", "001"), ("%id[7,99]", "_A"), ("x%id[50,60]", "x"), ("x%id[3,1]", "x"),
        ("%V0008,0020[0,3]", "2020"), ("%sopuid[0,2]", UID[:3]), ("%image[5,5]", "2"), ("%id[0,x]", "PAT_001_A[0,x]"),
        ("%imagenumber", "42ber"), ("%seriesuids", f"{UID}.1s"), ("%Name", "Name"), ("%%id", "PAT_001_A"),
        ("%id%", "PAT_001_A"), ("%", "unknown"), ("a//%id", "a/PAT_001_A"), ("/%id/", "PAT_001_A"),
        ("a\\%id", "a/PAT_001_A"), ("../%id", "_/PAT_001_A"), ("incoming/%id", "_incoming/PAT_001_A"),
        (" %id.dcm ", "PAT_001_A.dcm"), ("%id.V2", "PAT_001_A.V2"),
    ],
)  # fmt: skip
def test_each_variable_of_a_custom_syntax(syntax: str, expected: str) -> None:
    assert name(syntax) == expected


@pytest.mark.parametrize(
    ("syntax", "raw"),
    [
        *((str(value), value not in (4, 8, 9, 10, 11, 12)) for value in range(-1, 15)),
        ("abc", True), ("%id", False), ("%id.dcm", False), ("%id.v2", True), ("%id.V2", True), ("%id.img", False),
    ],
)  # fmt: skip
def test_which_syntaxes_make_raw_files(syntax: str, raw: bool) -> None:
    assert compile_syntax(syntax).raw == raw


@pytest.mark.parametrize(
    ("syntax", "patient", "length"),
    [("0", b"I" * 70, 8), ("3", b"I" * 70, 16), ("4", b"I" * 70, 16), ("6", b"I" * 70, 32), ("8", b"I" * 70, 32)],
)
def test_the_id_is_cut(syntax: str, patient: bytes, length: int) -> None:
    folder = name(syntax, ct1(t00100020=patient)).split("/")[0]
    assert folder.removeprefix("Doe^John_") == "I" * length


def test_objects_without_patient_data() -> None:
    minimal = ct1(t00100010=b"NO NAME", t00100020=b"00000000", t00080060=b"OT", t00200010=None, t00200011=None)
    minimal.pop(0x00200013)
    assert name("4", minimal) == f"00000000/{UID}.1_0000_000000_{TC}.dcm"
    assert name("12", minimal) == f"NO_NAME_00000000/OT_empty/empty/{UID}.1.1.dcm"


def test_compressed_objects_are_never_raw() -> None:
    assert name("3", compressed=1).endswith(".dcm")
    assert name("4", compressed=1) == name("4")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"IMID/6:*", b"IMID_6"), (b"  LEAD", b"__LEAD"), (None, b"empty"), (b"", b"unknown"), (b"   ", b"unknown"),
        (b"a\nb", b"a"), (b"\0", b"unknown"), (b"../../x", b"______x"), (b"..", b"unknown"), (b"A" * 100, b"A" * 64),
        (b"M\xfcller^", b"M\xfcller^"), (b'/\\;><|,. :?*"x', b"_" * 13 + b"x"),
    ],
)  # fmt: skip
def test_clean_up_rules(value: bytes | None, expected: bytes) -> None:
    assert clean(value) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [(b"123456789012", -1097262572), (b"7 ", 7), (b" -3", -3), (b"x", 0), (b"", 0), (None, 0), (b"9" * 5000, 0)],
)
def test_numbers_are_32_bit(text: bytes | None, expected: int) -> None:
    if text == b"9" * 5000:
        assert -(2**31) <= number(text) < 2**31
    else:
        assert number(text) == expected


def test_the_file_part_loses_its_beginning() -> None:
    whole = f"{UID}.1_0007_000042_{TC}.dcm"
    for length in (len(whole) + 1, len(whole), 40, 10, 4, 1):
        assert name("4", max_length=length) == "PAT_001_A/" + whole[-length:]
    for none in (0, 255, 1000):
        assert name("4", max_length=none) == "PAT_001_A/" + whole


ODD = st.one_of(
    st.binary(max_size=80),
    st.sampled_from(
        [b"../x", b"/etc/x", b"..", b".", b"", b"1" * 65, b"1.2\0\0", b"a/../../b", b"\\..\\", b"%s", b"A" * 10_000]
    ),
)
SYNTAX = st.one_of(
    st.sampled_from([str(value) for value in range(-1, 15)]),
    st.lists(
        st.sampled_from(
            [
                "%name",
                "%id",
                "%sopuid",
                "%studyuid",
                "%V0008,0060",
                "%seriesuid[0,1]",
                "%image",
                "%calledae",
                "/",
                "..",
                ".",
                "-",
                "%",
                "x",
            ]
        ),
        min_size=1,
    ).map("".join),
)


@given(SYNTAX, st.dictionaries(st.sampled_from(sorted(CT1)), ODD), ODD, st.integers(0, 400), st.booleans())
@settings(max_examples=200, deadline=None)
def test_every_name_stays_below_the_device(
    syntax: str, odd: dict[int, bytes], ae: bytes, bound: int, compressed: bool
) -> None:
    naming = Naming(1795465763, 77, ae, ae)
    path = file_name(compile_syntax(syntax), {**values(CT1), **odd}, naming, compressed=compressed, max_length=bound)
    for part in path.split(b"/"):
        assert part not in (b"", b".", b"..")
        assert len(part) <= 255
        assert all(byte >= 0x20 for byte in part)
    assert not path.startswith(b"/")


@given(ODD, ODD)
@settings(max_examples=200, deadline=None)
def test_different_uids_have_different_names(first: bytes, second: bytes) -> None:
    same = first.rstrip(b"\0 ") == second.rstrip(b"\0 ")
    assert (safe_uid(first) == safe_uid(second)) == same


def test_variant_keeps_folder_and_extension() -> None:
    assert variant(b"a/b.dcm", 1) == b"a/b_0001.dcm"
    assert variant(b"a/b", 2) == b"a/b_0002"
    assert len(variant(b"a/" + b"x" * 251 + b".dcm", 3)) == 2 + 255
