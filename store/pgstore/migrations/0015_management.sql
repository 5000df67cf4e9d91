-- What the switch and the networks did to a card's lock, until the partner has been told of it. What the API does it
-- tells at once.
CREATE TABLE card_news (
  id       BIGINT  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  card_id  BIGINT  NOT NULL,
  lock     BIGINT  NOT NULL CHECK (lock BETWEEN 0 AND 8), -- 0: it was lifted
  source   TEXT    NOT NULL,
  at       BIGINT  NOT NULL
);

-- The rows of the journal by card and by partner, for those who list them. A worker writes it behind the journal, in
-- which an index by card would cost every authorization a page; how far it has come is in settings.
CREATE TABLE card_rows (
  card_id           BIGINT  NOT NULL,
  authorization_id  BIGINT  NOT NULL,
  partner_id        BIGINT  NOT NULL,
  PRIMARY KEY (card_id, authorization_id)
);
CREATE INDEX card_rows_partner ON card_rows (partner_id, authorization_id);

-- While a webhook's secret is changed, the one before it signs too, until its time is over.
ALTER TABLE endpoints ADD COLUMN old_secret BYTEA; -- sealed
ALTER TABLE endpoints ADD COLUMN old_until BIGINT;

-- What operators changed of the peers of the configuration. NULL is as the configuration has it.
CREATE TABLE peers (
  name          TEXT    PRIMARY KEY,
  file_actions  BIGINT  CHECK (file_actions IN (0, 1)),
  bins          TEXT, -- with spaces between them; empty: all cards
  action_codes  TEXT, -- REASON=code with spaces between them
  changed_at    BIGINT  NOT NULL
);

DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'holdfast_service') THEN
    GRANT SELECT, INSERT, UPDATE, DELETE ON card_news, peers TO holdfast_service;
    GRANT SELECT, INSERT ON card_rows TO holdfast_service;
    GRANT UPDATE (flags) ON authorizations TO holdfast_service; -- a card's first limit counts what was spent before
  END IF;
END
$$;
