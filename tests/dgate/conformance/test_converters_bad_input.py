"""Whatever stands in converters.txt or in a file of lines: bounded, in the log, and the object is stored."""

from __future__ import annotations

from tests.dgate.conformance.converter_site import ConverterSite, InstanceSite, image, short


def test_a_line_of_a_megabyte(instance_site: InstanceSite) -> None:
    instance_site.convert(b"nop " + b"x" * 1_000_000 + b"\nnop b\n")
    seen = instance_site.send(image())
    assert seen.status == 0
    assert seen.path is not None
    assert short(seen.log)[-2:] == ["IC0.0: nop " + "x" * 507, "IC1.0: nop b"]
    assert "***Ini file item 'sscscp:ImportConverter0' trucated\n" in instance_site.log()


def test_ten_thousand_lines(instance_site: InstanceSite) -> None:
    instance_site.convert(b"nop a\n" * 10_000)
    seen = instance_site.send(image())
    assert seen.status == 0
    assert short(seen.log) == [f"IC{number}.0: nop a" for number in range(99)]


def test_a_file_of_ten_thousand_lines_and_one(converter_site: ConverterSite) -> None:
    converter_site.write("many", "nop a\n" * 10_001)
    seen = converter_site.run("call many; nop b")
    assert short(seen.log)[0] == "IC0.0: call many"
    assert short(seen.log)[1].startswith("*** IC-1.0 error: only 1048576 bytes or 10000 lines are read of ")
    assert short(seen.log)[2:] == ["IC-1.0: nop a"] * 10_000 + ["IC0.1: nop b"]
    assert seen.path is not None


def test_a_megabyte_in_a_file(converter_site: ConverterSite) -> None:
    converter_site.write("long", "nop " + "x" * 1_000_000 + "\nnop b\n")
    assert short(converter_site.run("call long; nop c").log) == [
        "IC0.0: call long", "*** IC-1.0 error: a line of more than 65536 characters", "IC-1.0: nop b", "IC0.1: nop c",
    ]  # fmt: skip


def test_recursion(converter_site: ConverterSite) -> None:
    converter_site.write("loop", "call loop\n")
    seen = converter_site.run("call loop; nop after")
    assert "*** IC-1.0 error: lines call one another more than 16 deep" in short(seen.log)
    assert short(seen.log)[-1] == "IC0.1: nop after"
    assert seen.path is not None


def test_recursion_that_branches(converter_site: ConverterSite) -> None:
    converter_site.write("bomb", "bomb; bomb; bomb\n" * 30)
    seen = converter_site.run("bomb", "nop after")
    assert sum("too many statements for one object" in line for line in seen.log) == 1
    assert seen.path is not None


def test_recursion_through_lua(converter_site: ConverterSite) -> None:
    converter_site.write("again.lua", "script('again.lua')\n")
    seen = converter_site.run("again.lua; nop after")
    assert "*** IC-2.0 error: scripts run one another more than 8 deep" in short(seen.log)
    assert seen.path is not None
    assert converter_site.run("nop alive").log == ["Importconverter0.0: nop alive"]


def test_only_marks(converter_site: ConverterSite) -> None:
    for line in ("%" * 500, '"' * 499, ";" * 500, "{" * 500, "}" * 500, "lua:" * 100, "%V/" * 150, "%QQ" * 150):
        assert converter_site.run(line).status == 0
    assert converter_site.run("nop alive").log == ["Importconverter0.0: nop alive"]


def test_bytes_of_any_kind(instance_site: InstanceSite) -> None:
    rubbish = bytes(value * value % 251 for value in range(100_000))
    for content in (
        rubbish,
        b"\xef\xbb\xbf",
        b"\0" * 1000,
        b"\r\n\r\r\n",
        b"[lua]\n[sscscp]\nnop a\n",
        b"nop a\0b; nop c\n",
    ):
        instance_site.convert(content)
        assert instance_site.send(image()).status in {0, 0x0110}
    instance_site.convert(b"nop alive\n")
    assert instance_site.send(image()).log == ["Importconverter0.0: nop alive"]


def test_a_script_of_any_kind(converter_site: ConverterSite) -> None:
    for content in (
        "\xef\xbb\xbfprint(1)\n",
        "print('a')\r\nprint('b')\r\n",
        "x" * 1_000_000,
        "(" * 10_000,
        "\x1bLua",
        "",
    ):
        converter_site.write("any.lua", content)
        seen = converter_site.run("any.lua; nop after")
        assert seen.status == 0
        assert seen.log[-1] == "Importconverter0.1: nop after"
    endless = converter_site.run("lua:while true do end", "nop after", ini="LuaMaxInstructions = 1\n")
    assert endless.log[0].startswith("*** lua run error ")
    assert endless.log[1:] == ["Importconverter1.0: nop after"]
