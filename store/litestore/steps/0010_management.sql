-- The records of the management API. Times are microseconds since 1970 UTC, NULL for never; a UUID is sixteen bytes
-- that begin with its time; amounts are minor units.
-- Partners, programs and users as the management API keeps them. A text that is absent is NULL where it must be
-- unique, and empty elsewhere.
ALTER TABLE partners ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE partners ADD COLUMN networks TEXT NOT NULL DEFAULT ''; -- with spaces between them
ALTER TABLE partners ADD COLUMN response_key BLOB;
ALTER TABLE partners ADD COLUMN unbound_keys INTEGER NOT NULL DEFAULT 0 CHECK (unbound_keys IN (0, 1));

ALTER TABLE programs ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE programs ADD COLUMN holder TEXT NOT NULL DEFAULT 'US' CHECK (holder IN ('US', 'PARTNER'));
ALTER TABLE programs ADD COLUMN remote_url TEXT NOT NULL DEFAULT '';
ALTER TABLE programs ADD COLUMN digital_first INTEGER NOT NULL DEFAULT 0 CHECK (digital_first IN (0, 1));
ALTER TABLE programs ADD COLUMN partner_balances INTEGER NOT NULL DEFAULT 0 CHECK (partner_balances IN (0, 1));
ALTER TABLE programs ADD COLUMN outside_only INTEGER NOT NULL DEFAULT 0 CHECK (outside_only IN (0, 1));
ALTER TABLE programs ADD COLUMN hold_hours INTEGER NOT NULL DEFAULT 0 CHECK (hold_hours >= 0);
ALTER TABLE programs ADD COLUMN mark_up INTEGER NOT NULL DEFAULT 0 CHECK (mark_up >= 0);
ALTER TABLE programs ADD COLUMN card_months INTEGER NOT NULL DEFAULT 36 CHECK (card_months > 0);
ALTER TABLE programs ADD COLUMN action_codes TEXT NOT NULL DEFAULT ''; -- REASON=code with spaces between them

ALTER TABLE users ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE users ADD COLUMN external_id TEXT;
ALTER TABLE users ADD COLUMN first_name TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN last_name TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN email TEXT;
ALTER TABLE users ADD COLUMN phone TEXT;
ALTER TABLE users ADD COLUMN birth_date TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN nationality TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN street TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN city TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN post_code TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN country TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN response_key BLOB;
CREATE UNIQUE INDEX users_external ON users (partner_id, external_id);
CREATE UNIQUE INDEX users_email ON users (partner_id, email);
CREATE UNIQUE INDEX users_phone ON users (partner_id, phone);
CREATE INDEX users_partner ON users (partner_id, id);

CREATE TABLE kyc_cases (
  id          BLOB    PRIMARY KEY,
  version     INTEGER  NOT NULL,
  partner_id  INTEGER  NOT NULL REFERENCES partners (id),
  user_id     INTEGER  NOT NULL REFERENCES users (id),
  state       TEXT    NOT NULL CHECK (state IN ('IN_PROGRESS', 'ACCEPTED', 'REJECTED')),
  method      TEXT    NOT NULL CHECK (method IN ('PARTNER', 'OPERATOR', 'AUTOMATED')),
  findings    TEXT    NOT NULL, -- with spaces between them
  note        TEXT    NOT NULL,
  decided_by  TEXT    NOT NULL,
  opened_at   INTEGER  NOT NULL,
  decided_at  INTEGER
) STRICT;
CREATE INDEX kyc_cases_user ON kyc_cases (user_id, id);
CREATE INDEX kyc_cases_state ON kyc_cases (state, id);

-- What a user handed in, sealed under the keys of the card numbers.
CREATE TABLE kyc_documents (
  id          BLOB    PRIMARY KEY,
  case_id     BLOB    NOT NULL REFERENCES kyc_cases (id),
  partner_id  INTEGER  NOT NULL,
  user_id     INTEGER  NOT NULL,
  kind        TEXT    NOT NULL,
  media_type  TEXT    NOT NULL,
  size        INTEGER  NOT NULL CHECK (size <= 4194304),
  hash        BLOB    NOT NULL,
  created_at  INTEGER  NOT NULL,
  sealed      BLOB    NOT NULL
) STRICT;
CREATE INDEX kyc_documents_case ON kyc_documents (case_id, id);

-- When to tell a partner that a balance is low. Whether it has been told stands here, so that authorizations, which
-- change the balance, do not care.
CREATE TABLE thresholds (
  balance_id  INTEGER  PRIMARY KEY REFERENCES balances (id),
  amount      INTEGER  NOT NULL CHECK (amount > 0),
  below       INTEGER  NOT NULL DEFAULT 0 CHECK (below IN (0, 1))
) STRICT;

