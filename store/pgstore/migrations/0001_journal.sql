-- The journal and the records. Amounts are minor units; times are microseconds since 1970 UTC;
-- currencies are ISO 4217 numeric. Everything that a hot transaction touches carries partner_id.

-- Facts about the whole store, such as the check value of the keys that it was written with.
CREATE TABLE facts (
  name   TEXT PRIMARY KEY,
  value  TEXT NOT NULL
);

-- The next number of each kind of record.
CREATE TABLE sequences (
  name  TEXT    PRIMARY KEY,
  next  BIGINT  NOT NULL
);
INSERT INTO sequences (name, next) VALUES
  ('partners', 1), ('programs', 1), ('users', 1001), ('balances', 1), ('cards', 5001), ('postings', 1);

CREATE TABLE partners (
  id          BIGINT  PRIMARY KEY,
  name        TEXT    NOT NULL UNIQUE,
  state       TEXT    NOT NULL DEFAULT 'ACTIVE' CHECK (state IN ('ACTIVE', 'SUSPENDED')),
  created_at  BIGINT  NOT NULL
);

CREATE TABLE programs (
  id          BIGINT  PRIMARY KEY,
  partner_id  BIGINT  NOT NULL REFERENCES partners (id),
  name        TEXT    NOT NULL,
  bin_low     BIGINT  NOT NULL CHECK (bin_low BETWEEN 10000000 AND 99999999),
  bin_high    BIGINT  NOT NULL CHECK (bin_high BETWEEN bin_low AND 99999999),
  currency    BIGINT  NOT NULL,
  funding     TEXT    NOT NULL CHECK (funding IN ('CREDIT', 'DEPOSIT')),
  created_at  BIGINT  NOT NULL,
  UNIQUE (partner_id, name)
);

CREATE TABLE users (
  id          BIGINT  PRIMARY KEY,
  partner_id  BIGINT  NOT NULL REFERENCES partners (id),
  name        TEXT    NOT NULL,
  kyc         TEXT    NOT NULL DEFAULT 'NOT_STARTED'
              CHECK (kyc IN ('NOT_STARTED', 'IN_PROGRESS', 'ACCEPTED', 'REJECTED')),
  state       TEXT    NOT NULL DEFAULT 'ACTIVE' CHECK (state IN ('ACTIVE', 'LOCKED', 'REMOVED')),
  created_at  BIGINT  NOT NULL
);

-- Every authorization changes two of these rows and no index of theirs: half of each page is kept free, so
-- that the new version of a row stands beside the old one.
CREATE TABLE balances (
  id          BIGINT  PRIMARY KEY,
  partner_id  BIGINT  NOT NULL REFERENCES partners (id),
  kind        TEXT    NOT NULL CHECK (kind IN ('USER', 'COMPANY', 'CREDIT', 'DEPOSIT')),
  user_id     BIGINT  REFERENCES users (id),
  currency    BIGINT  NOT NULL,
  state       TEXT    NOT NULL DEFAULT 'ACTIVE' CHECK (state IN ('ACTIVE', 'LOCKED', 'CLOSED')),
  ledger      BIGINT  NOT NULL DEFAULT 0,
  held        BIGINT  NOT NULL DEFAULT 0 CHECK (held >= 0),
  forced      BIGINT  NOT NULL DEFAULT 0 CHECK (forced IN (0, 1)),
  version     BIGINT  NOT NULL DEFAULT 1,
  created_at  BIGINT  NOT NULL,
  CHECK ((kind = 'USER') = (user_id IS NOT NULL)),
  CHECK (ledger - held >= 0 OR forced = 1)
) WITH (fillfactor = 50);
CREATE INDEX balances_owner ON balances (partner_id, user_id);

-- A card's row has everything that a decision needs, so that a snapshot is one look-up by its tag. What it
-- repeats of its user, partner and balance is changed together with them, in a new version.
CREATE TABLE cards (
  id          BIGINT  NOT NULL,
  partner_id  BIGINT  NOT NULL REFERENCES partners (id),
  program_id  BIGINT  NOT NULL REFERENCES programs (id),
  user_id     BIGINT  NOT NULL REFERENCES users (id),
  balance_id  BIGINT  NOT NULL REFERENCES balances (id),
  deposit_id  BIGINT  REFERENCES balances (id),
  tag         BYTEA   NOT NULL UNIQUE,
  sealed      BYTEA   NOT NULL,
  bin         TEXT    NOT NULL,
  last4       TEXT    NOT NULL,
  state       BIGINT  NOT NULL,
  lock        BIGINT  NOT NULL DEFAULT 0 CHECK (lock BETWEEN 0 AND 8),
  expiry      BIGINT  NOT NULL,
  currency    BIGINT  NOT NULL,
  holder_restricted  BIGINT  NOT NULL DEFAULT 0 CHECK (holder_restricted IN (0, 1)),
  balance_restricted BIGINT  NOT NULL DEFAULT 0 CHECK (balance_restricted IN (0, 1)),
  version     BIGINT  NOT NULL DEFAULT 1,
  tombstones  BIGINT  NOT NULL DEFAULT 0,
  created_at  BIGINT  NOT NULL,
  PRIMARY KEY (id) INCLUDE (version, tombstones) -- all that a commit reads of a card
);
CREATE INDEX cards_user ON cards (user_id);

