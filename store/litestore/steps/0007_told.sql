-- Rows whose answer a repeat on another node was told: they are not taken back any more. One node never needs it.
CREATE TABLE told (
  id INTEGER PRIMARY KEY
) STRICT;
