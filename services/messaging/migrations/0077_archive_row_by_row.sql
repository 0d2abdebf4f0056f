-- What 0041 made of it, also where that came before the file that changed it again. The number that
-- a row is looked up by is one value each time, which an index is searched for behind a wall too.
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
        SELECT base + item.at, item.tenant,
               (SELECT i.mailbox_id FROM inbox i WHERE i.inbox_id = base + item.at),
               item.number, item.key, p_key_id, item.sealed
        FROM unnest(p_number, p_key, p_tenant, p_sealed)
             WITH ORDINALITY AS item(number, key, tenant, sealed, at)
        JOIN unnest(p_fresh) AS fresh(at) ON fresh.at = item.at;
    END IF;
    RETURN p_fresh;
END $$;
