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
  pin_lock    INTEGER NOT NULL DEFAULT 1 CHECK (pin_lock IN (0, 1)),
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
  -- What its evidence is held against, and its counters: the sealed profile, whether it has a PIN, the wrong PINs
  -- since the last right one, whether the last of them locks the card, the highest counter seen of its chip.
  profile     BLOB,
  has_pin     INTEGER NOT NULL DEFAULT 0 CHECK (has_pin IN (0, 1)),
  pin_tries   INTEGER NOT NULL DEFAULT 0 CHECK (pin_tries BETWEEN 0 AND 3),
  pin_lock    INTEGER NOT NULL DEFAULT 1 CHECK (pin_lock IN (0, 1)),
  atc         INTEGER NOT NULL DEFAULT 0 CHECK (atc BETWEEN 0 AND 65535),
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
  bin              TEXT    NOT NULL,
  last4            TEXT    NOT NULL,
  received_at      INTEGER NOT NULL
) STRICT;
-- Every index grows at its end: a duplicate key begins with the time of the transaction, STANs and RRNs
-- count up. An index by card would touch another page with each row, which is most of what a row costs.
CREATE UNIQUE INDEX authorizations_dup ON authorizations (dup);
CREATE INDEX authorizations_stan ON authorizations (stan, card_id);
CREATE INDEX authorizations_rrn ON authorizations (rrn, card_id);

-- Rows whose answer a repeat on another node was told: they are not taken back any more. One node never needs it.
CREATE TABLE told (
  id INTEGER PRIMARY KEY
) STRICT;

-- A reversal that came before its original.
CREATE TABLE tombstones (
  id            INTEGER PRIMARY KEY,
  card_id       INTEGER NOT NULL,
  peer          TEXT    NOT NULL,
  original_kind INTEGER NOT NULL,
  stan          TEXT    NOT NULL,
  transmitted   TEXT    NOT NULL,
  acquirer      TEXT    NOT NULL,
  forwarder     TEXT    NOT NULL,
  own_stan      TEXT    NOT NULL,
  rrn           TEXT    NOT NULL,
  terminal      TEXT    NOT NULL,
  own_acquirer  TEXT    NOT NULL,
  local         TEXT    NOT NULL,
  received_at   INTEGER NOT NULL,
  used_by       INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX tombstones_card ON tombstones (card_id);

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

-- The keys that peers send for their links, sealed by the keystore.
CREATE TABLE zone_keys (
  peer         TEXT    NOT NULL,
  purpose      TEXT    NOT NULL CHECK (purpose IN ('PIN', 'MAC')),
  state        TEXT    NOT NULL CHECK (state IN ('pending', 'active', 'decrypt-only')),
  good_until   INTEGER NOT NULL,
  check_value  BLOB    NOT NULL,
  sealed       BLOB    NOT NULL,
  PRIMARY KEY (peer, purpose, state)
) STRICT, WITHOUT ROWID;
