-- What reconciliation counts: one row for each message that moved money between a peer and us, with the day in
-- whose books both of us count it. Authorizations that only hold have none, so that they cost nothing here. A
-- currency of 0 says that a reversal moved back what its original moved.
CREATE TABLE settlements (
  authorization_id INTEGER PRIMARY KEY,
  peer             TEXT    NOT NULL,
  day              INTEGER NOT NULL, -- YYYYMMDD
  currency         INTEGER NOT NULL,
  amount           INTEGER NOT NULL
) STRICT;
CREATE INDEX settlements_day ON settlements (peer, day);

-- The days that peers have cut over to.
CREATE TABLE cutovers (
  peer  TEXT    NOT NULL,
  day   INTEGER NOT NULL,
  at    INTEGER NOT NULL,
  PRIMARY KEY (peer, day)
) STRICT, WITHOUT ROWID;

-- Every file action of a peer, whatever became of it. Locks are LockReason, 0 is none.
CREATE TABLE file_actions (
  id       INTEGER PRIMARY KEY,
  at       INTEGER NOT NULL,
  peer     TEXT    NOT NULL,
  mti      TEXT    NOT NULL,
  stan     TEXT    NOT NULL,
  card_id  INTEGER NOT NULL, -- 0: unknown
  bin      TEXT    NOT NULL,
  last4    TEXT    NOT NULL,
  present  INTEGER NOT NULL,
  wanted   INTEGER NOT NULL,
  outcome  TEXT    NOT NULL
) STRICT;
INSERT INTO sequences (name, next) VALUES ('file_actions', 1);
