"""conquest-converters.md sections 11.1 to 11.4 and 11.6: Lua in converter lines and files."""
# ruff: noqa: E501 - a case is a line

from __future__ import annotations

import re

import pydicom
import pytest

from tests.dgate.conformance.converter_site import Case, ConverterSite, ct, hold, named, short

BASE = "{folder}"


def lua(code: str, *log: str, **more: object) -> Case:
    """A case: code in a line, and the lines of the log."""
    return Case(code, [f"lua:{code}"], log, **more)  # type: ignore[arg-type]


def with_items() -> pydicom.Dataset:
    made = ct(AccessionNumber="", ImageComments="x" * 300)
    items = []
    for number in range(2):
        item = pydicom.Dataset()
        item.ReferencedSOPInstanceUID = f"1.2.{number}"
        items.append(item)
    made.ReferencedImageSequence = items
    return made


def uids(found: pydicom.Dataset) -> list[str]:
    return [item.get("ReferencedSOPInstanceUID", "") for item in found.ReferencedImageSequence]


@named(
    Case("a string of code", ["lua \"print('x')\"; nop y"], ["x", "IC0.1: nop y"]),
    Case("a ; in it", ["lua \"print('a;b')\"; nop y"], ["a;b", "IC0.1: nop y"]),
    Case("two quotes vanish", ["lua \"print('a\"\"b')\""], ["ab"]),
    Case("long brackets", ['lua "print([[x]])"'], ["x"]),
    Case("to the end of the line", ["lua:print('a;\"b'); print(2); nop = 1"], ['a;"b', "2"]),
    Case("behind others", ["nop a; lua:print(1); print('2')"], ["IC0.0: nop a", "1", "2"]),
    Case("under a condition", ['ifequal "a","b"; lua:print(1)'], [
        'IC0.0 executes: ifequal "a","b"', "IC0.1 not executed because of previous statement",
    ]),
    Case("values", ["lua \"print('%i %VModality 50%%')\""], ["1CT1 CT 50%"]),
    Case("a syntax error", ['lua "x = = 1"; nop y'], [
        "*** lua syntax error [string \"x = = 1\"]:1: unexpected symbol near '=' in 'x = = 1'", "IC0.1: nop y",
    ]),
    Case("a run error", ['lua "x.y = 1"; nop y'], [
        "*** lua run error [string \"x.y = 1\"]:1: attempt to index global 'x' (a nil value) in 'x.y = 1'", "IC0.1: nop y",
    ]),
    Case("an error of its own", ["lua \"error('so')\""], ["*** lua run error [string \"error('so')\"]:1: so in 'error('so')'"]),
    Case("rejected before an error", ['lua "reject() x.y = 1"; nop y'], [
        "*** lua run error [string \"reject() x.y = 1\"]:1: attempt to index global 'x' (a nil value) in 'reject() x.y = 1'",
    ], kept=False, status=0x0110),
    Case("a value returned", ['lua "return 1"; nop y'], ["IC0.1: nop y"]),
    Case("a missing file", ["nosuch.lua; nop y"], ["*** IC0.0 error: nosuch.lua", "IC0.1: nop y"]),
    Case("a missing file with an argument", ["nosuch.lua(1)"], ["*** IC0.0 error: nosuch.lua(1)"]),
    Case("destroy", ["lua \"destroy() print('on')\"; nop y", "nop z"], ["on"], kept=False),
    Case("reject", ["lua \"reject() print('on')\"; nop y", "nop z"], ["on"], kept=False, status=0x0110),
    Case("retry", ['lua "retry()"; nop y'], None),
    Case("script destroy", ["lua \"script('destroy')\"; nop y"], [], kept=False),
    Case("script reject", ["lua \"script('reject')\"; nop y"], [], kept=False, status=0x0110),
    Case("script stop", ["lua \"script('stop')\"; nop y", "nop z"], ["IC1.0: nop z"]),
    Case("script is silent", ["lua \"script('nop a; nop b')\""], []),
    Case("script tells errors", ["lua \"script('nop a; nosuch')\""], ["*** IC-2.1 error: nosuch"]),
    Case("script undoes", ["lua \"script('destroy') script('nop')\"; nop y"], ["IC0.1: nop y"]),
    Case("script undoes destroy()", ["lua \"destroy() script('nop')\"; nop y"], ["IC0.1: nop y"]),
    Case("script sets", ["lua:script('set 0010,4000 to \"x\"')"], [], check=lambda found: found.PatientComments == "x"),
    Case("debuglog", ["lua \"debuglog('quiet', 1)\""], ["quiet\t1"]),
    Case("standard libraries", ["lua:print(type(io), type(os), type(string), type(table), type(math), type(package), type(debug), type(coroutine))"],
         ["table\ttable\ttable\ttable\ttable\ttable\ttable\ttable"]),
    Case("Lua 5.1", ["lua:print(_VERSION, 1/3, 2^53, 10/2, unpack({1, 2}))"], ["Lua 5.1\t0.33333333333333\t9.007199254741e+15\t5\t1\t2"]),
)  # fmt: skip
def test_code_in_a_line(converter_site: ConverterSite, case: Case) -> None:
    hold(converter_site, case)


