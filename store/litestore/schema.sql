-- The embedded journal and records. Amounts are minor units; times are microseconds since 1970 UTC;
-- currencies are ISO 4217 numeric. Everything that a hot transaction touches carries partner_id.

-- Facts about the whole file, such as the check value of the keys that it was written with.
CREATE TABLE facts (
  name   TEXT PRIMARY KEY,
  value  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The next number of each kind of record.
CREATE TABLE sequences (
  name  TEXT    PRIMARY KEY,
  next  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO sequences (name, next) VALUES
  ('partners', 1), ('programs', 1), ('users', 1001), ('balances', 1), ('cards', 5001), ('postings', 1);

CREATE TABLE partners (
  id          INTEGER PRIMARY KEY,
  name        TEXT    NOT NULL UNIQUE,
  state       TEXT    NOT NULL DEFAULT 'ACTIVE' CHECK (state IN ('ACTIVE', 'SUSPENDED')),
  created_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE programs (
  id          INTEGER PRIMARY KEY,
  partner_id  INTEGER NOT NULL REFERENCES partners (id),
  name        TEXT    NOT NULL,
  bin_low     INTEGER NOT NULL CHECK (bin_low BETWEEN 10000000 AND 99999999),
  bin_high    INTEGER NOT NULL CHECK (bin_high BETWEEN bin_low AND 99999999),
  currency    INTEGER NOT NULL,
  funding     TEXT    NOT NULL CHECK (funding IN ('CREDIT', 'DEPOSIT')),
  created_at  INTEGER NOT NULL,
  UNIQUE (partner_id, name)
) STRICT;

CREATE TABLE users (
  id          INTEGER PRIMARY KEY,
  partner_id  INTEGER NOT NULL REFERENCES partners (id),
  name        TEXT    NOT NULL,
  kyc         TEXT    NOT NULL DEFAULT 'NOT_STARTED'
              CHECK (kyc IN ('NOT_STARTED', 'IN_PROGRESS', 'ACCEPTED', 'REJECTED')),
  state       TEXT    NOT NULL DEFAULT 'ACTIVE' CHECK (state IN ('ACTIVE', 'LOCKED', 'REMOVED')),
  created_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE balances (
  id          INTEGER PRIMARY KEY,
  partner_id  INTEGER NOT NULL REFERENCES partners (id),
  kind        TEXT    NOT NULL CHECK (kind IN ('USER', 'COMPANY', 'CREDIT', 'DEPOSIT')),
  user_id     INTEGER REFERENCES users (id),
  currency    INTEGER NOT NULL,
  state       TEXT    NOT NULL DEFAULT 'ACTIVE' CHECK (state IN ('ACTIVE', 'LOCKED', 'CLOSED')),
  ledger      INTEGER NOT NULL DEFAULT 0,
  held        INTEGER NOT NULL DEFAULT 0 CHECK (held >= 0),
  forced      INTEGER NOT NULL DEFAULT 0 CHECK (forced IN (0, 1)),
  version     INTEGER NOT NULL DEFAULT 1,
  created_at  INTEGER NOT NULL,
  CHECK ((kind = 'USER') = (user_id IS NOT NULL)),
  CHECK (ledger - held >= 0 OR forced = 1)
) STRICT;
-- No partial index here: the planner would compare its condition with the parameters of every statement on
-- this table, and SQLite would then prepare the statement again at each new value.
CREATE INDEX balances_owner ON balances (partner_id, user_id);

-- A card's row has everything that a decision needs, so that a snapshot is one look-up by its tag. What it
-- repeats of its user, partner and balance is changed together with them, in a new version.
CREATE TABLE cards (
  id          INTEGER PRIMARY KEY,
  partner_id  INTEGER NOT NULL REFERENCES partners (id),
  program_id  INTEGER NOT NULL REFERENCES programs (id),
  user_id     INTEGER NOT NULL REFERENCES users (id),
  balance_id  INTEGER NOT NULL REFERENCES balances (id),
  deposit_id  INTEGER REFERENCES balances (id),
  tag         BLOB    NOT NULL UNIQUE,
  sealed      BLOB    NOT NULL,
  bin         TEXT    NOT NULL,
  last4       TEXT    NOT NULL,
  state       INTEGER NOT NULL,
  lock        INTEGER NOT NULL DEFAULT 0 CHECK (lock BETWEEN 0 AND 8),
  expiry      INTEGER NOT NULL,
  currency    INTEGER NOT NULL,
  holder_restricted  INTEGER NOT NULL DEFAULT 0 CHECK (holder_restricted IN (0, 1)),
  balance_restricted INTEGER NOT NULL DEFAULT 0 CHECK (balance_restricted IN (0, 1)),
  version     INTEGER NOT NULL DEFAULT 1,
  tombstones  INTEGER NOT NULL DEFAULT 0,
  created_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX cards_user ON cards (user_id);

-- One row for every decided message; the duplicate key makes it one for every transaction.
CREATE TABLE authorizations (
  id               INTEGER PRIMARY KEY,
  partner_id       INTEGER NOT NULL,
  card_id          INTEGER NOT NULL,
  stan             TEXT    NOT NULL,
  dup              BLOB    NOT NULL,
  balance_id       INTEGER NOT NULL,
  deposit_id       INTEGER NOT NULL,
  peer             TEXT    NOT NULL,
  kind             INTEGER NOT NULL,
  tran             INTEGER NOT NULL,
  amount           INTEGER NOT NULL,
  currency         INTEGER NOT NULL,
  billing_amount   INTEGER NOT NULL,
  billing_currency INTEGER NOT NULL,
  placed           INTEGER NOT NULL,
  held             INTEGER NOT NULL CHECK (held BETWEEN 0 AND placed),
  given            INTEGER NOT NULL DEFAULT 0, -- what this row undid of original_id
  voided           INTEGER NOT NULL DEFAULT 0, -- what our own entry undid of this row
  original_id      INTEGER NOT NULL DEFAULT 0,
  state            INTEGER NOT NULL,
  reason           INTEGER NOT NULL,
  answered         INTEGER NOT NULL,
  approval         TEXT    NOT NULL,
  passed           INTEGER NOT NULL,
  user_before      INTEGER,
  deposit_before   INTEGER,
  card_version     INTEGER NOT NULL,
  rrn              TEXT    NOT NULL,
  acquirer         TEXT    NOT NULL,
  forwarder        TEXT    NOT NULL,
  terminal         TEXT    NOT NULL,
  merchant         TEXT    NOT NULL,
  transmitted      TEXT    NOT NULL,
  local            TEXT    NOT NULL,
  processing       TEXT    NOT NULL,
  mcc              TEXT    NOT NULL,
  entry_mode       TEXT    NOT NULL,
  network_id       TEXT    NOT NULL DEFAULT '', -- the network's own id of the transaction's life
  phase            INTEGER NOT NULL DEFAULT 0,
  channel          INTEGER NOT NULL DEFAULT 0,
  country          TEXT    NOT NULL DEFAULT '',
  flags            INTEGER NOT NULL DEFAULT 0, -- 1: converted at our own rate, 2: posted at once, 4: restarts the life
  expires_at       INTEGER NOT NULL DEFAULT 0, -- of an open hold or promise; 0: never
  bin              TEXT    NOT NULL,
  last4            TEXT    NOT NULL,
  received_at      INTEGER NOT NULL
) STRICT;
-- Every index grows at its end: a duplicate key begins with the time of the transaction, STANs and RRNs
-- count up. An index by card would touch another page with each row, which is most of what a row costs.
CREATE UNIQUE INDEX authorizations_dup ON authorizations (dup);
CREATE INDEX authorizations_stan ON authorizations (stan, card_id);
CREATE INDEX authorizations_rrn ON authorizations (rrn, card_id);
CREATE INDEX authorizations_expiry ON authorizations (expires_at);
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

-- Double entry: the lines of a group sum to zero per currency. An account is a balance, or one of the
-- contra accounts FUNDING (where money comes from), SPENDING (the user's side of a purchase) and
-- SETTLEMENT (the network's side) of the partner.
CREATE TABLE postings (
  group_id         INTEGER NOT NULL,
  line             INTEGER NOT NULL,
  partner_id       INTEGER NOT NULL,
  account          TEXT    NOT NULL CHECK (account IN ('BALANCE', 'FUNDING', 'SPENDING', 'SETTLEMENT')),
  balance_id       INTEGER NOT NULL,
  currency         INTEGER NOT NULL,
  amount           INTEGER NOT NULL CHECK (amount <> 0),
  kind             TEXT    NOT NULL,
  authorization_id INTEGER NOT NULL,
  posted_at        INTEGER NOT NULL,
  PRIMARY KEY (group_id, line)
) STRICT, WITHOUT ROWID;
