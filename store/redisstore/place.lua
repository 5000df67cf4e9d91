-- Decides the holds of a batch in order, all reads before the first write.
--
-- ARGV: mark, m, n; then m pairs of the fields t<id> and p<id>; then columns of n: operations, amounts,
-- indices of the user's balance (negative: forced), of the deposit (0: none), records for the flight.
-- Returns n times: result, available of the user's balance before, of the deposit before.

local m, n = tonumber(ARGV[2]), tonumber(ARGV[3])
local ops = 3 + 2 * m
local amounts, users, deposits, records = ops + n, ops + 2 * n, ops + 3 * n, ops + 4 * n
local money, flight = matched(
  redis.pcall('HMGET', KEYS[1], 'g', unpack(ARGV, 4, ops)),
  redis.pcall('HMGET', KEYS[2], 'g', unpack(ARGV, ops + 1, ops + n)))

local left, truth, change, text, broken = {}, {}, {}, {}, {}
for i = 1, m do
  local t, p = money[2 * i], money[2 * i + 1]
  if t then
    t, p = whole(t), whole(p or 0)
    if t and p and p >= 0 then
      left[i], truth[i] = t - p, t
    else
      broken[#broken + 1] = ARGV[2 + 2 * i]
      broken[#broken + 1] = ARGV[3 + 2 * i]
    end
  end
end

local PLACED, UNKNOWN, DEPOSIT_SHORT, FUNDS_SHORT = 1, 2, 3, 4

local function take(i, amount, s)
  left[i] = left[i] - amount
  if change[i] then
    change[i], text[i] = change[i] + amount, false
  else
    change[i], text[i] = amount, s
  end
end

local reply, write, seen = {}, {}, {}
for i = 1, n do
  local op, s, u, d = ARGV[ops + i], ARGV[amounts + i], tonumber(ARGV[users + i]), tonumber(ARGV[deposits + i])
  local forced, amount, was = u < 0, tonumber(s), flight[i + 1]
  if forced then u = -u end
  local user, deposit = left[u], left[d]
  local result
  if not user or (d > 0 and not deposit) or (was and string.sub(was, 1, 1) == 'x') then
    result, user, deposit = UNKNOWN, 0, 0
  elseif was or seen[op] or amount == 0 then
    result = PLACED
  elseif not forced and deposit and deposit < amount then
    result = DEPOSIT_SHORT
  elseif not forced and user < amount then
    result = FUNDS_SHORT
  else
    result = PLACED
    -- What is forced beyond the exact numbers is left to the journal.
    if truth[u] - user + amount <= LIMIT and (d == 0 or truth[d] - deposit + amount <= LIMIT) then
      take(u, amount, s)
      if d > 0 then take(d, amount, s) end
      seen[op] = true
      write[#write + 1] = op
      write[#write + 1] = ARGV[records + i]
    end
  end
  local at = 3 * i
  reply[at - 2], reply[at - 1], reply[at] = result, user, deposit or 0
end

if #broken > 0 then redis.call('HDEL', KEYS[1], unpack(broken)) end
for i, amount in pairs(change) do
  local field, by = ARGV[3 + 2 * i], text[i] or digits(amount)
  local now = redis.pcall('HINCRBY', KEYS[1], field, by)
  if type(now) == 'table' then -- reads as an integer for Lua, but not for Redis
    redis.call('HDEL', KEYS[1], field)
    redis.call('HINCRBY', KEYS[1], field, by)
  end
end
if #write > 0 then redis.call('HSET', KEYS[2], unpack(write)) end
return reply
