-- The life of a transaction beyond its authorization: what belongs together, what it released, when holds expire,
-- and what people must look at.
ALTER TABLE authorizations ADD COLUMN network_id TEXT NOT NULL DEFAULT ''; -- the network's own id of the life
ALTER TABLE authorizations ADD COLUMN phase INTEGER NOT NULL DEFAULT 0;
ALTER TABLE authorizations ADD COLUMN channel INTEGER NOT NULL DEFAULT 0;
ALTER TABLE authorizations ADD COLUMN country TEXT NOT NULL DEFAULT '';
-- 1: converted at our own rate, 2: posted at once, 4: restarts the life of what it adds to
ALTER TABLE authorizations ADD COLUMN flags INTEGER NOT NULL DEFAULT 0;
ALTER TABLE authorizations ADD COLUMN expires_at INTEGER NOT NULL DEFAULT 0; -- of an open hold or promise; 0: never
CREATE INDEX authorizations_expiry ON authorizations (expires_at) WHERE expires_at > 0;
CREATE INDEX authorizations_network ON authorizations (network_id, card_id) WHERE network_id <> '';

-- What a row has beside its message's own elements as a member of a life that other rows belong to, or may. A
-- request that is a life of its own has none. What came before its request is found by its card.
CREATE TABLE steps (
  authorization_id     INTEGER PRIMARY KEY,
  life_id              INTEGER NOT NULL,
  card_id              INTEGER NOT NULL,
  original_kind        INTEGER NOT NULL,
  original_stan        TEXT    NOT NULL,
  original_transmitted TEXT    NOT NULL,
  original_local       TEXT    NOT NULL,
  original_acquirer    TEXT    NOT NULL,
  original_forwarder   TEXT    NOT NULL,
  stood_in             INTEGER NOT NULL,
  partial              INTEGER NOT NULL,
  final                INTEGER NOT NULL,
  final_billing        INTEGER NOT NULL,
  returned             INTEGER NOT NULL,
  part                 INTEGER NOT NULL,
  parts                INTEGER NOT NULL,
  company              INTEGER NOT NULL, -- of what was cleared, what the partner's COMPANY balance bears
  fx_to_user           INTEGER NOT NULL,
  percent              INTEGER NOT NULL,
  at_least             INTEGER NOT NULL
) STRICT;
CREATE INDEX steps_life ON steps (life_id);
CREATE INDEX steps_card ON steps (card_id, authorization_id);

-- What one row did to the hold or posting of another, or had been done to its own before it came. why is a state.
CREATE TABLE releases (
  of_id   INTEGER NOT NULL,
  by_id   INTEGER NOT NULL,
  why     INTEGER NOT NULL,
  amount  INTEGER NOT NULL,
  PRIMARY KEY (of_id, by_id, why)
) STRICT, WITHOUT ROWID;

-- What people must look at. A case is WITHDRAWN when a row that came later explains it.
CREATE TABLE exceptions (
  authorization_id INTEGER NOT NULL,
  kind             INTEGER NOT NULL,
  partner_id       INTEGER NOT NULL,
  what             TEXT    NOT NULL,
  state            TEXT    NOT NULL DEFAULT 'OPEN' CHECK (state IN ('OPEN', 'WITHDRAWN', 'DONE')),
  raised_at        INTEGER NOT NULL,
  PRIMARY KEY (authorization_id, kind)
) STRICT, WITHOUT ROWID;
CREATE INDEX exceptions_state ON exceptions (state, authorization_id);

-- Our own rates of exchange, ABBBBBBB as in DE 9; of a pair the newest that has begun counts.
CREATE TABLE rates (
  from_currency INTEGER NOT NULL,
  to_currency   INTEGER NOT NULL,
  since         INTEGER NOT NULL,
  rate          TEXT    NOT NULL CHECK (length(rate) = 8),
  PRIMARY KEY (from_currency, to_currency, since)
) STRICT, WITHOUT ROWID;

-- What a program agrees to beyond plain authorizations; one without a row agrees to nothing.
CREATE TABLE program_terms (
  program_id     INTEGER PRIMARY KEY REFERENCES programs (id),
  pump_hold      INTEGER NOT NULL CHECK (pump_hold >= 0),
  part_approval  INTEGER NOT NULL CHECK (part_approval IN (0, 1)),
  credit_at_once INTEGER NOT NULL CHECK (credit_at_once IN (0, 1)),
  own_rates      INTEGER NOT NULL CHECK (own_rates IN (0, 1)),
  mark_up        INTEGER NOT NULL CHECK (mark_up BETWEEN 0 AND 10000), -- hundredths of a percent
  fx_to_user     INTEGER NOT NULL CHECK (fx_to_user IN (0, 1)),
  hold_seconds   INTEGER NOT NULL CHECK (hold_seconds >= 0)
) STRICT;

-- A reversal that came before its original is a step like any other now; what released a hold is kept by the row.
INSERT INTO steps SELECT id, id, card_id, original_kind, stan, transmitted, '', acquirer, forwarder, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
FROM tombstones;
DROP TABLE tombstones;
INSERT INTO releases SELECT original_id, id, 5, given FROM authorizations WHERE original_id <> 0 AND given <> 0;
INSERT INTO releases SELECT id, id, 5, voided FROM authorizations WHERE voided <> 0;
