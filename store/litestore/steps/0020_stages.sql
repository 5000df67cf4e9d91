-- How long the request spent in each stage before the commit of its row began, packed as authz.Stages says; 0: not known,
-- as of all rows before this.
ALTER TABLE authorizations ADD COLUMN stages INTEGER NOT NULL DEFAULT 0;
