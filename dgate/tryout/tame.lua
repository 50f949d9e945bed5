-- What a script finds in a trial: it reads as always, and what it would write, run or remove is told.

local tell = servercommand

local function would(deed, text) tell('would:' .. deed .. ':' .. tostring(text)) end

local function sink()
  local file = {}
  for _, name in ipairs {'write', 'setvbuf', 'seek'} do file[name] = function() return file end end
  for _, name in ipairs {'close', 'flush', 'read'} do file[name] = function() return nil end end
  return file
end

function servercommand(command, mode)
  if type(mode) ~= 'string' or mode:sub(1, 1) ~= '>' then return tell(command, mode) end
  would('write', mode:sub(2))
end

if os then

local time = os.time

function os.execute(command)
  if command == nil then return 1 end
  would('run', command)
  return 0
end

function os.remove(name) would('remove', name) return true end
function os.rename(from, to) would('write', to) return true end
function os.exit() error('os.exit() would end the server', 2) end
function os.tmpname() return '/tmp/lua_' .. time() end
os.setlocale = nil

end

if io then

local open = io.open

function io.open(name, mode)
  if mode == nil or mode == 'r' or mode == 'rb' then return open(name, mode) end
  would('write', name)
  return sink()
end

function io.popen(command) would('run', command) return sink() end
function io.output(file) if type(file) == 'string' then would('write', file) end return sink() end
function io.write() return sink() end
io.tmpfile, io.stdout, io.stderr = sink, sink(), sink()

end

if package then package.cpath, package.loadlib = '', nil end
debug = nil
