-- Files that guests have sent: one row for each message that holds one, written in the
-- transaction that stores the message, so that none is forgotten. The key is the message's
-- number in the inbox, `content` what WhatsApp said of the file, as protobuf without a
-- guest's words. WAITING -> STORED | DEAD. `due_time` says when somebody should fetch it, the
-- end of the lease while somebody does; `lease_number` tells holders apart. The tenant is known
-- once somebody has looked at it. `expire_time` is when the file and this row go.
CREATE TABLE media (
    media_key       bigint      NOT NULL CONSTRAINT media_key PRIMARY KEY,
    tenant_id       text,
    phone_number_id text        NOT NULL,
    account_id      text        NOT NULL,
    arrive_time     timestamptz NOT NULL DEFAULT now(),
    content         bytea       NOT NULL,
    state           text        NOT NULL DEFAULT 'WAITING',
    due_time        timestamptz NOT NULL DEFAULT now(),
    lease_number    bigint      NOT NULL DEFAULT 0,
    attempt_count   smallint    NOT NULL DEFAULT 0,
    failure         text,
    media_type      text,
    byte_count      bigint,
    sha256          bytea,
    store_time      timestamptz,
    expire_time     timestamptz,
    CONSTRAINT media_state_known CHECK (state IN ('WAITING', 'STORED', 'DEAD')),
    CONSTRAINT media_stored_is_known
        CHECK (state <> 'STORED' OR tenant_id IS NOT NULL AND store_time IS NOT NULL),
    CONSTRAINT media_ends CHECK (state = 'WAITING' OR expire_time IS NOT NULL)
) WITH (fillfactor = 80);
CREATE INDEX media_waiting ON media (phone_number_id, due_time) WHERE state = 'WAITING';
CREATE INDEX media_of_tenant ON media (tenant_id, media_key) WHERE tenant_id IS NOT NULL;
CREATE INDEX media_ending ON media (expire_time) WHERE expire_time IS NOT NULL;

-- Notes the files of messages that the same transaction has just stored; what went to the
-- quarantine has none. Sequential scans are off for the reason that `ingest` gives.
CREATE FUNCTION keep_media(p_key bytea[], p_number text[], p_day integer[], p_content bytea[])
RETURNS void LANGUAGE sql VOLATILE SET enable_seqscan = off AS $$
    INSERT INTO media (media_key, phone_number_id, account_id, arrive_time, content)
    SELECT i.inbox_id, i.phone_number_id, i.account_id, i.arrive_time, item.content
    FROM unnest(p_key, p_number, p_day, p_content) AS item(key, number, day, content)
    JOIN seen s ON s.item_key = item.key AND s.phone_number_id = item.number
        AND s.event_day = date '1970-01-01' + item.day
    JOIN inbox i ON i.inbox_id = s.inbox_id
$$;
