-- An address names one mailbox however it is written. Of users who were registered with one mailbox twice the first has it;
-- the others keep their addresses until their data are changed the next time.
ALTER TABLE users ADD COLUMN mailbox TEXT;
UPDATE users SET mailbox = lower(email) WHERE id IN
  (SELECT min(id) FROM users WHERE email IS NOT NULL GROUP BY partner_id, lower(email));
CREATE UNIQUE INDEX users_mailbox ON users (partner_id, mailbox);
