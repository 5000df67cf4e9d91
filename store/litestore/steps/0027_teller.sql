-- What a node that has died was to take back is found by the repeat that it did not answer.
CREATE INDEX told_teller ON told (teller);
