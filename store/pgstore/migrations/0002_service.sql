-- What the running switch may do, as the role that its user is a member of. The journal's facts only grow: no
-- posting changes, no authorization goes, and of an authorization only that changes which a reversal, an
-- advice or our own entry changes. Where this user may not create roles, the operator makes the role before.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'holdfast_service')
     AND (SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user) THEN
    BEGIN
      CREATE ROLE holdfast_service NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
      NULL; -- another migration of this server was faster
    END;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'holdfast_service') THEN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO holdfast_service', current_schema());
    GRANT SELECT ON schema_version TO holdfast_service;
    GRANT SELECT, INSERT ON facts, authorizations, tombstones, postings TO holdfast_service;
    GRANT SELECT, INSERT, UPDATE ON partners, programs, users, balances, cards TO holdfast_service;
    GRANT SELECT, UPDATE ON sequences TO holdfast_service;
    GRANT UPDATE (held, state, answered, voided, approval) ON authorizations TO holdfast_service;
    GRANT UPDATE (used_by) ON tombstones TO holdfast_service;
  END IF;
END
$$;
