-- Sends the requests of a file as they are, in order, from the top again when it ends.
-- Each is preceded by its length in eight digits. With a second argument, so many a second start,
-- at random times, whether those before are answered or not, as long as a connection is free.
local ffi = require("ffi")
ffi.cdef [[
  typedef struct { long seconds; long micros; } now_t;
  int gettimeofday(now_t *now, void *zone);
]]
local pool, position, time, due = {}, 0, ffi.new("now_t"), nil

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  while true do
    local length = file:read(8)
    if not length then break end
    pool[#pool + 1] = file:read(tonumber(length))
  end
  file:close()
  if arguments[2] then pace(tonumber(arguments[2])) end
end

-- `delay` is asked for by each connection before each of its requests: it takes the next start.
function pace(rate)
  function delay()
    ffi.C.gettimeofday(time, nil)
    local now = tonumber(time.seconds) * 1e3 + tonumber(time.micros) / 1e3
    due = (due or now) - math.log(1 - math.random()) * 1e3 / rate
    return math.max(0, math.floor(due - now + 0.5))
  end
end

function request()
  position = position % #pool + 1
  return pool[position]
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests": %d, "microseconds": %d, "refused": %d, "broken": %d, "p50_us": %d, "p99_us": %d}\n',
    summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
