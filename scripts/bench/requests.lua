-- The requests of a benchmark, in the form that each server takes them: `requests.put(api, key, value)` and
-- `requests.get(api, key)`, where the API is `spindrift` (and that of its twins) or `etcd` (its JSON gateway).

local requests = {}

local DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local JSON = { ["Content-Type"] = "application/json" }

local function base64(text)
  local encoded = {}
  for start = 1, #text, 3 do
    local a, b, c = text:byte(start, start + 2)
    local bits = a * 65536 + (b or 0) * 256 + (c or 0)
    for digit = 3, 0, -1 do
      local value = math.floor(bits / 64 ^ digit) % 64
      encoded[#encoded + 1] = DIGITS:sub(value + 1, value + 1)
    end
    if not b then
      encoded[#encoded - 1] = "="
    end
    if not c then
      encoded[#encoded] = "="
    end
  end
  return table.concat(encoded)
end

local apis = {
  spindrift = {
    put = function(key, value)
      return wrk.format("PUT", "/put", JSON, string.format('{"key":"%s","value":"%s"}', key, value))
    end,
    get = function(key)
      return wrk.format("GET", "/get/" .. key)
    end,
  },
  etcd = {
    put = function(key, value)
      local body = string.format('{"key":"%s","value":"%s"}', base64(key), base64(value))
      return wrk.format("POST", "/v3/kv/put", JSON, body)
    end,
    get = function(key)
      return wrk.format("POST", "/v3/kv/range", JSON, string.format('{"key":"%s"}', base64(key)))
    end,
  },
}

local function of(api)
  return apis[api] or error("no API is called " .. tostring(api))
end

function requests.put(api, key, value)
  return of(api).put(key, value)
end

function requests.get(api, key)
  return of(api).get(key)
end

return requests
