-- What wrk sends in a benchmark: `wrk ... -s workload.lua URL -- put|get spindrift|etcd`, with this folder in LUA_PATH.
--
-- 10,000 keys in turn. `put` sends values of 100 bytes; `get` reads keys that an earlier `put` stored. Every request is
-- made once, in init(), so that a request costs a table look-up while the clock runs. The last line of the output is
-- one that load.py reads.

local requests_of = require("requests")

local KEYS = 10000
local VALUE_BYTES = 100

local threads = 0

function setup(thread)
  -- Threads start at different keys, or they would all write the same key at the same time.
  thread:set("first", threads * 4999)
  threads = threads + 1
end

local requests = {}
local position = 0

function init(arguments)
  local operation, api = arguments[1], arguments[2]
  for number = 0, KEYS - 1 do
    local key = string.format("key-%05d", number)
    if operation == "put" then
      local value = string.rep("v", VALUE_BYTES - 5) .. string.format("%05d", number)
      requests[number] = requests_of.put(api, key, value)
    elseif operation == "get" then
      requests[number] = requests_of.get(api, key)
    else
      error("workload.lua: name the operation after '--': put or get")
    end
  end
  position = first % KEYS
end

function request()
  position = position + 1
  if position == KEYS then
    position = 0
  end
  return requests[position]
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    'RESULT {"requests": %d, "microseconds": %d, "p50_us": %.0f, "p99_us": %.0f, "not_ok": %d, "broken": %d}',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