@named(
    lua("print(1.5, 2, nil, true, false, 'x')", "1.5\t2\tnil\ttrue\tfalse\tx"),
    lua("print()", ""),
    lua("print(Data.PatientName, Data['0010,0010'], Data['PatientID'])", "CompressedSamples^CT1\tCompressedSamples^CT1\t1CT1"),
    lua("print(Data['/0008,1140.1/0008,1155'], Data['*0008,1155'])", "1.2.1\t1.2.0", of=with_items),
    lua("print(type(Data.Rows), Data.Rows, Data.Rows + 1, #Data.Rows)", "string\t128\t129\t3"),
    lua("print(#Data.AccessionNumber, Data.AccessionNumber == '')", "0\ttrue", of=with_items),
    lua("print(Data.PatientComments, Data.NoSuchName, Data['9999,0001'])", "nil\tnil\tnil"),
    lua("print(Data.ImageComments)", "(too long)", of=with_items),
    lua("print(Data.patientid)", "1CT1"),
    lua("Data.PatientComments = 'a %% \"c'", check=lambda found: found.PatientComments == 'a % "c'),
    lua("Data.PatientComments = 42", check=lambda found: found.PatientComments == "42"),
    lua("Data.Rows = 64", check=lambda found: found.Rows == 64),
    lua("Data['0010,4000'] = 'x'", check=lambda found: found.PatientComments == "x"),
    lua("Data.PatientBirthDate = ''", check=lambda found: found.PatientBirthDate == ""),
    lua("Data.PatientSex = nil", check=lambda found: "PatientSex" not in found),
    lua("Data.PatientComments = nil"),
    lua("Data.NoSuchName = 'x'"),
    lua("Data.ReferencedImageSequence = {}", of=with_items, check=lambda found: len(found.ReferencedImageSequence) == 0),
    lua("print(Data.ReferencedImageSequence)", "nil"),
    lua("print(#Data.ReferencedImageSequence, Data.ReferencedImageSequence[1].ReferencedSOPInstanceUID)", "2\t1.2.1", of=with_items),
    lua("print(Data.ReferencedImageSequence.ReferencedSOPInstanceUID)", "1.2.0", of=with_items),
    lua("local i = Data.ReferencedImageSequence[0] i.ReferencedSOPInstanceUID = '1.9'", of=with_items,
        check=lambda found: uids(found) == ["1.9", "1.2.1"]),
    lua("Data.ReferencedImageSequence[2].ReferencedSOPInstanceUID = '1.9'", of=with_items,
        check=lambda found: uids(found) == ["1.2.0", "1.2.1", "1.9"]),
    lua("local i = Data.ReferencedImageSequence[2] print(#Data.ReferencedImageSequence)", "3", of=with_items),
    lua("print(Data.ReferencedImageSequence[7])", "nil", of=with_items),
    lua("local o = newdicomobject() o.ReferencedSOPInstanceUID = '1.9' Data.ReferencedImageSequence:Add(o)", of=with_items,
        check=lambda found: uids(found)[2:] == ["1.9"]),
    lua("Data.ReferencedImageSequence:Delete(0)", of=with_items, check=lambda found: uids(found) == ["1.2.1"]),
    lua("Data:DeleteFromSequence('ReferencedImageSequence', 1)", of=with_items, check=lambda found: uids(found) == ["1.2.0"]),
    lua("print(#Data)", "1"),
    lua("Data.Storage = 'MAG1' print(Data.Storage)", "MAG1"),
    lua("local a = newdicomarray() a[0].PatientID = 'x' a[1].PatientID = 'y' print(#a, a[1].PatientID)", "2\ty"),
    lua("local o = DicomObject:new() o.PatientID = 'q' print(o.PatientID, Data.PatientID)", "q\t1CT1"),
    lua("local o = Data:Copy() o.PatientID = 'q' print(o.PatientID, Data.PatientID)", "q\t1CT1"),
    lua("local o = DicomObject:new() print(pcall(o.Read, o, 'none.dcm'))", "false\tFailed to read dicom file"),
    lua("Data:Script('set 0010,4000 to \"s\"')", check=lambda found: found.PatientComments == "s"),
    lua("local v = Data:GetVR(0x28, 0x10) print(type(v), #v)", "table\t1"),
    lua("print(#Data:GetVR(0x0010, 0x0020, true))", "4"),
    lua("print(Data:GetPixel(0, 0, 0) == Data:GetRow(0, 0)[0], getpixel(3, 4, 0) == getcolumn(3, 0)[4])", "true\ttrue"),
    lua("Data:SetPixel(1, 2, 0, 77) print(Data:GetPixel(1, 2, 0))", "77", check=lambda found: found.PixelData[2 * (2 * 128 + 1)] == 77),
    lua("print(#Data:GetImage(0))", str(128 * 128 * 2)),
    lua("print(Association.Calling, Association.Called, type(Association.Thread), Association.ConnectedIP)", "SENDER\tORACLE\tnumber\t0.0.0.0"),
    lua("print(Command.CommandField, type(Command.MessageID), Command.Priority, Command.AffectedSOPInstanceUID == Data.SOPInstanceUID)",
        "1\tstring\t2\ttrue"),
    lua("print(Global.MyACRNema, global and 1, Global.myacrnema, Global.NoSuchKey, Global.DGATEVERSION)", "ORACLE\tnil\tORACLE\tnil\t1.5.0e"),
    lua("print(Global.BaseDir)", "{folder}/"),
    lua("print(Global.UIDPrefix, type(Global.TCPPort))", "99999.99999\tstring"),
    lua("print(md5(''), md5('a'), md5('abc'))",
        "ee7ee7f6775a4a345175ce996256f6ee\t0c49375b7b36fc8f7e5d3cfd735d5bfa\t377bee1e512b24c6ff4cdc2e5c7940f9"),
    lua("print(crc('1CT1'), crc(''))", "3041014839\t0"),
)  # fmt: skip
def test_what_scripts_find(converter_site: ConverterSite, case: Case) -> None:
    hold(converter_site, case)


