-- The merchant's name, city and country as the message said them (DE 43), without the blanks that fill them up; empty: it did
-- not, as for all rows before this.
ALTER TABLE authorizations ADD COLUMN acceptor TEXT NOT NULL DEFAULT '';
