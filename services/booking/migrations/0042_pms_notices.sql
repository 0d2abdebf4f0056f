-- What hotels' own systems tell by themselves: that something has changed there.

-- Ids that were received, so that one that comes again changes nothing. Kept for longer
-- than a signature is believed; then swept.
CREATE TABLE pms_notice (
    tenant_id text NOT NULL CONSTRAINT pms_notice_connection_fkey
        REFERENCES pms_connection ON DELETE CASCADE,
    notice_id text NOT NULL CONSTRAINT pms_notice_id_length
        CHECK (length(notice_id) BETWEEN 1 AND 128),
    receive_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pms_notice_pkey PRIMARY KEY (tenant_id, notice_id)
);
CREATE INDEX pms_notice_by_age ON pms_notice (receive_time);

ALTER TABLE pms_connection
    -- Since when a notice waits for the system to be asked; null: none does.
    ADD COLUMN notice_time timestamptz,
    -- When it was last asked because of a notice.
    ADD COLUMN follow_time timestamptz NOT NULL DEFAULT '-infinity';
