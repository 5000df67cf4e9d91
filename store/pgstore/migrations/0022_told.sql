-- Who was told the answer of a row: the repeat, whose node takes that back when its answer could not leave either. 0 stands
-- for a void that found the row told: when nobody is told any more, the row is undone after all.
ALTER TABLE told ADD COLUMN teller BIGINT;
UPDATE told SET teller = id;
ALTER TABLE told ALTER COLUMN teller SET NOT NULL, DROP CONSTRAINT told_pkey, ADD PRIMARY KEY (id, teller);
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'holdfast_service') THEN
    GRANT DELETE ON told TO holdfast_service;
  END IF;
END
$$;
