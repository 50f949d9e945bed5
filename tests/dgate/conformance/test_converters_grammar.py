"""conquest-converters.md section 3, and what section 0 says of it: statements, blocks, what is skipped."""
# ruff: noqa: E501 - a case is a line

from __future__ import annotations

from tests.dgate.conformance.converter_site import Case, ConverterSite, hold, mr, named

TRUE, FALSE = 'ifequal "%m","CT"', 'ifequal "%m","MR"'
WAS_TRUE, WAS_FALSE = 'IC0.0 executes: ifequal "CT","CT"', 'IC0.0 executes: ifequal "CT","MR"'


def passed(part: int) -> str:
    return f"IC0.{part} not executed because of previous statement"


def skipped(*parts: int) -> list[str]:
    return [f"IC0.{part} skipped" for part in parts]


@named(
    Case("guards one", [f"{FALSE}; nop a; nop b"], [WAS_FALSE, passed(1), "IC0.2: nop b"]),
    Case("true", [f"{TRUE}; nop a; nop b"], [WAS_TRUE, "IC0.1: nop a", "IC0.2: nop b"]),
    Case(
        "a condition that guards a condition",
        [f'{FALSE}; ifequal "%i","X"; destroy'],
        [WAS_FALSE, passed(1), "IC0.2: destroyed received image"],
        kept=False,
    ),
    Case(
        "a condition guarded by a true one",
        [f'{TRUE}; ifequal "%i","X"; nop a; nop b'],
        [WAS_TRUE, 'IC0.1 executes: ifequal "1CT1","X"', passed(2), "IC0.3: nop b"],
    ),
    Case(
        "no else",
        [f"{FALSE}; nop a; else; nop b"],
        [WAS_FALSE, passed(1), "*** IC0.2 error: else", "IC0.3: nop b"],
    ),
    Case("no if", ['if "a","a"; nop b'], ['*** IC0.0 error: if "a","a"', "IC0.1: nop b"]),
    Case(
        "brace in the middle, false",
        [f"{FALSE}; {{ nop a; nop b }} nop c; nop d", "nop e"],
        [WAS_FALSE, *skipped(1, 2, 3), "IC1.0: nop e"],
    ),
    Case(
        "brace in the middle, true",
        [f"{TRUE}; {{ nop a; nop b }} nop c; nop d"],
        [WAS_TRUE, "IC0.1: nop a", "IC0.2: nop b } nop c", "IC0.3: nop d"],
    ),
    Case(
        "destroy with a brace",
        [f"{TRUE}; {{ nop a; destroy}}"],
        [WAS_TRUE, "IC0.1: nop a", "IC0.2: destroyed received image"],
        kept=False,
    ),
    Case(
        "block, false",
        [f"{FALSE}; {{ nop a; nop b; }} nop c"],
        [WAS_FALSE, *skipped(1, 2), "IC0.3: nop c"],
    ),
    Case(
        "block, true",
        [f"{TRUE}; {{ nop a; nop b; }} nop c"],
        [WAS_TRUE, "IC0.1: nop a", "IC0.2: nop b", "IC0.3: nop c"],
    ),
    Case(
        "closing as a statement",
        [f"{FALSE}; {{ nop a; nop b; }}; nop c"],
        [WAS_FALSE, *skipped(1, 2), "IC0.4: nop c"],
    ),
    Case("no blanks", [f"{FALSE}; {{nop a; }}nop c"], [WAS_FALSE, *skipped(1), "IC0.2: nop c"]),
    Case(
        "nested, outer false",
        [f'{FALSE}; {{ ifequal "%i","X"; {{ nop a; }} nop b; }} nop c'],
        [WAS_FALSE, *skipped(1, 2, 3), "IC0.4: nop c"],
    ),
    Case(
        "nested, inner false",
        [f'{TRUE}; {{ ifequal "%i","X"; {{ nop a; }} nop b; }} nop c'],
        [WAS_TRUE, 'IC0.1 executes: ifequal "1CT1","X"', *skipped(2), "IC0.3: nop b", "IC0.4: nop c"],
    ),
    Case(
        "nested, both true",
        [f'{TRUE}; {{ ifequal "%i","1CT1"; {{ nop a; }} nop b; }} nop c'],
        [WAS_TRUE, 'IC0.1 executes: ifequal "1CT1","1CT1"', "IC0.2: nop a", "IC0.3: nop b", "IC0.4: nop c"],
    ),
    Case(
        "two closings in one",
        [f"{TRUE}; {{ nop a; }} }}; nop c"],
        [WAS_TRUE, "IC0.1: nop a", "*** IC0.2 error: }", "IC0.3: nop c"],
    ),
    Case(
        "two closings apart",
        [f'{TRUE}; {{ ifequal "a","b"; {{ nop a; }}; }} nop c'],
        [WAS_TRUE, 'IC0.1 executes: ifequal "a","b"', *skipped(2), "IC0.4: nop c"],
    ),
    Case(
        "a nop between two closings",
        [f'{FALSE}; {{ ifequal "a","b"; {{ nop a; }} nop; }} nop c'],
        [WAS_FALSE, *skipped(1, 2, 3), "IC0.4: nop c"],
    ),
    Case("two openings", ["{{nop a; nop b"], ["*** IC0.0 error: {nop a", "IC0.1: nop b"]),
    Case("empty block", [f"{FALSE}; {{}}; nop c", "nop d"], [WAS_FALSE, *skipped(1, 2), "IC1.0: nop d"]),
    Case("empty statement is skipped", [f"{FALSE}; ; nop x"], [WAS_FALSE, passed(1), "IC0.2: nop x"]),
    Case("a stray closing", [f"{FALSE}; }} nop a; nop b"], [WAS_FALSE, *skipped(1, 2)]),
    Case("a block alone", ["{ nop a; nop b; } nop c"], ["IC0.0: nop a", "IC0.1: nop b", "IC0.2: nop c"]),
    Case("stop in a block", [f"{TRUE}; {{ nop a; stop; nop b; }} nop c"], [WAS_TRUE, "IC0.1: nop a", "IC0.2: stop"]),
    Case("nothing carries over", [FALSE, "nop a", f"{FALSE}; {{ nop b", "nop c"], [
        WAS_FALSE, "IC1.0: nop a", 'IC2.0 executes: ifequal "CT","MR"', "IC2.1 skipped", "IC3.0: nop c",
    ]),
    Case("a brace without a condition before", ["} nop a; nop b"], ["IC0.0: nop a", "IC0.1: nop b"]),
    Case("a statement resets nothing", [f"{TRUE}; nop a; }} nop b"], [WAS_TRUE, "IC0.1: nop a", "IC0.2: nop b"]),
)  # fmt: skip
def test_what_is_skipped(converter_site: ConverterSite, case: Case) -> None:
    hold(converter_site, case)


