-- Put before each script.
--
-- KEYS[1] is the hash of a partner's balances: t<id> the truth, v<id> its version, p<id> what is
-- pending on it. KEYS[2] is the hash of what is in flight: <op> to "p<balance>:p<deposit>:amount", or to
-- "x" for an operation that was cancelled before it came. Both have the generation under g: when one
-- of them was lost or replaced the generations differ, and then neither is worth keeping.

if ARGV[1] == '0' then return {} end -- its caller had gone before it was sent

local LIMIT = 9007199254740991 -- above it a number of Lua is no longer exact

-- whole is the integer in s, or nil when s is anything else.
local function whole(s)
  local n = tonumber(s)
  if n and n >= -LIMIT and n <= LIMIT and n % 1 == 0 then return n end
  return nil
end

-- digits writes an integer in full: tostring and .. turn 1e15 into an exponent.
local function digits(n)
  if n == 0 then return '0' end
  return string.format('%.0f', n)
end

-- matched keeps two readings of HMGET that begin with g only when they belong together.
local function matched(money, flight, lost)
  if not lost and not money.err and not flight.err and money[1] == flight[1] then return money, flight end
  redis.call('UNLINK', KEYS[1], KEYS[2])
  return {}, {}
end

-- RECORD takes what is kept of a hold apart, into two fields of the balances and the amount.
local RECORD = '^(p%-?%d+):(p%-?%d+):(%d+)$'
