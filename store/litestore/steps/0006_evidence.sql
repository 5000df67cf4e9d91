-- What a card's evidence is held against, and its counters: the sealed profile, whether it has a PIN, the wrong PINs
-- since the last right one, whether the last of them locks the card, the highest counter seen of its chip.
ALTER TABLE programs ADD COLUMN pin_lock INTEGER NOT NULL DEFAULT 1 CHECK (pin_lock IN (0, 1));
ALTER TABLE cards ADD COLUMN profile BLOB;
ALTER TABLE cards ADD COLUMN has_pin INTEGER NOT NULL DEFAULT 0 CHECK (has_pin IN (0, 1));
ALTER TABLE cards ADD COLUMN pin_tries INTEGER NOT NULL DEFAULT 0 CHECK (pin_tries BETWEEN 0 AND 3);
ALTER TABLE cards ADD COLUMN pin_lock INTEGER NOT NULL DEFAULT 1 CHECK (pin_lock IN (0, 1));
ALTER TABLE cards ADD COLUMN atc INTEGER NOT NULL DEFAULT 0 CHECK (atc BETWEEN 0 AND 65535);

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
