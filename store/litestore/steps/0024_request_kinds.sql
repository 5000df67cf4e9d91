-- What kind of card is made later; it was a plain virtual one before.
ALTER TABLE card_requests ADD COLUMN kind TEXT NOT NULL DEFAULT 'VIRTUAL' CHECK (kind IN ('VIRTUAL', 'DIGITAL_FIRST'));
