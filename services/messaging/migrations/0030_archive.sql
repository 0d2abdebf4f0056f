-- Every item as it came in, encrypted, for a number of days: what a conversation can be led over
-- with again. `tenant_id` says whose data key it is under, NULL the installation's: the hotel was
-- not known then. Number and item key are bound to the ciphertext, so that it opens in its own
-- row only. The mailbox is known of messages.
CREATE TABLE archive (
    inbox_id        bigint      NOT NULL CONSTRAINT archive_key PRIMARY KEY,
    tenant_id       text,
    mailbox_id      bigint,
    phone_number_id text        NOT NULL,
    item_key        bytea       NOT NULL,
    key_id          text        NOT NULL,
    ciphertext      bytea       NOT NULL,
    arrive_time     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX archive_by_mailbox ON archive (mailbox_id, inbox_id) WHERE mailbox_id IS NOT NULL;
CREATE INDEX archive_unresolved ON archive (inbox_id) WHERE tenant_id IS NULL;

-- Archives what `ingest` has just stored: `p_fresh` is its answer, and the answer here. It must
-- be called in the statement that calls `ingest`. Without a key nothing is archived.
CREATE FUNCTION archive_fresh(
    p_fresh integer[], p_number text[], p_key bytea[], p_key_id text, p_tenant text[],
    p_sealed bytea[]
) RETURNS integer[] LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
BEGIN
    IF p_key_id IS NOT NULL AND p_fresh <> '{}' THEN
        INSERT INTO archive (inbox_id, tenant_id, mailbox_id, phone_number_id, item_key, key_id,
                             ciphertext)
        SELECT currval('inbox_number') + item.at, item.tenant, i.mailbox_id, item.number, item.key,
               p_key_id, item.sealed
        FROM unnest(p_number, p_key, p_tenant, p_sealed)
             WITH ORDINALITY AS item(number, key, tenant, sealed, at)
        JOIN unnest(p_fresh) AS fresh(at) ON fresh.at = item.at
        LEFT JOIN inbox i ON i.inbox_id = currval('inbox_number') + item.at;
    END IF;
    RETURN p_fresh;
END $$;
