-- Who was told the answer of a row: the repeat, whose node takes that back when its answer could not leave either. 0 stands
-- for a void that found the row told: when nobody is told any more, the row is undone after all.
CREATE TABLE told_by (
  id      INTEGER NOT NULL,
  teller  INTEGER NOT NULL,
  PRIMARY KEY (id, teller)
) STRICT, WITHOUT ROWID;
INSERT INTO told_by (id, teller) SELECT id, id FROM told;
DROP TABLE told;
ALTER TABLE told_by RENAME TO told;
