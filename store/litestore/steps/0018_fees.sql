-- The fees that a settled message states, in the currency that is settled in: positive what the cardholder's side pays.
ALTER TABLE settlements ADD COLUMN fee INTEGER NOT NULL DEFAULT 0;        -- of the transaction
ALTER TABLE settlements ADD COLUMN processing INTEGER NOT NULL DEFAULT 0; -- of its processing
