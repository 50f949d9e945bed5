"""What scripts read, write and print, held against the reference: each line of code with the exact log lines."""
# ruff: noqa: E501, ISC004 - tables of code and lines

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.dgate.lua.scripts import CT, SEQUENCE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.dgate.lua.scripts import Bench

PIXELS = ""
"""What the object's pixels are as text: they begin with a zero byte."""
SOP_UID = CT[0x00080018][1].decode()

VALUES: list[tuple[str, str]] = [
    # print
    ("'x'", "x"),
    ("", ""),
    ("1, 1.5, 2^53, 1e20, 0.1, -0.5, 7/2", "1\t1.5\t9.007199254741e+15\t1e+20\t0.1\t-0.5\t3.5"),
    ("nil, true, false", "nil\ttrue\tfalse"),
    # fields are text, formatted as `%V` shows them
    ("Data.PatientName", "CompressedSamples^CT1"),
    ('Data["PatientName"], Data["0010,0010"], Data.patientname', "\t".join(["CompressedSamples^CT1"] * 3)),
    ("type(Data.Rows), Data.Rows, Data.Rows + 1", "string\t4\t5"),
    ("#Data.AccessionNumber, Data.AccessionNumber == ''", "0\ttrue"),
    ("Data.PatientComments, Data.nosuch, Data['']", "nil\tnil\tnil"),
    ("Data.PixelPaddingValue", "63536"),
    ("Data.SOPInstanceUID", SOP_UID),
    ("Data['0002,0010']", "1.2.840.10008.1.2.1"),
    ("type(Data), #Data, type(Command), type(DicomObject), type(Association), type(Global)",
     "userdata\t1\tuserdata\tuserdata\tuserdata\tuserdata"),
    ("Data.Storage", ""),
    # the association and the server
    ("Association.Calling, Association.Called, Association.ConnectedIP", "TESTSCU\tORACLE\t0.0.0.0"),
    ("type(Association.Thread), Association.nosuch", "number\tnil"),
    ("Global.MyACRNema, Global.myacrnema, Global.TCPPort, Global.nosuch", "ORACLE\tORACLE\t104\tnil"),
    ("Global.DGATEVERSION, Global.ImagesReceived, Global.QueueSize", "1.5.0e\t0\t128"),
    # functions
    ("dictionary('PatientID')", "16\t32"),
    ("dictionary(16, 32)", "PatientID"),
    ("dictionary('nosuch')", ""),
    ("dictionary(9, 9)", ""),
    ("get_sqldef(0, 0)", "16\t32\tPatientID\t64\tSQL_C_CHAR\tDT_STR"),
    ("get_sqldef(0, 99), get_sqldef(9, 0)", "nil"),
    ("gpps('sscscp', 'MyACRNema', 'x'), gpps('sscscp', 'nosuch', 'x')", "ORACLE\tx"),
    ("crc('1CT1'), crc(''), type(crc('x'))", "3041014839\t0\tstring"),
    ("md5('')", "ee7ee7f6775a4a345175ce996256f6ee"),
    ("md5('a'), md5('abc')", "0c49375b7b36fc8f7e5d3cfd735d5bfa\t377bee1e512b24c6ff4cdc2e5c7940f9"),
    ("changeuid('1.3.6.1.4.1.5962.1.2.1.20040119072730.12322', '', '#XYZ')",
     "99999.99999.7.1745822448026043007438553184922590157787"),
    ("changeuid('1.2.3') == changeuid('1.2.3'), changeuid('1.2.3', '', 'a') == changeuid('1.2.3')", "true\tfalse"),
    ("changeuidback(changeuid('1.2.4')), changeuidback('9.9')", "1.2.4\tnil"),
    ("changeuid('1.5', '1.6', 's'), changeuidback('1.6', 's'), changeuidback('1.6')", "1.6\t1.5\tnil"),
    ("genuid():match('^99999%.99999%.6%.%d+%.%d+$') ~= nil, genuid() == genuid()", "true\tfalse"),
    ("type(tickcount()), sleep(1)", "number"),
    ("tempfile('.dcm'):match('/data/printer_files/%w+%.dcm$') ~= nil", "true"),
    ("mkdir('a/b/c'), os.rename('a/b/c', 'a/b/d')", "nil\ttrue"),
    ("system('exit 3'), system('exit 0')", "3\t0"),
    ("servercommand('get_param:MyACRNema'), servercommand('nosuch:') == ''", "answer to get_param:MyACRNema\ttrue"),
    ("#dbquery('DICOMPatients', 'PatientID', '1=1')", "0"),
    ("sql('CREATE TABLE x (a)'), sql(\"INSERT INTO x VALUES ('1\\t2')\")", "1\t1"),
    ("heapinfo()", "not available"),
    ("changeuidback(changeuid('1.2.5'), '', 'lua')", "1.2.5"),
    ("HTML('x'), CGI('key', 'default')", "nil\tdefault"),
    ("HTML('x', 1), CGI('key') == ''", "nil\ttrue"),
    ("#listoldestpatients(5, 'MAG0', 'nosuch; --')", "0"),
    ("#ConvertBinaryData('2*f8', {1.5, -2}), ConvertBinaryData('2*f8', ConvertBinaryData('2*f8', {1.5, -2}))[2]", "16\t-2"),
    ("ConvertBinaryData('3*u2', {1, 258, 65535}):byte(1, 6)", "1\t0\t2\t1\t255\t255"),
    ("unpack(ConvertBinaryData('2*u3', 'abcdef'))", "6513249\t6710628"),
    ("ConvertBinaryData('u1', 'A')[1], ConvertBinaryData('f4', {0.25}):byte(4)", "65\t62"),
    ("ConvertBinaryData('2*s4', {'ab', 'c'}):byte(1, 8)", "97\t98\t0\t0\t99\t0\t0\t0"),
    ("unpack(ConvertBinaryData('2*s4', 'ab' .. string.char(0) .. 'c'))", "ab\tc"),
    ("pcall(ConvertBinaryData, 'x9', '')", "false\tbad format 'x9'"),
    ("pcall(ConvertBinaryData, '2*u2', 'abc')", "false\tthere are 3 bytes, not 4"),
    ("pcall(ConvertBinaryData, '2*u2', {1})", "false\tthe table has 1 values, not 2"),
    ("type(os), type(io), type(package), type(debug), type(require), type(coroutine)",
     "table\ttable\ttable\ttable\tfunction\ttable"),
    ("_VERSION", "Lua 5.1"),
    ("require('pack'), string.pack('<HbA', 258, 7, 'xy'):byte(1, 9)", "true\t2\t1\t7\t120\t121"),
    ("require('pack'), string.unpack(string.pack('>Ipz', 70000, 'ab', 'cd'), '>Ipz')", "true\t11\t70000\tab\tcd"),
    ("require('pack'), string.unpack('abc', 'A2b2')", "true\t4\tab\t99"),
    ("require('pack'), pcall(string.pack, 'H', 'x')", "true\tfalse\ta number expected"),
    ("require('pack'), pcall(string.pack, '?')", "true\tfalse\tbad code '?'"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "line"), VALUES, ids=[code for code, _ in VALUES])
