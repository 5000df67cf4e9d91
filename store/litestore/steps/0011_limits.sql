-- What a row uses of its card's limits: what was authorized while the card had any, less what was given back of it. It
-- is what the windows in limit_use add up. They begin with the rows that are written from now on; those that count
-- have 8 in their flags.
ALTER TABLE authorizations ADD COLUMN used INTEGER NOT NULL DEFAULT 0 CHECK (used >= 0);
DELETE FROM limit_use;

-- A reason of its own for limits, in its place before the funds: those behind it count one up.
UPDATE authorizations SET reason = reason + 1 WHERE reason >= 41;
UPDATE authorizations SET answered = answered + 1 WHERE answered >= 41;
