-- How far the outbox has followed the journal: the rows behind the floor that have been told of, with the answer that was
-- told. The floor and the head are in settings.
CREATE TABLE followed (
  authorization_id INTEGER PRIMARY KEY,
  answered         INTEGER NOT NULL
) STRICT;