def test_an_expression_is_printed(bench: Bench, code: str, line: str) -> None:
    assert bench.value(code) == line


LINES: list[tuple[str, list[str]]] = [
    ("x = 1", []),
    ("debuglog('quiet')", ["quiet"]),
    ("print('a\\nb')", ["a", "b"]),
    ("return 5", []),
    ("script('nop silent')", []),
    ("script('nosuch')", ["*** Importconverter-2.0 error: nosuch"]),
    ("script('call nosuch')", []),
    ("destroy() print('runs on')", ["runs on"]),
    ("x = = 1", ["*** lua syntax error [string \"x = = 1\"]:1: unexpected symbol near '=' in 'x = = 1'"]),
    ("x.y = 1", ["*** lua run error [string \"x.y = 1\"]:1: attempt to index global 'x' (a nil value) in 'x.y = 1'"]),
    ("f()", ["*** lua run error [string \"f()\"]:1: attempt to call global 'f' (a nil value) in 'f()'"]),
    ("error('e')", ["*** lua run error [string \"error('e')\"]:1: e in 'error('e')'"]),
    ("error('e', 0)", ["*** lua run error e in 'error('e', 0)'"]),
    ("error({})", ["*** lua run error (error object is a table value) in 'error({})'"]),
    ("error()", ["*** lua run error (error object is a nil value) in 'error()'"]),
    ("Data:Read('no')", [
        "*** lua run error [string \"Data:Read('no')\"]:1: Failed to read dicom file in 'Data:Read('no')'"]),
    ("Data.PatientID = true", [
        "*** lua run error [string \"Data.PatientID = true\"]:1: a boolean cannot be written in 'Data.PatientID = true'"]),
    ("Data.Write('x')", [
        "*** lua run error [string \"Data.Write('x')\"]:1: call it with a colon: object:Write() in 'Data.Write('x')'"]),
    ("string.rep()", [
        "*** lua run error [string \"string.rep()\"]:1: bad argument #1 to 'rep' (string expected, got no value) "
        "in 'string.rep()'"]),
    ("string.find(nil, 'x')", [
        "*** lua run error [string \"string.find(nil, 'x')\"]:1: bad argument #1 to 'find' (string expected, got nil) "
        "in 'string.find(nil, 'x')'"]),
    ("return dbquery('no', 'x', 'y')", ["***SQLITEExec error: no such table: no"]),
    ("print(sql('bad'))", ["***Failed SQLITEExec : bad", ""]),
    ("print(dicomprint(Data, 'PRINTER'))", ["***dicomprint: this server does not print"] * 2),
    ("os.exit(1)", ["*** lua run error [string \"os.exit(1)\"]:1: a script cannot end the server in 'os.exit(1)'"]),
]  # fmt: skip


