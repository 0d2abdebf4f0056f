-- As before, and each item's row in the inbox is found by its number: a sequence's value that is
-- asked for row by row is nothing that an index can be searched for.
CREATE OR REPLACE FUNCTION archive_fresh(
    p_fresh integer[], p_number text[], p_key bytea[], p_key_id text, p_tenant text[],
    p_sealed bytea[]
) RETURNS integer[] LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
DECLARE
    base bigint;
BEGIN
    IF p_key_id IS NOT NULL AND p_fresh <> '{}' THEN
        base := currval('inbox_number');
        PERFORM tenancy.act_for(p_tenant || '-'::text);
        INSERT INTO archive (inbox_id, tenant_id, mailbox_id, phone_number_id, item_key, key_id,
                             ciphertext)
        SELECT base + item.at, item.tenant, i.mailbox_id, item.number, item.key, p_key_id,
               item.sealed
        FROM unnest(p_number, p_key, p_tenant, p_sealed)
             WITH ORDINALITY AS item(number, key, tenant, sealed, at)
        JOIN unnest(p_fresh) AS fresh(at) ON fresh.at = item.at
        LEFT JOIN inbox i ON i.inbox_id = base + item.at;
    END IF;
    RETURN p_fresh;
END $$;
