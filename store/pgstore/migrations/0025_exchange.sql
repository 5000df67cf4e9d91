-- Who bears differences of exchange at clearing is one of the program's settings that operators change; what program_terms has
-- of it is not read any more.
ALTER TABLE programs ADD COLUMN fx_to_user BIGINT NOT NULL DEFAULT 0 CHECK (fx_to_user IN (0, 1));
UPDATE programs SET fx_to_user = 1 WHERE id IN (SELECT program_id FROM program_terms WHERE fx_to_user = 1);
