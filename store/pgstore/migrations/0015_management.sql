-- What the switch and the networks did to a card's lock, until the partner has been told of it. What the API does it
-- tells at once.
CREATE TABLE card_news (
  id       BIGINT  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  card_id  BIGINT  NOT NULL,
  lock     BIGINT  NOT NULL CHECK (lock BETWEEN 0 AND 8), -- 0: it was lifted
  source   TEXT    NOT NULL,
  at       BIGINT  NOT NULL
);

DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'holdfast_service') THEN
    GRANT SELECT, INSERT, UPDATE, DELETE ON card_news TO holdfast_service;
  END IF;
END
$$;
