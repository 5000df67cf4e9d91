-- What the switch and the networks did to a card's lock, until the partner has been told of it. What the API does it
-- tells at once.
CREATE TABLE card_news (
  id       INTEGER PRIMARY KEY,
  card_id  INTEGER NOT NULL,
  lock     INTEGER NOT NULL CHECK (lock BETWEEN 0 AND 8), -- 0: it was lifted
  source   TEXT    NOT NULL,
  at       INTEGER NOT NULL
) STRICT;