-- What the API moved. The postings are the truth about the money; this says whose wish they were, once for each
-- external id of a partner.
CREATE TABLE movements (
  id           BLOB    PRIMARY KEY,
  group_id     INTEGER  NOT NULL UNIQUE,
  kind         TEXT    NOT NULL CHECK (kind IN ('TOP_UP', 'DEBIT', 'RELOAD')),
  partner_id   INTEGER  NOT NULL REFERENCES partners (id),
  balance_id   INTEGER  NOT NULL REFERENCES balances (id),
  currency     INTEGER  NOT NULL,
  amount       INTEGER  NOT NULL CHECK (amount > 0),
  external_id  TEXT    NOT NULL,
  description  TEXT    NOT NULL,
  by_whom      TEXT    NOT NULL,
  moved_at     INTEGER  NOT NULL,
  UNIQUE (partner_id, external_id)
) STRICT;
CREATE INDEX movements_balance ON movements (balance_id, id);
CREATE INDEX postings_balance ON postings (balance_id, posted_at, group_id, line);

ALTER TABLE cards ADD COLUMN public_id BLOB;
ALTER TABLE cards ADD COLUMN kind TEXT NOT NULL DEFAULT 'VIRTUAL' CHECK (kind IN ('VIRTUAL', 'PHYSICAL', 'DIGITAL_FIRST'));
ALTER TABLE cards ADD COLUMN lock_source TEXT NOT NULL DEFAULT '';
ALTER TABLE cards ADD COLUMN holder_name TEXT NOT NULL DEFAULT '';
ALTER TABLE cards ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE cards ADD COLUMN limited INTEGER NOT NULL DEFAULT 0 CHECK (limited IN (0, 1)); -- it has rows in limits
ALTER TABLE cards ADD COLUMN replaced_by INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cards ADD COLUMN activated_at INTEGER;
ALTER TABLE cards ADD COLUMN removed_at INTEGER;
ALTER TABLE cards ADD COLUMN printed_at INTEGER;
ALTER TABLE cards ADD COLUMN order_id BLOB;
CREATE INDEX cards_balance ON cards (balance_id);
CREATE INDEX cards_partner ON cards (partner_id, id);

CREATE TABLE orders (
  id           BLOB    PRIMARY KEY,
  version      INTEGER  NOT NULL,
  partner_id   INTEGER  NOT NULL REFERENCES partners (id),
  user_id      INTEGER  NOT NULL REFERENCES users (id),
  balance_id   INTEGER  NOT NULL REFERENCES balances (id),
  program_id   INTEGER  NOT NULL REFERENCES programs (id),
  card_id      INTEGER  NOT NULL,
  kind         TEXT    NOT NULL CHECK (kind IN ('PHYSICAL', 'PRINT')),
  state        TEXT    NOT NULL,
  holder_name  TEXT    NOT NULL,
  street       TEXT    NOT NULL,
  city         TEXT    NOT NULL,
  post_code    TEXT    NOT NULL,
  country      TEXT    NOT NULL,
  reference    TEXT    NOT NULL,
  tracking     TEXT    NOT NULL,
  reason       TEXT    NOT NULL,
  due_at       INTEGER, -- NULL: the processor is done with it
  created_at   INTEGER  NOT NULL,
  updated_at   INTEGER  NOT NULL
) STRICT;
CREATE INDEX orders_due ON orders (due_at);
CREATE INDEX orders_user ON orders (user_id, id);

-- A virtual card that is made later; the answer to its request was this id.
CREATE TABLE card_requests (
  id          BLOB    PRIMARY KEY,
  partner_id  INTEGER  NOT NULL REFERENCES partners (id),
  user_id     INTEGER  NOT NULL REFERENCES users (id),
  balance_id  INTEGER  NOT NULL REFERENCES balances (id),
  program_id  INTEGER  NOT NULL REFERENCES programs (id),
  description TEXT    NOT NULL,
  state       TEXT    NOT NULL CHECK (state IN ('PENDING', 'DONE', 'FAILED')),
  card_id     INTEGER  NOT NULL,
  code        TEXT    NOT NULL,
  created_at  INTEGER  NOT NULL
) STRICT;
CREATE INDEX card_requests_state ON card_requests (state, id);

CREATE TABLE limits (
  card_id  INTEGER  NOT NULL REFERENCES cards (id),
  scope    TEXT    NOT NULL CHECK (scope IN ('GENERAL', 'ECOMMERCE', 'ATM', 'FOREIGN')),
  span     TEXT    NOT NULL CHECK (span IN ('TRANSACTION', 'DAY', 'WEEK', 'MONTH')),
  amount   INTEGER  NOT NULL CHECK (amount >= 0),
  PRIMARY KEY (card_id, scope, span)
) STRICT;