@pytest.mark.parametrize(("code", "lines"), LINES, ids=[code for code, _ in LINES])
def test_a_script_causes_lines(bench: Bench, code: str, lines: list[str]) -> None:
    assert bench.say(code) == lines


WRITES: list[tuple[str, str, str]] = [
    ("Data.PatientID = 'NEW'", "Data.PatientID", "NEW"),
    ("Data.Rows = 5", "Data.Rows, Data:GetVR(0x28, 0x10)[1], #Data:GetVR(0x28, 0x10, true)", "5\t5\t2"),
    ("Data.PatientID = 1.5", "Data.PatientID", "1.5"),
    ("Data.PatientID = ''", "Data.PatientID == ''", "true"),
    ("Data.PatientID = nil", "Data.PatientID", "nil"),
    ("Data.nosuch = 'x'", "Data.nosuch", "nil"),
    ("Data.PatientComments = '50% \"off\"'", "Data.PatientComments", '50% "off"'),
    ("Data['0011,1010'] = 'private'", "Data['0011,1010']", "private"),
    ("Data['0002,0010'] = 'x'", "Data['0002,0010']", "1.2.840.10008.1.2.1"),
    ("Data.Storage = 'mag1'", "Data.Storage", "MAG1"),
    # sequences
    ("Data.OtherPatientIDsSequence = {}", "#Data.OtherPatientIDsSequence", "0"),
    ("Data.OtherPatientIDsSequence = {} Data.OtherPatientIDsSequence[0].PatientID = 'a' Data.OtherPatientIDsSequence[1].PatientID = 'b'",
     "Data.OtherPatientIDsSequence[1].PatientID, Data['/0010,1002.1/0010,0020'], Data.OtherPatientIDsSequence.PatientID",
     "b\tb\ta"),
    ("Data.OtherPatientIDsSequence = {} local _ = Data.OtherPatientIDsSequence[0]",
     "#Data.OtherPatientIDsSequence, Data.OtherPatientIDsSequence[5]", "1\tnil"),
    ("Data.OtherPatientIDsSequence = {} Data.OtherPatientIDsSequence.PatientID = 'a'",
     "Data.OtherPatientIDsSequence[0].PatientID, #Data.OtherPatientIDsSequence", "a\t1"),
    ("Data.OtherPatientIDsSequence = {} for i = 1, 3 do local o = DicomObject:new() o.PatientID = i "
     "Data.OtherPatientIDsSequence:Add(o) end Data.OtherPatientIDsSequence:Delete(0) "
     "Data:DeleteFromSequence('OtherPatientIDsSequence', 1)",
     "#Data.OtherPatientIDsSequence, Data.OtherPatientIDsSequence.PatientID", "1\t2"),
    ("local a = newdicomarray() a[0].PatientID = 'x' a[1].PatientID = 'y' Data.OtherPatientIDsSequence = a",
     "Data.OtherPatientIDsSequence[1].PatientID, Data['*0010,0020']", "y\t1CT1"),
    # objects of their own
    ("o = DicomObject:new() o.PatientName = 'A^B'", "o.PatientName, #o, Data.PatientName", "A^B\t1\tCompressedSamples^CT1"),
    ("o = Data:Copy() o.PatientID = 'other'", "o.PatientID, Data.PatientID", "other\t1CT1"),
    ("o = newdicomobject('{\"PatientName\":\"A^B\",\"Rows\":4}')", "o.PatientName, o.Rows", "A^B\t4"),
    ("a = newdicomarray()", "#a, type(a[0]), #a, type(a[1]), #a, a[9]", "0\tuserdata\t1\tuserdata\t2\tnil"),
    ("Data:Script('set 0010,0020 to \"scripted\"')", "Data.PatientID", "scripted"),
    ("Data:Reset()", "Data.PatientID, Data.Rows, Data.PixelData", "nil\tnil\tnil"),
    ("Data:Write('x.dcm') o = DicomObject:new() o:Read('x.dcm')", "o.PatientName, o.PixelData", "CompressedSamples^CT1\t" + PIXELS),
    ("Data:SetVR(0x28, 0x10, {7})", "Data.Rows", "7"),
    ("Data:SetVR(0x10, 0x4000, 'bytes')", "Data:GetVR(0x10, 0x4000, true)", "bytes "),
    ("Data:SetVR(0x10, 0x1002, '[{\"PatientID\":\"j\"}]')", "Data:GetVR(0x10, 0x1002)[0].PatientID", "j"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "expression", "line"), WRITES, ids=[code for code, _, _ in WRITES])
