-- How far the outbox has followed the journal: the rows behind the floor that have been told of, with the answer that was
-- told. The floor and the head are in settings.
CREATE TABLE followed (
  authorization_id BIGINT PRIMARY KEY,
  answered         BIGINT NOT NULL
);
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'holdfast_service') THEN
    GRANT SELECT, INSERT, UPDATE, DELETE ON followed TO holdfast_service;
  END IF;
END
$$;
