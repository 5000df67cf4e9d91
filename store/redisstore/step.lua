-- Ends holds, learns the truth about balances, and decides the holds of a batch in order. All reads come
-- before the first write.
--
-- ARGV: mark, generation to begin with, '1' when what is kept is lost, e, x, n, m, k; then the operations of e
-- holds that end, of which the first x may still come and are cancelled beforehand, and of k that are placed;
-- then n fields v<id>, and m pairs of t<id> and p<id>; then n times v<id>, version, t<id>, truth; then columns
-- of k: amounts, indices of the user's balance (negative: forced), of the deposit (0: none), records.
-- Returns k times: result, available of the user's balance before, of the deposit before.

local e, x, n = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local m, k = tonumber(ARGV[7]), tonumber(ARGV[8])
local placed = 8 + e
local versions = placed + k
local fields = versions + n
local truths = fields + 2 * m
local amounts = truths + 4 * n
local users, deposits, records = amounts + k, amounts + 2 * k, amounts + 3 * k

local money, flight = matched(
  redis.pcall('HMGET', KEYS[1], 'g', unpack(ARGV, versions + 1, truths)),
  redis.pcall('HMGET', KEYS[2], 'g', unpack(ARGV, 9, versions)), ARGV[3] == '1')

-- What ends: give is what each balance gets back, over tells what its operation is afterwards.
local give, over, ended, toFlight = {}, {}, {}, {}
local endedTo, flightTo = 0, 0
for i = 1, e do
  local op, was = ARGV[8 + i], flight[i + 1]
  if not was then
    if i <= x then
      over[op] = 'x'
      toFlight[flightTo + 1], toFlight[flightTo + 2] = op, 'x'
      flightTo = flightTo + 2
    end
  elseif was ~= 'x' and not over[op] then
    over[op] = 'ended'
    endedTo = endedTo + 1
    ended[endedTo] = op
    local user, deposit, s = string.match(was, RECORD)
    if user then
      local amount = tonumber(s)
      give[user] = (give[user] or 0) + amount
      if deposit ~= 'p0' then give[deposit] = (give[deposit] or 0) + amount end
    end
  end
end

-- What is learned: of one balance twice the newer, and nothing that is older than what is known.
local toMoney, moneyTo, newest, learned = {}, 0, {}, {}

local function keep(field, value)
  toMoney[moneyTo + 1], toMoney[moneyTo + 2] = field, value
  moneyTo = moneyTo + 2
end

for i = 1, n do
  local at = truths + 4 * i
  local field, version = ARGV[at - 3], tonumber(ARGV[at - 2])
  local known = newest[field] or whole(money[i + 1])
  if not known or version >= known then
    newest[field] = version
    learned[ARGV[at - 1]] = ARGV[at]
    keep(field, ARGV[at - 2])
    keep(ARGV[at - 1], ARGV[at])
  end
end

local left, pending, changed, broken = {}, {}, {}, {}
for i = 1, m do
  local at = fields + 2 * i
  local taught, held = learned[ARGV[at - 1]], ARGV[at]
  local t = taught or money[n + 2 * i]
  if t then
    local p, back = whole(money[n + 2 * i + 1] or 0), give[held]
    t = whole(t)
    if taught and not (p and p >= 0) then p, changed[i] = 0, true end
    if t and p and p >= 0 then
      if back then
        p, changed[i], give[held] = math.max(0, p - back), true, nil
      end
      left[i], pending[i] = t - p, p
    else
      broken[#broken + 1] = ARGV[at - 1]
      broken[#broken + 1] = held
    end
  end
end

-- What others get back: less than nothing is pending where it was broken, or dropped while this was in flight.
local others, othersTo = {}, 0
for field in pairs(give) do
  othersTo = othersTo + 1
  others[othersTo] = field
end
if othersTo > 0 then
  local now = redis.call('HMGET', KEYS[1], unpack(others))
  for i = 1, othersTo do
    keep(others[i], digits(math.max(0, (whole(now[i] or 0) or 0) - give[others[i]])))
  end
end

local PLACED, UNKNOWN, DEPOSIT_SHORT, FUNDS_SHORT = 1, 2, 3, 4

-- take keeps the text of an amount that stands alone.
local function take(i, amount, s)
  changed[i] = pending[i] == 0 and s or true
  left[i], pending[i] = left[i] - amount, pending[i] + amount
end

local reply = {}
for i = 1, k do
  local op, amount, u, d = ARGV[placed + i], tonumber(ARGV[amounts + i]), tonumber(ARGV[users + i]), tonumber(ARGV[deposits + i])
  local forced, was = u < 0, over[op] or flight[e + i + 1]
  if forced then u = -u end
  if was == 'ended' then was = nil end
  local user, deposit = left[u], left[d]
  local result
  if not user or (d > 0 and not deposit) or (was and string.sub(was, 1, 1) == 'x') then
    result, user, deposit = UNKNOWN, 0, 0
  elseif was or amount == 0 then
    result = PLACED
  elseif not forced and deposit and deposit < amount then
    result = DEPOSIT_SHORT
  elseif not forced and user < amount then
    result = FUNDS_SHORT
  else
    result = PLACED
    -- What is forced beyond the exact numbers is left to the journal.
    if pending[u] + amount <= LIMIT and (d == 0 or pending[d] + amount <= LIMIT) then
      take(u, amount, ARGV[amounts + i])
      if d > 0 then take(d, amount, ARGV[amounts + i]) end
      over[op] = 'placed'
      toFlight[flightTo + 1], toFlight[flightTo + 2] = op, ARGV[records + i]
      flightTo = flightTo + 2
    end
  end
  local at = 3 * i
  reply[at - 2], reply[at - 1], reply[at] = result, user, deposit or 0
end

for i, s in pairs(changed) do
  if s == true then s = digits(pending[i]) end
  keep(ARGV[fields + 2 * i], s)
end
if not money[1] and (n > 0 or flightTo > 0) then
  redis.call('HSET', KEYS[1], 'g', ARGV[2])
  redis.call('HSET', KEYS[2], 'g', ARGV[2])
end
if #broken > 0 then redis.call('HDEL', KEYS[1], unpack(broken)) end
if endedTo > 0 then redis.call('HDEL', KEYS[2], unpack(ended)) end
if moneyTo > 0 then redis.call('HSET', KEYS[1], unpack(toMoney)) end
if flightTo > 0 then redis.call('HSET', KEYS[2], unpack(toFlight)) end
return reply