@named(
    Case("an open string hides", ['nop "a; nop b'], ['IC0.0: nop "a; nop b']),
    Case("a string hides", ['nop "a; b"; nop c'], ['IC0.0: nop "a; b"', "IC0.1: nop c"]),
    Case("two quotes vanish", ['nop "a""b"; nop c'], ['IC0.0: nop "ab"', "IC0.1: nop c"]),
    Case("lua: hides", ["nop see lua: x; nop y"], ["IC0.0: nop see lua: x; nop y"]),
    Case("lua: in a string does not", ['nop "lua: x"; nop y'], ['IC0.0: nop "lua: x"', "IC0.1: nop y"]),
    Case("only blanks are dropped", ["nop a;\tnop b; nop c"], [
        "IC0.0: nop a", "*** IC0.1 error: \tnop b", "IC0.2: nop c",
    ]),
    Case("empty pieces count", ["nop a; ;nop c"], ["IC0.0: nop a", "IC0.2: nop c"]),
    Case("empty pieces without a blank", [";;nop c"], ["IC0.2: nop c"]),
    Case("any number of blanks", ["nop a;    nop b;nop c;"], ["IC0.0: nop a", "IC0.1: nop b", "IC0.2: nop c"]),
    Case("blanks in the end stay", ["nop a ;nop b"], ["IC0.0: nop a ", "IC0.1: nop b"]),
    Case("only the beginning counts", ["NOPE; Nop x"], ["IC0.0: NOPE", "IC0.1: Nop x"]),
    Case("stopping", ["stopping; nop b"], ["IC0.0: stop"]),
    Case("destroyer", ["destroyer; nop b"], ["IC0.0: destroyed received image"], kept=False),
    Case("DESTROY", ["DESTROY"], ["IC0.0: destroyed received image"], kept=False),
    Case("two blanks", ['ifequal  "a","b"; nop x'], ['*** IC0.0 error: ifequal  "a","b"', "IC0.1: nop x"]),
    Case("blank before the comma", ['ifequal "%m" ,"MR"; nop x; nop y'], ["IC0.1: nop x", "IC0.2: nop y"]),
    Case("one text", ['ifequal "a"; nop x'], ["IC0.1: nop x"]),
    Case("two blanks behind the comma", ['ifequal "a",  "b"; nop x'], ["IC0.1: nop x"]),
    Case("one blank behind the comma", ['ifequal "a", "b"; nop x'], ['IC0.0 executes: ifequal "a", "b"', passed(1)]),
    Case(
        "malformed set", ["set 0010,4000 to text; nop x"], ["IC0.1: nop x"],
        check=lambda found: "PatientComments" not in found,
    ),
    Case(
        "set with two blanks", ['set 0010,4000 to  "x"; nop x'], ["IC0.1: nop x"],
        check=lambda found: "PatientComments" not in found,
    ),
    Case("save without to", ["save jpg file; nop x"], ["IC0.1: nop x"]),
    Case("unknown", ["no such thing; nop x"], ["*** IC0.0 error: no such thing", "IC0.1: nop x"]),
    Case("empty line", ["", "nop a"], ["IC1.0: nop a"]),
    Case("comment line", ["# text", "nop a"], ["*** IC0.0 error: # text", "IC1.0: nop a"]),
    Case("above 127", ["nop Gr\xfc\xdfe"], ["IC0.0: nop Gr\udcfc\udcdfe"]),
    *[
        Case(f"not in this version: {text}", [f"{text}; nop x"], [f"*** IC0.0 error: {text}", "IC0.1: nop x"])
        for text in ("silent", "saveframes to x", "addimage", "tag 0010,0010", "move x to y", "retry")
    ],
)  # fmt: skip
def test_statements(converter_site: ConverterSite, case: Case) -> None:
    hold(converter_site, case)


