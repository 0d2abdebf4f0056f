"""The audio cache's scripts: each is one step, and declares every key that it touches.

`KEYS[1]` to `KEYS[4]` are a hotel's index, the rest are entries:
- `used`: ids by the microsecond of their last use;
- `rows`: for each id its deadline, 15 digits of milliseconds, and its size;
- `due`: `deadline id`, all of one score and so in the order of their ends; it is
  also what is listed, for no use and no eviction changes the place of another;
- `bytes`: the sum of the sizes.

An entry is a hash with a deadline of its own, data and metadata together. Redis
may evict any key when its memory is full: an index that is not whole any more is
dropped, and an entry that no index knows is a miss.
"""

SWEPT = 32
"""So many ended rows leave the index with each use of it."""
VICTIMS = 32
"""So many entries make room in one step."""

_INDEX = """
local USED, ROWS, DUE, BYTES = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ended = string.format('(%015.0f ', now)

local count = redis.call('ZCARD', USED)
if count == 0 or count ~= redis.call('HLEN', ROWS) or count ~= redis.call('ZCARD', DUE)
    or redis.call('EXISTS', BYTES) == 0 then
    redis.call('UNLINK', USED, ROWS, DUE, BYTES)
end

local function forget(id)
    local row = redis.call('HGET', ROWS, id)
    if not row then return end
    -- First what a full Redis refuses, so that the index stays whole.
    redis.call('DECRBY', BYTES, string.sub(row, 17))
    redis.call('ZREM', USED, id)
    redis.call('HDEL', ROWS, id)
    redis.call('ZREM', DUE, string.sub(row, 1, 16) .. id)
end

local function sweep(most)
    local rows = redis.call('ZRANGEBYLEX', DUE, '-', ended, 'LIMIT', 0, most)
    for _, one in ipairs(rows) do forget(string.sub(one, 17)) end
    return #rows
end

local function use(id)
    local last = redis.call('ZREVRANGE', USED, 0, 0, 'WITHSCORES')
    local moment = time[1] * 1000000 + time[2]
    if last[1] then moment = math.max(moment, tonumber(last[2]) + 1) end
    redis.call('ZADD', USED, string.format('%.0f', moment), id)
end

local function size()
    return {redis.call('ZCARD', USED), tonumber(redis.call('GET', BYTES) or 0)}
end
"""

# KEYS[5]: the entry. ARGV: its id, how many rows to sweep. Answers its content and
# media type, or nothing; then how much is kept and how many rows were swept.
GET = (
    _INDEX
    + """
local swept = sweep(tonumber(ARGV[2]))
local known = redis.call('HEXISTS', ROWS, ARGV[1]) == 1
local found = redis.call('HMGET', KEYS[5], 'content', 'media_type')
if known and found[1] then
    use(ARGV[1])
    return {found[1], found[2], size(), swept}
end
if known then forget(ARGV[1]) end
redis.call('UNLINK', KEYS[5])
return {false, false, size(), swept}
"""
)

# KEYS[5]: the entry, then those that may make room. ARGV: its id, content, kind, media
# type; how long it is kept; the most bytes and entries; rows to sweep, victims to name;
# then the ids of those that may make room. Only the one used longest ago goes, so that
# an id that was used meanwhile stays. Answers whether it was stored, how much is kept,
# how many rows were swept and evicted, and otherwise who would have to make room.
PUT = (
    _INDEX
    + """
local id, content = ARGV[1], ARGV[2]
local most_bytes, most_entries = tonumber(ARGV[6]), tonumber(ARGV[7])
local may = {}
for at = 6, #KEYS do may[ARGV[at + 4]] = KEYS[at] end
local swept = sweep(tonumber(ARGV[8]))
forget(id)
redis.call('UNLINK', KEYS[5])
local evicted, kept = 0, size()
while kept[1] + 1 > most_entries or kept[2] + #content > most_bytes do
    local oldest = redis.call('ZRANGE', USED, 0, 0)[1]
    if not may[oldest] or swept == tonumber(ARGV[8]) then
        return {0, kept, swept, evicted, redis.call('ZRANGE', USED, 0, tonumber(ARGV[9]) - 1)}
    end
    forget(oldest)
    redis.call('UNLINK', may[oldest])
    evicted, kept = evicted + 1, size()
end
local until_ms = string.format('%015.0f ', now + tonumber(ARGV[5]))
redis.call('HSET', KEYS[5], 'content', content, 'kind', ARGV[3], 'media_type', ARGV[4],
    'bytes', #content, 'made', string.format('%.0f', now))
redis.call('PEXPIREAT', KEYS[5], tonumber(until_ms))
redis.call('HSET', ROWS, id, until_ms .. #content)
redis.call('ZADD', DUE, 0, until_ms .. id)
redis.call('INCRBY', BYTES, #content)
use(id)
local last = redis.call('ZREVRANGEBYLEX', DUE, '+', '-', 'LIMIT', 0, 1)[1]
for at = 1, 4 do redis.call('PEXPIREAT', KEYS[at], tonumber(string.sub(last, 1, 15)) + 1) end
return {1, size(), swept, evicted, {}}
"""
)

# ARGV: the place after which to go on, how many. Answers these rows of `due` that have
# not ended, and how many there are in all.
SLICE = (
    _INDEX
    + """
local first = string.sub(ended, 2)
local from = ended
if ARGV[1] >= first then from = '(' .. ARGV[1] end
local rows = redis.call('ZRANGEBYLEX', DUE, from, '+', 'LIMIT', 0, tonumber(ARGV[2]))
return {rows, redis.call('ZLEXCOUNT', DUE, ended, '+')}
"""
)

# KEYS from 5: entries; ARGV: their ids. Takes those out of the index that are gone.
FORGET_GONE = (
    _INDEX
    + """
for at, id in ipairs(ARGV) do
    if redis.call('EXISTS', KEYS[at + 4]) == 0 then forget(id) end
end
"""
)

# KEYS from 5: entries; ARGV: their ids. Answers how many of them were known, and whether
# any others are left.
PURGE = (
    _INDEX
    + """
local gone = 0
for at, id in ipairs(ARGV) do
    gone = gone + redis.call('HEXISTS', ROWS, id)
    forget(id)
    redis.call('UNLINK', KEYS[at + 4])
end
return {gone, redis.call('ZCARD', USED)}
"""
)

# ARGV: how many. Answers the first ids of the index, ended or not.
FIRST = (
    _INDEX
    + """
local ids = {}
for _, one in ipairs(redis.call('ZRANGEBYLEX', DUE, '-', '+', 'LIMIT', 0, tonumber(ARGV[1]))) do
    ids[#ids + 1] = string.sub(one, 17)
end
return ids
"""
)
