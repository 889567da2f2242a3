-- For wrk: sends the requests of a file, one after another, and reports what came of them as one line of JSON.
-- wrk -s matrix.lua URL -- REQUESTS: raw requests with a NUL between them; `@@` in one becomes a number of its
-- own each time it is sent, as the transaction ids of Matrix are.
local before, after = {}, {}
local at, sent = 0, 1000000000000

function init(args)
  local file = assert(io.open(args[1], "rb"))
  for request in file:read("*a"):gmatch("%Z+") do
    local from, to = request:find("@@", 1, true)
    before[#before + 1] = from and request:sub(1, from - 1) or request
    after[#before] = from and request:sub(to + 1) or false
  end
  file:close()
end

function request()
  at = at % #before + 1
  if after[at] then
    sent = sent + 1
    return before[at] .. string.format("%d", sent) .. after[at]
  end
  return before[at]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %.6f, "bytes": %.0f, "p50": %.0f, "p90": %.0f, "p99": %.0f, "p999": %.0f, "errors": %d}\n',
    summary.requests, summary.duration / 1e6, summary.bytes,
    latency:percentile(50), latency:percentile(90), latency:percentile(99), latency:percentile(99.9),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout
  ))
end
