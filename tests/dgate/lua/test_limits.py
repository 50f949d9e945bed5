"""Scripts that want too much: each ends with one line, and the next one runs as if nothing had been."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from dgate.interfaces import Session
from dgate.lua.border import MAX_OBJECTS
from dgate.rules.outcome import Status

if TYPE_CHECKING:
    from tests.dgate.lua.scripts import Bench

INSTRUCTIONS = "more than 20 million instructions (LuaMaxInstructions)"
MEMORY = "not enough memory"

ENDLESS = [
    "while true do end",
    "while true do pcall(function() while true do end end) end",
    "xpcall(function() while true do end end, function() while true do end end)",
    "local f = function() while true do end end while true do coroutine.resume(coroutine.create(f)) end",
    "local f = coroutine.wrap(function() while true do coroutine.yield() end end) while true do f() end",
    "while true do os.time() end",
    "while true do newdicomobject() end",
    "setmetatable(_G, {__index = function(_, key) while true do end end}) print(nosuch)",
    "table.sort({1, 2, 3}, function() while true do end end)",
    "string.gsub('a', 'a', function() while true do end end)",
    "script('lua:while true do end') while true do end",
]
HUNGRY = [
    "t = {} while true do t[#t + 1] = {} end",
    "s = 'a' while true do s = s .. s end",
    "string.rep('x', 1e9)",
    "while true do pcall(string.rep, 'x', 1e9) end",
    "while true do pcall(function() local s = 'a' while true do s = s .. s end end) end",
    "while true do coroutine.wrap(function() string.rep('x', 1e9) end)() end",
    "x = string.rep('x', 9e6) for i = 10, 99 do Data['0011,10' .. i] = x end",
    "t = {} for i = 1, 1e9 do t[i] = Data:Serialize() .. i end",
]


@pytest.fixture(autouse=True)
def limited(bench: Bench) -> None:
    bench.limit(lua_max_instructions=20, lua_max_memory=16)


@pytest.mark.parametrize("code", ENDLESS)
def test_an_endless_script_ends(bench: Bench, code: str) -> None:
    assert INSTRUCTIONS in bench.say(code)[-1]
    assert bench.say("setmetatable(_G, nil) print('alive', Data.PatientID)") == ["alive\t1CT1"]


@pytest.mark.parametrize("code", HUNGRY)
def test_a_hungry_script_ends(bench: Bench, code: str) -> None:
    lines = bench.say(code)
    assert MEMORY in lines[-1] or INSTRUCTIONS in lines[-1]
    assert bench.say("print('alive', Data.PatientID)") == ["alive\t1CT1"]


DEEP = [
    ("local function f() return 1 + f() end f()", "stack overflow"),
    ("local function f(s) return (s:gsub('.', f)) end f('a')", "stack overflow"),
    ("local function f() coroutine.wrap(f)() end f()", "[string"),
    ("local t = setmetatable({}, {__index = function(t, key) return t[key .. 'x'] end}) return t.a", "stack overflow"),
    ("return string.find(string.rep('a', 1e5), string.rep('a?', 1e5))", "pattern too long"),
    ("return loadstring('return ' .. string.rep('(', 1e5))()", "attempt to call"),
    ("code = [[script('lua:loadstring(code)()')]] loadstring(code)()", "more than 8 deep"),
    ("for i = 1, 1e6 do unpack({}, 1, 1e6) end", "too many results"),
]


@pytest.mark.parametrize(("code", "why"), DEEP)
def test_a_deep_script_ends(bench: Bench, code: str, why: str) -> None:
    assert why in bench.say(code)[-1]
    assert bench.value("'alive'") == "alive"


@pytest.mark.parametrize(
    "code",
    [
        "string.find, string.gsub, table.concat, tostring, type, error = nil",
        "print, pcall = nil",
        "for name in pairs(_G) do _G[name] = nil end",
        "string.format = error  getmetatable('').__index = nil",
    ],
)
def test_a_script_that_breaks_its_library_breaks_nothing_else(bench: Bench, code: str) -> None:
    bench.say(code)
    bench.say("x.y = 1")
    bench.session.end()
    assert bench.say("print('alive', Data.PatientName)") == ["alive\tCompressedSamples^CT1"]


def test_huge_lines_are_cut(bench: Bench) -> None:
    (line,) = bench.say("print(string.rep('x', 200000))")
    assert len(line) == 65539
    assert len(bench.say("print(string.rep('x\\n', 30000))")) == 1000
    (line,) = bench.say("error(string.rep('e', 100000))")
    assert len(line) < 2500


def test_a_line_shows_what_it_prints_and_obeys_only_line_ends(bench: Bench) -> None:
    assert bench.say("print('\\255\\t' .. 'x')") == ["\udcff\tx"]


def test_objects_that_are_forgotten_leave_the_server(bench: Bench) -> None:
    bench.limit(lua_max_instructions=2000, lua_max_memory=64)
    assert bench.say("for i = 1, 30000 do local o = DicomObject:new() end print('done')") == ["done"]
    assert bench.say(f"t = {{}} for i = 1, {MAX_OBJECTS} + 1 do t[i] = DicomObject:new() end")[-1].endswith("end'")


@pytest.mark.parametrize(
    "code",
    [
        "return python", "return package.loaded.python", "return python.eval",
        "return getmetatable(Data).__index", "return debug.getupvalue(genuid, 1)()",
    ],
)  # fmt: skip
def test_nothing_of_python_is_in_reach(bench: Bench, code: str) -> None:
    lines = bench.say(f"print(pcall(function() {code} end))")
    assert "nil" in lines[0] or lines[0].startswith("false")
    assert "<" not in lines[0]


def test_even_the_registry_gives_no_attribute(bench: Bench) -> None:
    code = """
    for _, table in pairs(debug.getregistry()) do
      if type(table) == 'table' then for _, value in pairs(table) do
        if type(value) == 'userdata' then for _, name in ipairs({'__class__', '__globals__', '__self__', 'func'}) do
          local ok, got = pcall(function() return value[name] end)
          if ok and got ~= nil then print('reached', name) end
        end end
      end end
    end print('done')"""
    assert bench.say(code) == ["done"]


def test_the_sandbox_takes_the_machine_away(bench: Bench) -> None:
    bench.limit(lua_sandbox=True)
    assert bench.value("os, io, package, debug, require, module, system") == "\t".join(["nil"] * 7)
    assert bench.value("loadstring('return 1')(), loadstring('\\27Lua')") == "1\tnil\tno compiled code is run"
    assert bench.value("load(string.gmatch('return 2', '.'))()") == "2"
    assert bench.value("Data.PatientName, genuid() ~= nil") == "CompressedSamples^CT1\ttrue"


def test_each_association_has_its_own_state_and_thread_for_its_time(bench: Bench) -> None:
    def lua_threads() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == "lua"]

    sessions = [Session() for _ in range(3)]
    for number, bench.session in enumerate(sessions):
        bench.say(f"mine = {number}")
    threads = lua_threads()
    for number, bench.session in enumerate(sessions):
        assert bench.value("mine") == str(number)
    for session in sessions:
        session.end()
        assert session.scripts is None
    for thread in threads:
        thread.join(10)
    assert lua_threads() == []


def test_a_session_that_nobody_ends_takes_its_state_with_it(bench: Bench) -> None:
    bench.session = Session()
    bench.say("x = 1")
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "lua"]
    bench.session.ending.clear()
    bench.session = Session()
    thread.join(10)
    assert not thread.is_alive()


def test_results_survive_an_error(bench: Bench) -> None:
    assert bench.run("reject() error('x')") is Status.REJECT
    assert bench.run("destroy()") is Status.DESTROY
    assert bench.run("script('destroy')") is Status.DESTROY
    assert bench.run("destroy() script('nop')") is Status.NEXT
    assert bench.run("script('stop')") is Status.STOP
    assert bench.run("x = 1") is Status.NEXT
    assert not bench.subject.again
    assert bench.run("retry()") is Status.NEXT
    assert bench.subject.again
