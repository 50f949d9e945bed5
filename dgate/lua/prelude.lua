-- What a script finds in its state (conquest-converters.md 11), and the limits it runs in.
-- Only nil, booleans, numbers and strings ever cross the border to the server: lists go as text, objects as numbers.

local python_call, memory, instructions, period, sandboxed = ...

local call = python.as_function(python_call)
local error, pcall, type, tostring, tonumber, next = error, pcall, type, tostring, tonumber, next
local select, unpack, pairs, rawget, rawset = select, unpack, pairs, rawget, rawset
local setmetatable, newproxy, loadstring, loadfile = setmetatable, newproxy, loadstring, loadfile
local used, collect = gcinfo, collectgarbage
local find, sub, gmatch, gsub = string.find, string.sub, string.gmatch, string.gsub
local concat = table.concat
local create, resume, guarded = coroutine.create, coroutine.resume, xpcall
local sethook, raw_metatable = debug.sethook, debug.getmetatable

python = nil
package.loaded.python = nil

-- limits: a hook counts instructions and looks at the memory. Once a limit is passed every further instruction fails,
-- so that no pcall of the script can hold on.

local spent, over = 0, nil

local tick

local function stop(why)
  over = why
  sethook(tick, '', 1)
  error(over, 0)
end

local function look()
  if over then stop(over) end
  if spent > instructions then
    stop('more than ' .. instructions / 1000000 .. ' million instructions (LuaMaxInstructions)')
  end
  if used() > memory then
    collect()
    spent = spent + instructions / 100
    if used() > memory then stop('not enough memory (LuaMaxMemory)') end
  end
end

function tick()
  spent = spent + period
  look()
end

local function cross(cost, ...)
  spent = spent + cost
  if over or spent > instructions or used() > memory then look() end
  return call(...)
end

-- errors are those of who called the function that ends with this

local function finish(ok, ...)
  if ok then return ... end
  error((...), 3)
end

-- a script that catches the end of its memory would only meet it again

local function caught(ok, fault, ...)
  if not ok and fault == 'not enough memory' then stop('not enough memory (LuaMaxMemory)') end
  return ok, fault, ...
end

_G.pcall = function(...) return caught(pcall(...)) end

coroutine.resume = function(...) return caught(resume(...)) end

coroutine.create = function(f)
  local made = create(f)
  sethook(made, tick, '', period)
  return made
end

local function resumed(ok, ...)
  if ok then return ... end
  local fault = ...
  error(fault, type(fault) == 'string' and 3 or 0)
end

coroutine.wrap = function(f)
  local made = coroutine.create(f)
  return function(...) return resumed(caught(resume(made, ...))) end
end

-- what runs inside a hook or a finalizer is not counted: no handler for the errors of a hook, no finalizers of scripts

_G.xpcall = function(f, handler)
  return caught(guarded(f, function(fault)
    if over or fault == 'not enough memory' then return fault end
    return handler(fault)
  end))
end

_G.newproxy = nil

debug.sethook = function() error('the hook belongs to the server', 2) end
os.exit = function() error('a script cannot end the server', 2) end

-- the machine's stack grows with the length of a pattern

local LONGEST_PATTERN = 10000

local function check(value, at, name)
  local kind = type(value)
  if kind ~= 'string' and kind ~= 'number' then
    error('bad argument #' .. at .. " to '" .. name .. "' (string expected, got " .. kind .. ')', 3)
  end
end

local function bounded(name)
  local raw = string[name]
  string[name] = function(text, pattern, ...)
    check(text, 1, name)
    check(pattern, 2, name)
    if #(pattern .. '') > LONGEST_PATTERN then error('pattern too long', 2) end
    return raw(text, pattern, ...)
  end
end

for _, name in next, {'find', 'match', 'gmatch', 'gsub'} do bounded(name) end
string.gfind = string.gmatch

-- lists as text: numbers with commas between them, strings with their lengths before them

local function numbers(text, at)
  local list = {}
  for number in gmatch(text, '[^,]+') do
    list[at] = tonumber(number)
    at = at + 1
  end
  return list
end

local function strings(text)
  local list, count, at = {}, 0, 1
  while at <= #text do
    local colon = find(text, ':', at, true)
    local last = colon + tonumber(sub(text, at, colon - 1))
    count = count + 1
    list[count] = sub(text, colon + 1, last)
    at = last + 1
  end
  return list
end

local function as_text(list)
  local first = list[0] ~= nil and 0 or 1
  return concat(list, ',', first)
end

-- objects: a userdata stands for a number that the server knows