-- One row for every decided message; the duplicate key makes it one for every transaction.
CREATE TABLE authorizations (
  id               BIGINT  PRIMARY KEY,
  partner_id       BIGINT  NOT NULL,
  card_id          BIGINT  NOT NULL,
  stan             TEXT COLLATE "C"    NOT NULL,
  dup              BYTEA   NOT NULL,
  balance_id       BIGINT  NOT NULL,
  deposit_id       BIGINT  NOT NULL,
  peer             TEXT    NOT NULL,
  kind             BIGINT  NOT NULL,
  tran             BIGINT  NOT NULL,
  amount           BIGINT  NOT NULL,
  currency         BIGINT  NOT NULL,
  billing_amount   BIGINT  NOT NULL,
  billing_currency BIGINT  NOT NULL,
  placed           BIGINT  NOT NULL,
  held             BIGINT  NOT NULL CHECK (held BETWEEN 0 AND placed),
  given            BIGINT  NOT NULL DEFAULT 0, -- what this row undid of original_id
  voided           BIGINT  NOT NULL DEFAULT 0, -- what our own entry undid of this row
  original_id      BIGINT  NOT NULL DEFAULT 0,
  state            BIGINT  NOT NULL,
  reason           BIGINT  NOT NULL,
  answered         BIGINT  NOT NULL,
  approval         TEXT    NOT NULL,
  passed           BIGINT  NOT NULL,
  user_before      BIGINT,
  deposit_before   BIGINT,
  card_version     BIGINT  NOT NULL,
  rrn              TEXT COLLATE "C"    NOT NULL,
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
  received_at      BIGINT  NOT NULL
);
-- Every index grows at its end: a duplicate key begins with the time of the transaction, STANs and RRNs
-- count up. An index by card would touch another page with each row, which is most of what a row costs.
CREATE UNIQUE INDEX authorizations_dup ON authorizations (dup);
CREATE INDEX authorizations_stan ON authorizations (stan, card_id);
CREATE INDEX authorizations_rrn ON authorizations (rrn, card_id);

-- A reversal that came before its original.
CREATE TABLE tombstones (
  id            BIGINT  PRIMARY KEY,
  card_id       BIGINT  NOT NULL,
  peer          TEXT    NOT NULL,
  original_kind BIGINT  NOT NULL,
  stan          TEXT    NOT NULL,
  transmitted   TEXT    NOT NULL,
  acquirer      TEXT    NOT NULL,
  forwarder     TEXT    NOT NULL,
  own_stan      TEXT    NOT NULL,
  rrn           TEXT    NOT NULL,
  terminal      TEXT    NOT NULL,
  own_acquirer  TEXT    NOT NULL,
  local         TEXT    NOT NULL,
  received_at   BIGINT  NOT NULL,
  used_by       BIGINT  NOT NULL DEFAULT 0
);
CREATE INDEX tombstones_card ON tombstones (card_id);

-- Double entry: the lines of a group sum to zero per currency. An account is a balance, or one of the
-- contra accounts FUNDING (where money comes from), SPENDING (the user's side of a purchase) and
-- SETTLEMENT (the network's side) of the partner.
CREATE TABLE postings (
  group_id         BIGINT  NOT NULL,
  line             BIGINT  NOT NULL,
  partner_id       BIGINT  NOT NULL,
  account          TEXT    NOT NULL CHECK (account IN ('BALANCE', 'FUNDING', 'SPENDING', 'SETTLEMENT')),
  balance_id       BIGINT  NOT NULL,
  currency         BIGINT  NOT NULL,
  amount           BIGINT  NOT NULL CHECK (amount <> 0),
  kind             TEXT    NOT NULL,
  authorization_id BIGINT  NOT NULL,
  posted_at        BIGINT  NOT NULL,
  PRIMARY KEY (group_id, line)
);
