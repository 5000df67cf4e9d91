-- What the switch and the networks did to a card's lock, until the partner has been told of it. What the API does it
-- tells at once.
CREATE TABLE card_news (
  id       INTEGER PRIMARY KEY,
  card_id  INTEGER NOT NULL,
  lock     INTEGER NOT NULL CHECK (lock BETWEEN 0 AND 8), -- 0: it was lifted
  source   TEXT    NOT NULL,
  at       INTEGER NOT NULL
) STRICT;

-- The rows of the journal by card and by partner, for those who list them. A worker writes it behind the journal, in
-- which an index by card would cost every authorization a page; how far it has come is in settings.
CREATE TABLE card_rows (
  card_id           INTEGER NOT NULL,
  authorization_id  INTEGER NOT NULL,
  partner_id        INTEGER NOT NULL,
  PRIMARY KEY (card_id, authorization_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX card_rows_partner ON card_rows (partner_id, authorization_id);

-- While a webhook's secret is changed, the one before it signs too, until its time is over.
ALTER TABLE endpoints ADD COLUMN old_secret BLOB; -- sealed
ALTER TABLE endpoints ADD COLUMN old_until INTEGER;

-- What operators changed of the peers of the configuration. NULL is as the configuration has it.
CREATE TABLE peers (
  name          TEXT    PRIMARY KEY,
  file_actions  INTEGER CHECK (file_actions IN (0, 1)),
  bins          TEXT, -- with spaces between them; empty: all cards
  action_codes  TEXT, -- REASON=code with spaces between them
  changed_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