@named(
    Case("destroy", ["nop a; destroy; nop b", "nop c"], ["IC0.0: nop a", "IC0.1: destroyed received image"], kept=False),
    Case("destroy2", ["destroy2; nop b", "nop c"], [], kept=False),
    Case("reject", ["reject; nop b", "nop c"], ["IC0.0: rejected received image"], status=0x0110, kept=False),
    Case(
        "reject as configured", ["reject"], ["IC0.0: rejected received image"], status=0xA700, kept=False,
        ini="StorageFailedErrorCode = 42752\n",
    ),
    Case("stop", ["stop; nop b", "nop c"], ["IC0.0: stop", "IC1.0: nop c"]),
    Case("silentstop", ["silentstop; nop b", "nop c"], ["IC1.0: nop c"]),
    Case("return", ["return; nop b", "nop c"], ["IC0.0: return", "IC1.0: nop c"]),
    Case("unknown command", ["what; nop b", "nop c"], ["*** IC0.0 error: what", "IC0.1: nop b", "IC1.0: nop c"]),
    Case("defer", ["defer; nop b"], ["IC0.0: defer for exportconverter", "IC0.1: nop b"]),
    Case("what was done stays done", ['write "x" to kept.txt; destroy'], [
        'IC0.0 executes: write "x" to kept.txt', "IC0.1: destroyed received image",
    ], kept=False),
    Case("the other one", [f"{FALSE}; destroy"], ['IC0.0 executes: ifequal "MR","MR"', "IC0.1: destroyed received image"],
         of=mr, kept=False),
)  # fmt: skip
def test_how_a_line_ends(converter_site: ConverterSite, case: Case) -> None:
    hold(converter_site, case)
