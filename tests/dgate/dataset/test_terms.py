from __future__ import annotations

from typing import TYPE_CHECKING

from dgate.dataset.terms import NO_TERMS, TermsFile
from tests.dgate.dataset.objects import TERMS

if TYPE_CHECKING:
    from pathlib import Path


def test_both_directions() -> None:
    assert TERMS.tag("PatientName") == TERMS.tag("patientname") == 0x00100010
    assert TERMS.tag("nosuch") is None
    assert (TERMS.keyword(0x00100010), TERMS.name(0x00100010)) == ("PatientName", "Patient's Name")
    assert (TERMS.keyword(0x00091001), TERMS.name(0x00091001)) == ("", "")


def test_vrs_of_known_tags_and_of_forms() -> None:
    tags = (0x00100010, 0x00280120, 0x00090010, 0x00091001, 0x00190000, 0x60023000, 0x60010010, 0x00100011)
    assert [TERMS.vr(tag) for tag in tags] == [b"PN", b"US", b"LO", None, b"UL", b"OW", b"LO", None]
    assert TERMS.keyword(0x60023000) == TERMS.keyword(0x60003000)


def test_a_file_is_read_once_and_may_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "dgate.dic"
    assert TermsFile(str(path)).get() is NO_TERMS
    path.write_bytes(b'(0010,0010) VERS="4" VR="PN" VM="1" Keyword="PatientName" Name="x"\n')
    file = TermsFile(str(path))
    first = file.get()
    path.unlink()
    assert file.get() is first
    assert first.tag("PatientName") == 0x00100010
