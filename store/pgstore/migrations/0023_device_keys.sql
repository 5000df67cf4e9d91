-- The key that answers are encrypted for is the device's: each app has its own. It was its user's before.
ALTER TABLE devices ADD COLUMN response_key BYTEA;
UPDATE devices SET response_key = (SELECT u.response_key FROM users u WHERE u.id = devices.user_id) WHERE revoked_at IS NULL;
ALTER TABLE users DROP COLUMN response_key;