def test_what_is_written_is_there(bench: Bench, code: str, expression: str, line: str) -> None:
    assert bench.say(code) == []
    assert bench.value(expression) == line


FUNCTIONS: list[tuple[str, str]] = [
    ("writedicom('a.dcm') resetdicom() before = Data.PatientID readdicom('a.dcm') return before, Data.PatientID", "nil\t1CT1"),
    ("writedicom(Data, 'b.dcm') o = newdicomobject() readdicom(o, 'b.dcm') return o.PatientID", "1CT1"),
    ("writeheader('h.txt') writeheader(Data, 'i.txt') return io.open('h.txt'):read('*a') == io.open('i.txt'):read('*a')", "true"),
    ("o = copydicom() o.PatientID = 'x' p = copydicom(Data) return o.PatientID, p.PatientID, Data.PatientID", "x\t1CT1\t1CT1"),
    ("return copydicom(Data, '{\"PatientID\":\"j\"}').PatientID", "j"),
    ("return compressdicom('un').PatientID, compressdicom(Data, 'un').PatientID, compressdicom('j2')", "1CT1\t1CT1\tnil"),
    ("setvr(0x10, 0x20, 'new') local x = Data.PatientID setvr(Data, 0x10, 0x20, 'it') return x, Data.PatientID", "new\tit"),
    ("return #getvr(0x10, 0x20), getvr(Data, 0x10, 0x20, true)", "4\t1CT1"),
    ("return select('#', listitems()), listitems(Data) == listitems()", "4\ttrue"),
    ("return serialize() == Data:Serialize(), serialize(Data, true) == Data:Serialize(true)", "true\ttrue"),
    ("local o = Data:Copy() o:free() return pcall(function() return o.PatientID end)", "false"),
    ("local a = DicomObject:newarray() a[0].PatientID = 'a' a:Add(Data) a:Delete(0) return #a, a[0].PatientID", "1\t1CT1"),
    ("local a = newdicomarray() a[0].PatientID = 'a' return a:Serialize(), a:Serialize(true)", '{{PatientID="a"}}\t[{"PatientID":"a"}]'),
    ("local o = newdicomobject() o.PatientComments = 'a\\\\b\"\\n' return o:Serialize()", '{PatientComments="a\\\\b\\"\\010"}'),
    ("local o = newdicomobject() o.PixelPaddingValue = 3 o['0009,1010'] = 'p' return o:Serialize()", '{["0009,1010"]=nil --[[UN not serialized]],PixelPaddingValue=3}'),
    ("return Data:Serialize():match('PixelData=%S+ (.*)}$')", "--[[OW not serialized]]"),
    ("return Data:Serialize(true):find('PixelData'), Data:Serialize(true, true):match('PixelData\":%[(%d+,%d+)')", "nil\t256,770"),
    ("return #loadstring('return ' .. Data:Serialize(false, true))().PixelData", "32"),
    ("return Data:GetVR(0x7fe0, 0x10)[1], #Data:GetVR(0x7fe0, 0x10), #Data:GetVR(0x7fe0, 0x10, true)", "256\t32\t64"),
    ("servercommand('get_x', '>out') return io.open('out'):read('*a'), servercommand('get_x', 'binary')", "answer to get_x\tanswer to get_x"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "line"), FUNCTIONS, ids=[code for code, _ in FUNCTIONS])
def test_functions_work_on_data_or_on_an_object(bench: Bench, code: str, line: str) -> None:
    found = bench.value(f"(function() {code} end)()")
    assert found == line or found.startswith(f"{line}\t[string")