-- What of a limit is used in the window that began at a moment.
CREATE TABLE limit_use (
  card_id     INTEGER  NOT NULL REFERENCES cards (id),
  scope       TEXT    NOT NULL,
  span        TEXT    NOT NULL,
  started_at  INTEGER  NOT NULL,
  used        INTEGER  NOT NULL CHECK (used >= 0),
  PRIMARY KEY (card_id, scope, span, started_at)
) STRICT;
CREATE INDEX limit_use_age ON limit_use (started_at);

-- Who may come in.
CREATE TABLE devices (
  id          BLOB    PRIMARY KEY,
  partner_id  INTEGER  NOT NULL REFERENCES partners (id),
  user_id     INTEGER  NOT NULL REFERENCES users (id),
  hardware    TEXT    NOT NULL,
  name        TEXT    NOT NULL,
  public_key  BLOB    NOT NULL,
  revoked_at  INTEGER,
  created_at  INTEGER  NOT NULL
) STRICT;
CREATE INDEX devices_user ON devices (user_id, id);

CREATE TABLE pairings (
  hash        BLOB    PRIMARY KEY,
  partner_id  INTEGER  NOT NULL REFERENCES partners (id),
  user_id     INTEGER  NOT NULL REFERENCES users (id),
  expires_at  INTEGER  NOT NULL
) STRICT;
CREATE INDEX pairings_age ON pairings (expires_at);
CREATE INDEX pairings_user ON pairings (user_id);

CREATE TABLE challenges (
  id          BLOB    PRIMARY KEY,
  device_id   BLOB    NOT NULL REFERENCES devices (id),
  nonce       BLOB    NOT NULL,
  expires_at  INTEGER  NOT NULL
) STRICT;
CREATE INDEX challenges_age ON challenges (expires_at);
CREATE INDEX challenges_device ON challenges (device_id);

CREATE TABLE sessions (
  hash         BLOB    PRIMARY KEY,
  kind         TEXT    NOT NULL CHECK (kind IN ('USER', 'OPERATOR')),
  partner_id   INTEGER  NOT NULL,
  user_id      INTEGER  NOT NULL,
  device_id    BLOB,
  operator_id  BLOB,
  created_at   INTEGER  NOT NULL,
  seen_at      INTEGER  NOT NULL,
  expires_at   INTEGER  NOT NULL
) STRICT;
CREATE INDEX sessions_age ON sessions (expires_at);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_operator ON sessions (operator_id);

CREATE TABLE certificates (
  id           BLOB    PRIMARY KEY,
  partner_id   INTEGER  NOT NULL REFERENCES partners (id),
  serial       TEXT    NOT NULL UNIQUE,
  fingerprint  BLOB    NOT NULL UNIQUE,
  der          BLOB    NOT NULL,
  not_before   INTEGER  NOT NULL,
  not_after    INTEGER  NOT NULL,
  revoked_at   INTEGER,
  issued_by    TEXT    NOT NULL,
  created_at   INTEGER  NOT NULL
) STRICT;
CREATE INDEX certificates_partner ON certificates (partner_id, id);

CREATE TABLE operators (
  id             BLOB    PRIMARY KEY,
  version        INTEGER  NOT NULL,
  email          TEXT    NOT NULL UNIQUE,
  name           TEXT    NOT NULL,
  role           TEXT    NOT NULL CHECK (role IN ('Admin', 'Manager', 'Employee')),
  disabled       INTEGER  NOT NULL CHECK (disabled IN (0, 1)),
  password_hash  TEXT    NOT NULL,
  totp_secret    BLOB    NOT NULL, -- sealed
  totp_last      INTEGER  NOT NULL,
  failures       INTEGER  NOT NULL,
  locked_until   INTEGER,
  created_at     INTEGER  NOT NULL
) STRICT;

CREATE TABLE approvals (
  id          BLOB    PRIMARY KEY,
  version     INTEGER  NOT NULL,
  kind        TEXT    NOT NULL,
  subject     TEXT    NOT NULL,
  asked_by    TEXT    NOT NULL,
  asked_at    INTEGER  NOT NULL,
  expires_at  INTEGER  NOT NULL,
  state       TEXT    NOT NULL CHECK (state IN ('PENDING', 'CONFIRMED', 'REJECTED')),
  decided_by  TEXT    NOT NULL,
  decided_at  INTEGER
) STRICT;
CREATE INDEX approvals_state ON approvals (state, id);

