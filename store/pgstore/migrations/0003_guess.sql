-- A commit that guesses sends all its statements at once, and COMMIT behind them. Where a guess is wrong, fewer rows
-- are found than expected: then this ends the transaction before COMMIT is reached. Nothing was written, and the
-- service decides the same group on locked rows.
CREATE FUNCTION expect_rows(got BIGINT, wanted BIGINT) RETURNS BIGINT LANGUAGE plpgsql AS $$
BEGIN
  IF got <> wanted THEN
    RAISE EXCEPTION 'found % of % rows: the group is decided again, on locked rows', got, wanted USING ERRCODE = 'HF001';
  END IF;
  RETURN got;
END
$$;
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'holdfast_service') THEN
    GRANT EXECUTE ON FUNCTION expect_rows(BIGINT, BIGINT) TO holdfast_service;
  END IF;
END
$$;

-- A card was marked for good by what came before its request. Now it is marked with the moment of the latest, since
-- nothing is matched with what came many days before; those marked so far begin anew.
ALTER TABLE cards RENAME COLUMN tombstones TO marked_at;
UPDATE cards SET marked_at = (extract(epoch FROM now()) * 1000000)::bigint WHERE marked_at > 0;
