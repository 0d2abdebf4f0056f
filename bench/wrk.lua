-- Sends the requests of a file as they are, in order, from the top again when it ends.
-- Each is preceded by its length in eight digits.
local pool, position = {}, 0

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  while true do
    local length = file:read(8)
    if not length then break end
    pool[#pool + 1] = file:read(tonumber(length))
  end
  file:close()
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