def test_what_has_no_text_is_printed_by_its_address(bench: Bench) -> None:
    for code, kind in (("{}", "table"), ("print", "function"), ("Data", "userdata")):
        assert bench.value(code).startswith(f"{kind}:0x")
    assert bench.value("setmetatable({}, {__tostring = function() return 'own' end})").startswith("table:0x")


def test_more_than_255_bytes_are_too_long(bench: Bench) -> None:
    bench.say("Data.PatientComments = string.rep('x', 256)")
    assert bench.value("Data.PatientComments") == "(too long)"
    assert bench.value("#Data:GetVR(0x10, 0x4000, true)") == "256"


def test_globals_live_as_long_as_the_association(bench: Bench) -> None:
    bench.say("counter = 1")
    assert bench.value("counter") == "1"
    bench.session.end()
    assert bench.value("counter") == "nil"


def test_items_are_live(bench: Bench) -> None:
    bench.say("Data.OtherPatientIDsSequence = {} item = Data.OtherPatientIDsSequence[0] item.PatientID = 'a'")
    bench.say("item.PatientID = 'b'")
    assert bench.subject.data.items(SEQUENCE)[0].text(0x00100020) == "b"  # type: ignore[index]


def test_rows_of_the_database(bench: Bench) -> None:
    assert bench.instance.store() == 0
    bench.say("r = dbquery('DICOMPatients', 'PatientID, PatientNam', \"PatientID = '1CT1'\", 'PatientID')")
    assert bench.value("#r, r[1][1], r[1][2], r[2]") == "1\t1CT1\tCompressedSamples^CT1\tnil"


def test_stored_objects_are_read_and_deleted(bench: Bench) -> None:
    assert bench.instance.store() == 0
    bench.say("q = DicomObject:new() q.PatientID = '1CT1' found = dicomread(q)")
    assert bench.value("#found, found[0].PatientName, found[0].Rows") == "1\tCompressedSamples^CT1\t4"
    assert bench.say("print(pcall(dicomdelete, DicomObject:new()))")[-1].startswith("false")
    assert len(bench.instance.files()) == 1
    assert bench.value("dicomdelete(q)") == "true"
    assert bench.instance.files() == []


def test_an_object_is_added_without_converters(bench: Bench) -> None:
    bench.instance.configure("destroy", engine=bench.engine)
    (line,) = [line for line in bench.say("Data:AddImage()") if line.startswith("Lua script")]
    assert line == f"Lua script written file: {bench.instance.files()[0]}"
    assert f"Lua script rewritten file: {bench.instance.files()[0]}" in bench.say("Data:AddImage()")


def test_a_header_is_dumped(bench: Bench, tmp_path: Path) -> None:
    bench.say("Data:Dump('x.txt')")
    assert "CompressedSamples^CT1" in (tmp_path / "x.txt").read_text()


def test_a_list_of_items(bench: Bench) -> None:
    names, vrs, groups, elements = bench.value("Data:ListItems()").split("\t")
    at = names.split("|").index("PatientName")
    assert (vrs.split("|")[at], groups.split("|")[at], elements.split("|")[at]) == ("PN", "16", "16")


def test_serialized_text_is_what_it_was(bench: Bench) -> None:
    bench.say("Data.OtherPatientIDsSequence = {} Data.OtherPatientIDsSequence[0].PatientID = 'a\"\\\\b'")
    bench.say("t = loadstring('return ' .. Data:Serialize())()")
    assert bench.value("t.PatientName, t.Rows, t.OtherPatientIDsSequence[1].PatientID") == (
        'CompressedSamples^CT1\t4\ta"\\b'
    )
    assert bench.value("type(t.Rows), type(t.SeriesNumber), #Data:GetVR(0x28, 0x10)") == "number\tstring\t1"
    assert bench.value('Data:Serialize(true):match(\'"SeriesNumber":"%d+"\') ~= nil') == "true"
    bench.say("o = newdicomobject(Data:Serialize(true)) p = newdicomobject(Data:Serialize(true, false, true))")
    for name in "op":
        assert bench.value(f"{name}.PatientName, {name}.Rows, {name}.OtherPatientIDsSequence[0].PatientID") == (
            'CompressedSamples^CT1\t4\ta"\\b'
        )


def test_a_compressed_copy_needs_no_codec_or_is_none(bench: Bench) -> None:
    assert bench.value("Data:Compress('ul').PatientID, Data:Compress('j2')") == "1CT1\tnil"
