-- Stores many keys as fast as wrk can: `wrk -t THREADS ... -s fill.lua URL -- KEYS DIGITS THREADS spindrift|etcd`, with this
-- folder in LUA_PATH. Begins anew with the first key after the last one: load.py ends it when all are stored.
--
-- Keys are `key-` and so many digits, values 100 bytes. Each thread has its share of the keys.

local requests_of = require("requests")

local VALUE_BYTES = 100

local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

local api, key_format, value_format
local next_key, first_key, last_key

function init(arguments)
  local keys, digits, all_threads = tonumber(arguments[1]), tonumber(arguments[2]), tonumber(arguments[3])
  api = arguments[4]
  key_format = string.format("key-%%0%dd", digits)
  value_format = string.rep("v", VALUE_BYTES - digits) .. string.format("%%0%dd", digits)
  first_key = math.floor(keys * number / all_threads)
  last_key = math.floor(keys * (number + 1) / all_threads) - 1
  next_key = first_key
end

function request()
  local key = next_key
  next_key = key < last_key and key + 1 or first_key
  return requests_of.put(api, string.format(key_format, key), string.format(value_format, key))
end