local ids, dead = setmetatable({}, {__mode = 'k'}), {}
local OBJECT, ARRAY = newproxy(true), newproxy(true)
local of_object, of_array = raw_metatable(OBJECT), raw_metatable(ARRAY)
local methods, array_methods = {}, {}

local function collected(proxy)
  local id = ids[proxy]
  if id then dead[#dead + 1] = id end
end

local alive, enough = 0, 5000

local function flush()
  local list = dead
  dead = {}
  alive = alive - #list
  call('forget', concat(list, ','))
end

local function wrap(kind, id)
  alive = alive + 1
  if alive > enough then  -- they weigh next to nothing here, and more with the server
    collect()
    if #dead > 0 then flush() end
    enough = 2 * alive + 5000
  elseif #dead > 500 then
    flush()
  end
  local proxy = newproxy(kind == 'o' and OBJECT or ARRAY)
  ids[proxy] = id
  return proxy
end

local function wrapped(ok, kind, value)
  if not ok then error(kind, 3) end
  if kind == nil then return end
  if kind == 'o' or kind == 'a' then return wrap(kind, value) end
  if kind == 'n' then return numbers(value, 0) end
  if kind == 'b' then return numbers(value, 1) end
  if kind == 's' then return strings(value) end
  if kind == 'r' then
    local rows = strings(value)
    for at = 1, #rows do rows[at] = strings(rows[at]) end
    return rows
  end
  return value
end

local function given(value)
  local kind = type(value)
  if kind == 'userdata' then return ids[value] end
  if kind == 'table' then return as_text(value) end
  if kind == 'string' or kind == 'number' or kind == 'boolean' then return value end
  return nil
end

local function arguments(...)
  local list, count = {...}, select('#', ...)
  for at = 1, count do list[at] = given(list[at]) end
  return unpack(list, 1, count)
end

local function write(self, key, value)
  local kind = type(value)
  if kind == 'number' then
    value = tostring(value)
  elseif kind == 'userdata' then
    value = ids[value]
  elseif kind == 'table' and next(value) == nil then
    value = nil
  elseif kind ~= 'string' and kind ~= 'nil' then
    error('a ' .. kind .. ' cannot be written', 3)
  end
  return cross(100, 'set', ids[self], key, kind, value)
end

for meta, own in next, {[of_object] = methods, [of_array] = array_methods} do
  meta.__metatable = false
  meta.__gc = collected
  meta.__index = function(self, key)
    local method = own[key]
    if method then return method end
    return wrapped(cross(100, 'get', ids[self], key))
  end
  meta.__newindex = function(self, key, value) return finish(write(self, key, value)) end
  meta.__len = function(self) return finish(cross(100, 'length', ids[self])) end
end

local Data, Command = wrap('o', 1), wrap('o', 2)

local function declare_method(table, name, command)
  table[name] = function(self, ...)
    local id = type(self) == 'userdata' and ids[self]
    if not id then error("call it with a colon: object:" .. name .. '()', 2) end
    return wrapped(cross(100, command, id, arguments(...)))
  end
end

for name, command in next, {
  Write = 'write', Read = 'read', Dump = 'dump', Copy = 'copy', Compress = 'compress', Script = 'script_on',
  AddImage = 'add_image', Reset = 'reset', Serialize = 'serialize', GetVR = 'get_vr',
  SetPixel = 'set_pixel', GetRow = 'get_row', SetRow = 'set_row', GetColumn = 'get_column',
  SetColumn = 'set_column', GetImage = 'get_image', SetImage = 'set_image', DeleteFromSequence = 'delete_item',
  new = 'new_object', newarray = 'new_array', free = 'free',
} do declare_method(methods, name, command) end
methods.SetVR = function(self, group, element, value)
  local command = type(value) == 'table' and 'set_vr_list' or 'set_vr'
  return finish(cross(100, command, ids[self], group, element, given(value)))
end
for name, command in next, {ListItems = 'list_items', GetPixel = 'get_pixel'} do  -- these give more than one value
  methods[name] = function(self, ...)
    local id = type(self) == 'userdata' and ids[self]
    if not id then error("call it with a colon: object:" .. name .. '()', 2) end
    return finish(cross(100, command, id, arguments(...)))
  end
end
for name, command in next, {Add = 'add', Delete = 'delete', Serialize = 'serialize', free = 'free'} do
  declare_method(array_methods, name, command)
end

for name, method in next, {
  getpixel = 'GetPixel', setpixel = 'SetPixel', getrow = 'GetRow', setrow = 'SetRow', getcolumn = 'GetColumn',
  setcolumn = 'SetColumn', getimage = 'GetImage', setimage = 'SetImage', getvr = 'GetVR', setvr = 'SetVR',
  readdicom = 'Read', writedicom = 'Write', writeheader = 'Dump', resetdicom = 'Reset', copydicom = 'Copy',
  compressdicom = 'Compress', listitems = 'ListItems', serialize = 'Serialize', addimage = 'AddImage',
} do
  _G[name] = function(...)
    local first = ...
    if type(first) == 'userdata' and ids[first] then return methods[method](...) end
    return methods[method](Data, ...)
  end
end

-- values by name

local function named(reader, writer)
  local proxy = newproxy(true)
  local meta = raw_metatable(proxy)
  meta.__metatable = false
  meta.__index = function(_, key) return finish(cross(100, reader, key)) end
  meta.__newindex = function(_, key, value)
    if not writer then error('it cannot be written', 2) end
    return finish(cross(1000, writer, key, given(value)))
  end
  return proxy
end

_G.Data, _G.Command = Data, Command
DicomObject = wrap('o', 3)
Association = named('association')
Global = named('global', 'set_global')

-- functions

for name, cost in next, {
  destroy = 100, reject = 100, retry = 100, script = 1000, dictionary = 100, get_amap = 100, get_sqldef = 100, gpps = 100,
  genuid = 100, tempfile = 1000, tickcount = 10, sleep = 100, mkdir = 1000, system = 1000, crc = 100, md5 = 10000,
  changeuid = 10000, changeuidback = 10000, sql = 10000, dicommove = 10000, servercommand = 10000, heapinfo = 10,
  newdicomdelete = 10000, newdicommodify = 10000, newdicomcopy = 10000, dicomprint = 1000,
} do
  _G[name] = function(...) return finish(cross(cost, name, arguments(...))) end
end

for _, name in next, {
  'dbquery', 'dicomquery', 'dicomread', 'dicomget', 'dicomstore', 'dicomecho', 'dicomdelete', 'newdicomobject',
  'newdicomarray', 'listoldestpatients',
} do
  _G[name] = function(...) return wrapped(cross(10000, name, arguments(...))) end
end

ConvertBinaryData = function(form, data)
  if type(data) ~= 'table' then return wrapped(cross(1000, 'from_binary', form, given(data))) end
  local list = {}
  for at = 1, #data do
    local value = tostring(data[at])
    list[at] = #value .. ':' .. value
  end
  return finish(cross(1000, 'to_binary', form, concat(list)))
end

-- only a web server has somebody to show these to, or to ask

HTML = function() end
CGI = function(_, default) return default or '' end

package.preload.pack = function()
  for name, command in next, {pack = 'pack', unpack = 'unpack'} do
    string[name] = function(...) return finish(cross(100, command, arguments(...))) end
  end
  return true
end

-- the log

local function shown(value)
  local kind = type(value)
  if kind == 'string' then return value end
  if kind == 'number' or kind == 'boolean' or kind == 'nil' then return tostring(value) end
  local meta = raw_metatable(value)
  local own = meta and rawget(meta, '__tostring')
  if own == nil then return (gsub(tostring(value), ': ', ':', 1)) end
  rawset(meta, '__tostring', nil)
  local text = tostring(value)
  rawset(meta, '__tostring', own)
  return (gsub(text, ': ', ':', 1))
end

for name, command in next, {print = 'print', debuglog = 'debuglog'} do
  _G[name] = function(...)
    local list = {}
    for at = 1, select('#', ...) do list[at] = shown((select(at, ...))) end
    return finish(cross(10000, command, concat(list, '\t')))
  end
end

-- what an operator can take away

if sandboxed then
  os, io, package, debug, require, module, system = nil, nil, nil, nil, nil, nil, nil
  _G.loadstring = function(text, name)
    if type(text) == 'string' and sub(text, 1, 1) == '\27' then return nil, 'no compiled code is run' end
    return loadstring(text, name)
  end
  load = function(reader, name)
    local pieces = {}
    for piece in reader do
      if piece == '' then break end
      pieces[#pieces + 1] = piece
    end
    return _G.loadstring(concat(pieces), name or '=(load)')
  end
end

-- running

local function outcome(ok, fault)
  if ok then return nil, fault ~= nil and shown(fault) or nil end
  local kind = type(fault)
  if kind ~= 'string' and kind ~= 'number' then fault = '(error object is a ' .. kind .. ' value)' end
  return 'run', tostring(fault)
end

local function run(code, path, argument, version, nested)
  if not nested then spent, over = 0, nil end
  sethook(tick, '', period)
  if argument then command_line, _G.version = argument, version end
  local chunk, fault
  if path then chunk, fault = loadfile(path) else chunk, fault = loadstring(code) end
  if not chunk then return path and 'run' or 'syntax', fault end
  return outcome(pcall(chunk))
end

return run, collect, sethook
