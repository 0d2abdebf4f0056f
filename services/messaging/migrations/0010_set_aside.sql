-- What is set aside can be found and taken up again. A quarantined message keeps
-- its mailbox and its place in the order, so that it can go back where it was;
-- rows of before, and what has no sender, have none and stay.
ALTER TABLE quarantine
    ADD COLUMN mailbox_id   bigint,
    ADD COLUMN order_time   timestamptz,
    ADD COLUMN receive_time timestamptz;

-- When a person gave a dead letter up. It stays DEAD.
ALTER TABLE inbox ADD COLUMN drop_time timestamptz;
