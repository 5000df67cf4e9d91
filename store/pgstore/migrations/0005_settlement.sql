-- What reconciliation counts: one row for each message that moved money between a peer and us, with the day in
-- whose books both of us count it. Authorizations that only hold have none, so that they cost nothing here. A
-- currency of 0 says that a reversal moved back what its original moved.
CREATE TABLE settlements (
  authorization_id BIGINT  PRIMARY KEY,
  peer             TEXT    NOT NULL,
  day              BIGINT  NOT NULL, -- YYYYMMDD
  currency         BIGINT  NOT NULL,
  amount           BIGINT  NOT NULL
);
CREATE INDEX settlements_day ON settlements (peer, day);

-- The days that peers have cut over to.
CREATE TABLE cutovers (
  peer  TEXT    NOT NULL,
  day   BIGINT  NOT NULL,
  at    BIGINT  NOT NULL,
  PRIMARY KEY (peer, day)
);

-- Every file action of a peer, whatever became of it. Locks are LockReason, 0 is none.
CREATE TABLE file_actions (
  id       BIGINT  PRIMARY KEY,
  at       BIGINT  NOT NULL,
  peer     TEXT    NOT NULL,
  mti      TEXT    NOT NULL,
  stan     TEXT    NOT NULL,
  card_id  BIGINT  NOT NULL, -- 0: unknown
  bin      TEXT    NOT NULL,
  last4    TEXT    NOT NULL,
  present  BIGINT  NOT NULL,
  wanted   BIGINT  NOT NULL,
  outcome  TEXT    NOT NULL
);
INSERT INTO sequences (name, next) VALUES ('file_actions', 1);

DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'holdfast_service') THEN
    GRANT SELECT, INSERT ON settlements, cutovers, file_actions TO holdfast_service;
  END IF;
END
$$;
