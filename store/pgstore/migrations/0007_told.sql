-- Rows whose answer a repeat on another node was told. The node that wrote one may not know that it is committed and be
-- about to take it back: once somebody was told, it stays.
CREATE TABLE told (
  id  BIGINT PRIMARY KEY
);
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'holdfast_service') THEN
    GRANT SELECT, INSERT ON told TO holdfast_service;
  END IF;
END
$$;
