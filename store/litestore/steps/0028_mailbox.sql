-- An address names one mailbox however it is written: whoever registers a user looks for it in any spelling. Two users who were
-- registered with one mailbox before stay as they are, so it is not unique.
CREATE INDEX users_mailbox ON users (partner_id, lower(email));
