"""conquest-converters.md section 5: conditions."""

from __future__ import annotations

import time

from tests.dgate.conformance.converter_site import Case, ConverterSite, ct, hold, named


def when(condition: str, *, true: bool, shown: str = "") -> Case:
    """A case: whether the statement behind a condition runs."""
    ran = "IC0.1: nop ran" if true else "IC0.1 not executed because of previous statement"
    return Case(condition, [f"{condition}; nop ran; nop end"], [
        f"IC0.0 executes: {shown or condition}", ran, "IC0.2: nop end",
    ])  # fmt: skip


HOUR = time.localtime().tm_hour
LATER = (HOUR + 2) % 24
"""Far enough not to be reached while the tests run; over midnight if need be."""


@named(
    when('ifequal "%i","1CT1"', true=True, shown='ifequal "1CT1","1CT1"'),
    when('ifequal "%i","1ct1"', true=False, shown='ifequal "1CT1","1ct1"'),
    when('IFEQUAL "a", "a"', true=True),
    when('ifequal "a","a"', true=True),
    when('ifequal "a","b","c"', true=False),
    when('ifequal "a","a" text', true=True),
    when('ifnotequal "a","b"', true=True),
    when('ifnotequal "a","a"', true=False),
    when('ifempty ""', true=True),
    when('ifempty "x"', true=False),
    when('ifempty "%V0010,4000"', true=True, shown='ifempty ""'),
    when('ifnotempty "%i"', true=True, shown='ifnotempty "1CT1"'),
    when('ifnotempty ""', true=False),
    when('ifmatch "Head","head"', true=True),
    when('ifmatch "Head  ","head"', true=True),
    when('ifmatch "Head","*"', true=True),
    when('ifmatch "","*"', true=True),
    when('ifmatch "Head neck","HEAD*"', true=True),
    when('ifmatch "Head neck","*neck"', true=True),
    when('ifmatch "Head neck","*ad ne*"', true=True),
    when('ifmatch "Head neck","neck*"', true=False),
    when('ifmatch "Head neck","*head"', true=False),
    when('ifmatch "Head neck","head"', true=False),
    when('ifmatch "abc","a*c"', true=False),
    when('ifmatch "a*c","a*c"', true=True),
    when('ifmatch "abc","a?c"', true=False),
    when('ifmatch "a?c","a?c"', true=True),
    when('ifmatch "",""', true=True),
    when('ifmatch "x",""', true=False),
    when('ifnotmatch "Head","he*"', true=False),
    when('ifnotmatch "Head","foot"', true=True),
    when('ifnumequal "7.9","7"', true=True),
    when('ifnumequal "abc","0"', true=True),
    when('ifnumequal "0x10",""', true=True),
    when('ifnumequal "12 a","12"', true=True),
    when('ifnumnotequal "1","2"', true=True),
    when('ifnumnotequal "07","7"', true=False),
    when('ifnumgreater "10","9"', true=True),
    when('ifnumgreater "-3","-2"', true=False),
    when('ifnumgreater "9","9"', true=False),
    when('ifnumless "9","10"', true=True),
    when('ifnumless "%V0028,0010","129"', true=True, shown='ifnumless "128","129"'),
    when('ifnumless "10","9"', true=False),
    when('between "0","24"', true=True),
    when('between "0","0"', true=False),
    when('between "24","0"', true=False),
    when(f'between "{HOUR}","{LATER}"', true=True),
    when(f'between "{LATER}","{HOUR}"', true=False),
)
def test_conditions(converter_site: ConverterSite, case: Case) -> None:
    hold(converter_site, case)


def test_the_first_separator_splits(converter_site: ConverterSite) -> None:
    made = ct(PatientComments='a","b')
    seen = converter_site.run('ifequal "a", "%V0010,4000"; nop ran', 'ifmatch "x","*","y"; nop ran', of=made)
    assert seen.log[-1] == "Importconverter1.1 not executed because of previous statement"