-- The outbox: events are written with what happened, and delivered later.
CREATE TABLE endpoints (
  id          BLOB    PRIMARY KEY,
  version     INTEGER  NOT NULL,
  partner_id  INTEGER  NOT NULL REFERENCES partners (id),
  kind        TEXT    NOT NULL CHECK (kind IN ('WEBHOOK', 'THIN', 'EMAIL')),
  target      TEXT    NOT NULL,
  kinds       TEXT    NOT NULL, -- of events, with spaces between them; empty: all
  secret      BLOB    NOT NULL, -- sealed
  disabled    INTEGER  NOT NULL CHECK (disabled IN (0, 1)),
  created_at  INTEGER  NOT NULL
) STRICT;
CREATE INDEX endpoints_partner ON endpoints (partner_id, id);

CREATE TABLE events (
  id          BLOB    PRIMARY KEY,
  partner_id  INTEGER  NOT NULL REFERENCES partners (id),
  kind        TEXT    NOT NULL,
  subject     TEXT    NOT NULL,
  body        BLOB    NOT NULL,
  created_at  INTEGER  NOT NULL
) STRICT;
CREATE INDEX events_partner ON events (partner_id, id);

CREATE TABLE deliveries (
  event_id     BLOB    NOT NULL REFERENCES events (id),
  endpoint_id  BLOB    NOT NULL REFERENCES endpoints (id),
  partner_id   INTEGER  NOT NULL,
  state        TEXT    NOT NULL CHECK (state IN ('PENDING', 'DELIVERED', 'FAILED')),
  attempts     INTEGER  NOT NULL,
  next_at      INTEGER, -- NULL: not pending
  leased_to    INTEGER  NOT NULL,
  created_at   INTEGER  NOT NULL,
  PRIMARY KEY (event_id, endpoint_id)
) STRICT;
CREATE INDEX deliveries_due ON deliveries (next_at);
CREATE INDEX deliveries_endpoint ON deliveries (endpoint_id, event_id);

CREATE TABLE attempts (
  event_id     BLOB    NOT NULL,
  endpoint_id  BLOB    NOT NULL,
  number       INTEGER  NOT NULL,
  tried_at     INTEGER  NOT NULL,
  took         INTEGER  NOT NULL, -- microseconds
  status       INTEGER  NOT NULL,
  error        TEXT    NOT NULL,
  PRIMARY KEY (event_id, endpoint_id, number)
) STRICT;

-- Who did what. A chain's head is a row of its own, which whoever appends to the chain locks.
CREATE TABLE audit_heads (
  chain     INTEGER  PRIMARY KEY,
  sequence  INTEGER  NOT NULL,
  hash      BLOB    NOT NULL
) STRICT;
CREATE TABLE audit (
  chain     INTEGER  NOT NULL,
  sequence  INTEGER  NOT NULL,
  at        INTEGER  NOT NULL,
  actor     TEXT    NOT NULL,
  channel   TEXT    NOT NULL,
  action    TEXT    NOT NULL,
  object    TEXT    NOT NULL,
  outcome   TEXT    NOT NULL,
  detail    TEXT    NOT NULL,
  request   TEXT    NOT NULL,
  previous  BLOB    NOT NULL,
  hash      BLOB    NOT NULL,
  PRIMARY KEY (chain, sequence)
) STRICT;

-- Answers that are kept for a repeat of their request.
CREATE TABLE idempotency (
  identity      TEXT    NOT NULL,
  key           TEXT    NOT NULL,
  request_hash  BLOB    NOT NULL,
  done          INTEGER  NOT NULL CHECK (done IN (0, 1)),
  status        INTEGER  NOT NULL,
  media_type    TEXT    NOT NULL,
  body          BLOB    NOT NULL, -- sealed
  created_at    INTEGER  NOT NULL,
  expires_at    INTEGER  NOT NULL,
  PRIMARY KEY (identity, key)
) STRICT;
CREATE INDEX idempotency_age ON idempotency (expires_at);

-- Numbers that the running system changes, such as how far the sandbox's clock is ahead.
CREATE TABLE settings (
  name   TEXT    PRIMARY KEY,
  value  INTEGER  NOT NULL
) STRICT;

-- Balances and cards get the names by which the outside knows them: UUIDs of version 7.
ALTER TABLE balances ADD COLUMN public_id BLOB;
UPDATE balances SET public_id = unhex(printf('%012x7', created_at / 1000) || substr(hex(randomblob(2)), 2) || '8' ||
  substr(hex(randomblob(8)), 2));
CREATE UNIQUE INDEX balances_public ON balances (public_id);
UPDATE cards SET public_id = unhex(printf('%012x7', created_at / 1000) || substr(hex(randomblob(2)), 2) || '8' ||
  substr(hex(randomblob(8)), 2));
CREATE UNIQUE INDEX cards_public ON cards (public_id);
