-- Replaces what is known about balances, whatever it is: the truth and its version are taken even when
-- older, and what is pending is counted again from what is in flight.
--
-- ARGV: mark, generation to begin with, n; then columns of n: ids, versions, truths.

local n = tonumber(ARGV[3])
local money, flight = matched(redis.pcall('HMGET', KEYS[1], 'g'), redis.pcall('HMGET', KEYS[2], 'g'))
if not money[1] then
  redis.call('HSET', KEYS[1], 'g', ARGV[2])
  redis.call('HSET', KEYS[2], 'g', ARGV[2])
end

local held = {}
for _, record in ipairs(redis.call('HVALS', KEYS[2])) do
  local user, deposit, amount = string.match(record, RECORD)
  if user then
    held[user] = (held[user] or 0) + tonumber(amount)
    if deposit ~= 'p0' then held[deposit] = (held[deposit] or 0) + tonumber(amount) end
  end
end

for i = 1, n do
  local id = ARGV[3 + i]
  local field = 'p' .. id
  redis.call('HSET', KEYS[1], 'v' .. id, ARGV[3 + n + i], 't' .. id, ARGV[3 + 2 * n + i], field, '0')
  if held[field] then redis.call('HINCRBY', KEYS[1], field, digits(math.min(held[field], LIMIT))) end
end
return {n}