@pytest.mark.parametrize(
    ("code", "pattern"),
    [("{}", "table"), ("Data", "userdata"), ("print", "function"), ("Data.ReferencedImageSequence", "userdata")],
)
def test_what_else_is_printed(converter_site: ConverterSite, code: str, pattern: str) -> None:
    seen = converter_site.run(f"lua:print({code})", of=with_items())
    assert re.fullmatch(rf"{pattern}:0x[0-9a-f]+", seen.log[0])


def test_a_file(converter_site: ConverterSite) -> None:
    converter_site.write("scripts/x.lua", "-- first\nprint(Data.PatientID, command_line, version)\n")
    path = f"{converter_site.folder}/scripts/x.lua"
    seen = converter_site.run(
        "scripts/x.lua; nop y", "scripts/x.lua(a %m)", 'scripts/x.lua("b")', "scripts/x.lua", path, f"{path}(c)"
    )
    assert short(seen.log) == [
        "IC0.0: dofile(Global.basedir..'scripts/x.lua')", "1CT1\tnil\tnil", "IC0.1: nop y",
        "IC1.0: dofile(Global.basedir..'scripts/x.lua')", "1CT1\ta CT\t1.5.0e",
        "IC2.0: dofile(Global.basedir..'scripts/x.lua')", "1CT1\tb\t1.5.0e",
        "IC3.0: dofile(Global.basedir..'scripts/x.lua')", "1CT1\tb\t1.5.0e",
        f"IC4.0: dofile(Global.basedir..'{path}')", "1CT1\tb\t1.5.0e",
        f"IC5.0: dofile(Global.basedir..'{path}')", "1CT1\tc\t1.5.0e",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("print('a')\nx.y = 1\n", "2: attempt to index global 'x' (a nil value)"),
        ("x = = 1\n", "1: unexpected symbol near '='"),
        ("\nerror('so')\n", "2: so"),
    ],
)
def test_an_error_in_a_file(converter_site: ConverterSite, content: str, fault: str) -> None:
    converter_site.write("wrong.lua", content)
    seen = converter_site.run("wrong.lua; nop y")
    assert seen.status == 0
    assert seen.path is not None
    said, then = short(seen.log)[-2:]
    assert said.startswith("*** lua run error ")  # Lua shows the end of a long path
    assert said.endswith(f"/wrong.lua:{fault} in 'dofile(Global.basedir..'wrong.lua')'")
    assert then == "IC0.1: nop y"


def test_a_state_lasts_as_long_as_the_association(converter_site: ConverterSite) -> None:
    converter_site.configure(['lua "n = (n or 0) + 1"', 'lua "print(n)"'])
    with converter_site.association(ct()) as store:
        assert [store(ct()).log, store(ct()).log] == [["1"], ["2"]]
    assert converter_site.send(ct()).log == ["1"]


def test_files_of_objects(converter_site: ConverterSite) -> None:
    seen = converter_site.run(
        "lua:Data:Write('w.dcm'); Data:Dump('w.txt'); local o = DicomObject:new(); o:Read('w.dcm'); print(o.PatientID, #o:ListItems() > 0)"
    )
    assert seen.log == ["1CT1\ttrue"]
    assert pydicom.dcmread(converter_site.folder / "w.dcm").PatientID == "1CT1"
    assert (converter_site.folder / "w.txt").stat().st_size > 0


def test_an_object_added(converter_site: ConverterSite) -> None:
    made = ct()
    code = "local o = Data:Copy() o.SOPInstanceUID = '1.2.3.99.%m' o.PatientID = '1CT1' o:AddImage()"
    seen = converter_site.run(f"lua:{code.replace('%m', '7')}", "nop imported", of=made)
    assert sum(line == "Importconverter1.0: nop imported" for line in seen.log) == 1
    assert sum(line.startswith("Lua script written file: ") for line in seen.log) == 1
