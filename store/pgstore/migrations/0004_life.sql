-- The life of a transaction beyond its authorization: what belongs together, what it released, when holds expire,
-- and what people must look at.
ALTER TABLE authorizations
  ADD COLUMN network_id    TEXT  NOT NULL DEFAULT '',
  ADD COLUMN phase      BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN channel     BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN country     TEXT  NOT NULL DEFAULT '',
  ADD COLUMN flags      BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN expires_at    BIGINT NOT NULL DEFAULT 0;
-- flags: 1 converted at our own rate, 2 posted at once, 4 restarts the life of what it adds to.
CREATE INDEX authorizations_expiry ON authorizations (expires_at) WHERE expires_at > 0;
CREATE INDEX authorizations_network ON authorizations (network_id, card_id) WHERE network_id <> '';

-- What a row has beside its message's own elements as a member of a life that other rows belong to, or may. A
-- request that is a life of its own has none. What came before its request is found by its card.
CREATE TABLE steps (
  authorization_id     BIGINT  PRIMARY KEY,
  life_id              BIGINT  NOT NULL,
  card_id              BIGINT  NOT NULL,
  original_kind        BIGINT  NOT NULL,
  original_stan        TEXT    NOT NULL,
  original_transmitted TEXT    NOT NULL,
  original_local       TEXT    NOT NULL,
  original_acquirer    TEXT    NOT NULL,
  original_forwarder   TEXT    NOT NULL,
  stood_in             BIGINT  NOT NULL,
  partial              BIGINT  NOT NULL,
  final                BIGINT  NOT NULL,
  final_billing        BIGINT  NOT NULL,
  returned             BIGINT  NOT NULL,
  part                 BIGINT  NOT NULL,
  parts                BIGINT  NOT NULL,
  company              BIGINT  NOT NULL, -- of what was cleared, what the partner's COMPANY balance bears
  fx_to_user           BIGINT  NOT NULL,
  percent              BIGINT  NOT NULL,
  at_least             BIGINT  NOT NULL
);
CREATE INDEX steps_life ON steps (life_id);
CREATE INDEX steps_card ON steps (card_id, authorization_id);

-- What one row did to the hold or posting of another, or had been done to its own before it came. why is a state.
CREATE TABLE releases (
  of_id   BIGINT  NOT NULL,
  by_id   BIGINT  NOT NULL,
  why     BIGINT  NOT NULL,
  amount  BIGINT  NOT NULL,
  PRIMARY KEY (of_id, by_id, why)
);

-- What people must look at. A case is WITHDRAWN when a row that came later explains it.
CREATE TABLE exceptions (
  authorization_id BIGINT  NOT NULL,
  kind             BIGINT  NOT NULL,
  partner_id       BIGINT  NOT NULL,
  what             TEXT    NOT NULL,
  state            TEXT    NOT NULL DEFAULT 'OPEN' CHECK (state IN ('OPEN', 'WITHDRAWN', 'DONE')),
  raised_at        BIGINT  NOT NULL,
  PRIMARY KEY (authorization_id, kind)
);
CREATE INDEX exceptions_state ON exceptions (state, authorization_id);

-- Our own rates of exchange, ABBBBBBB as in DE 9; of a pair the newest that has begun counts.
CREATE TABLE rates (
  from_currency BIGINT  NOT NULL,
  to_currency   BIGINT  NOT NULL,
  since         BIGINT  NOT NULL,
  rate          TEXT    NOT NULL CHECK (length(rate) = 8),
  PRIMARY KEY (from_currency, to_currency, since)
);

-- What a program agrees to beyond plain authorizations; one without a row agrees to nothing.
CREATE TABLE program_terms (
  program_id     BIGINT  PRIMARY KEY REFERENCES programs (id),
  pump_hold      BIGINT  NOT NULL CHECK (pump_hold >= 0),
  part_approval  BIGINT  NOT NULL CHECK (part_approval IN (0, 1)),
  credit_at_once BIGINT  NOT NULL CHECK (credit_at_once IN (0, 1)),
  own_rates      BIGINT  NOT NULL CHECK (own_rates IN (0, 1)),
  mark_up        BIGINT  NOT NULL CHECK (mark_up BETWEEN 0 AND 10000), -- hundredths of a percent
  fx_to_user     BIGINT  NOT NULL CHECK (fx_to_user IN (0, 1)),
  hold_seconds   BIGINT  NOT NULL CHECK (hold_seconds >= 0)
);

-- A reversal that came before its original is a step like any other now; what released a hold is kept by the row.
INSERT INTO steps SELECT id, id, card_id, original_kind, stan, transmitted, '', acquirer, forwarder, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
FROM tombstones;
DROP TABLE tombstones;
INSERT INTO releases SELECT original_id, id, 5, given FROM authorizations WHERE original_id <> 0 AND given <> 0;
INSERT INTO releases SELECT id, id, 5, voided FROM authorizations WHERE voided <> 0;

DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'holdfast_service') THEN
    GRANT SELECT, INSERT ON steps, releases, exceptions, rates, program_terms TO holdfast_service;
    GRANT UPDATE (expires_at) ON authorizations TO holdfast_service;
    GRANT UPDATE (life_id, company) ON steps TO holdfast_service;
    GRANT UPDATE (amount) ON releases TO holdfast_service;
    GRANT UPDATE (state, what, raised_at) ON exceptions TO holdfast_service;
    GRANT UPDATE ON program_terms TO holdfast_service;
  END IF;
END
$$;
