-- Ends holds and learns the truth about balances, in one step.
--
-- ARGV: mark, generation to begin with, e, x, n; then e operations, of which the first x may still come
-- and are cancelled beforehand; then a column of n fields v<id>, and n times v<id>, version, t<id>, truth.
-- Returns how many holds were pending.

local e, x, n = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local ops = 5
local versions, truths = ops + e, ops + e + n
local money, flight = matched(
  redis.pcall('HMGET', KEYS[1], 'g', unpack(ARGV, versions + 1, versions + n)),
  redis.pcall('HMGET', KEYS[2], 'g', unpack(ARGV, ops + 1, ops + e)))

local give, text, ended, marks = {}, {}, {}, {}

-- back adds to what a balance gets back, and keeps the text of an amount that stands alone.
local function back(field, s)
  local before = give[field]
  give[field] = (before or 0) + tonumber(s)
  text[field] = not before and s
end

for i = 1, e do
  local op, was = ARGV[ops + i], flight[i + 1]
  if not was then
    if i <= x then
      marks[#marks + 1] = op
      marks[#marks + 1] = 'x'
    end
  elseif was ~= 'x' then
    ended[#ended + 1] = op
    local user, deposit, s = string.match(was, RECORD)
    if user then
      back(user, s)
      if deposit ~= 'p0' then back(deposit, s) end
    end
  end
end

local fresh, newest = {}, {}
for i = 1, n do
  local at = truths + 4 * i
  local field, version = ARGV[at - 3], tonumber(ARGV[at - 2])
  local known = newest[field] or whole(money[i + 1])
  if not known or version >= known then
    newest[field] = version
    local to = #fresh
    fresh[to + 1], fresh[to + 2], fresh[to + 3], fresh[to + 4] = field, ARGV[at - 2], ARGV[at - 1], ARGV[at]
  end
end

for field, amount in pairs(give) do
  local now = redis.pcall('HINCRBY', KEYS[1], field, '-' .. (text[field] or digits(amount)))
  if type(now) == 'table' or now < 0 then -- it was broken, or dropped while this was in flight
    redis.call('HSET', KEYS[1], field, '0')
  end
end
if #ended > 0 then redis.call('HDEL', KEYS[2], unpack(ended)) end
if not money[1] and (#fresh > 0 or #marks > 0) then
  redis.call('HSET', KEYS[1], 'g', ARGV[2])
  redis.call('HSET', KEYS[2], 'g', ARGV[2])
end
if #marks > 0 then redis.call('HSET', KEYS[2], unpack(marks)) end
if #fresh > 0 then redis.call('HSET', KEYS[1], unpack(fresh)) end
return #ended
