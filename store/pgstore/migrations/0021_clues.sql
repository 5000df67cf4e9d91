-- What a row with a step looks for its original by. A message finds by its own clues what came before it and is about
-- it, however many steps its card has.
CREATE TABLE clues (
  card_id          BIGINT NOT NULL,
  clue             TEXT    NOT NULL, -- a letter for what it is, and its value without blanks around and leading zeros
  authorization_id BIGINT NOT NULL,
  received_at      BIGINT NOT NULL,
  PRIMARY KEY (card_id, clue, authorization_id)
);
INSERT INTO clues (card_id, clue, authorization_id, received_at)
SELECT s.card_id, 'n' || ltrim(trim(a.network_id), '0'), a.id, a.received_at
FROM steps s JOIN authorizations a ON a.id = s.authorization_id WHERE trim(a.network_id, ' 0') <> ''
UNION ALL
SELECT s.card_id, 's' || ltrim(trim(CASE WHEN trim(s.original_stan, ' 0') <> '' THEN s.original_stan ELSE a.stan END), '0'), a.id, a.received_at
FROM steps s JOIN authorizations a ON a.id = s.authorization_id WHERE trim(s.original_stan || a.stan, ' 0') <> ''
UNION ALL
SELECT s.card_id, 'r' || ltrim(trim(a.rrn), '0'), a.id, a.received_at
FROM steps s JOIN authorizations a ON a.id = s.authorization_id WHERE trim(a.rrn, ' 0') <> ''
UNION ALL
SELECT s.card_id, 'a' || ltrim(trim(a.approval), '0'), a.id, a.received_at
FROM steps s JOIN authorizations a ON a.id = s.authorization_id WHERE trim(a.approval, ' 0') <> '';
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'holdfast_service') THEN
    GRANT SELECT, INSERT ON clues TO holdfast_service;
  END IF;
END
$$;
