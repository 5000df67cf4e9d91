-- A commit locks the balance of each card that it decides on, and whoever changes a card locks it, too. So the balance
-- can say whether anything of its cards has changed, and a commit need not look the cards up.
ALTER TABLE balances
  ADD COLUMN cards_version   BIGINT NOT NULL DEFAULT 1, -- counts the changes of all its cards
  ADD COLUMN cards_marked_at BIGINT NOT NULL DEFAULT 0; -- of the card that was marked last
UPDATE balances b SET cards_version = c.version, cards_marked_at = c.marked_at
FROM (SELECT balance_id, max(version) AS version, max(marked_at) AS marked_at FROM cards GROUP BY balance_id) c
WHERE c.balance_id = b.id;

CREATE FUNCTION note_card() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  UPDATE balances SET cards_version = cards_version + (OLD.version <> NEW.version)::int,
    cards_marked_at = greatest(cards_marked_at, NEW.marked_at)
  WHERE id IN (OLD.balance_id, NEW.balance_id);
  RETURN NULL;
END
$$;
CREATE TRIGGER cards_noted AFTER UPDATE ON cards FOR EACH ROW
WHEN (OLD.version <> NEW.version OR OLD.marked_at <> NEW.marked_at OR OLD.balance_id <> NEW.balance_id)
EXECUTE FUNCTION note_card();
