-- As before, but each number is there before a row is looked for by it: behind a wall no index is
-- searched for a sum that is made of another table's row, for a sum can fail and so tell of rows.
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
        WITH fresh AS MATERIALIZED (
            SELECT base + item.at AS inbox_id, item.tenant, item.number, item.key, item.sealed
            FROM unnest(p_number, p_key, p_tenant, p_sealed)
                 WITH ORDINALITY AS item(number, key, tenant, sealed, at)
            JOIN unnest(p_fresh) AS fresh(at) ON fresh.at = item.at
        )
        INSERT INTO archive (inbox_id, tenant_id, mailbox_id, phone_number_id, item_key, key_id,
                             ciphertext)
        SELECT fresh.inbox_id, fresh.tenant, i.mailbox_id, fresh.number, fresh.key, p_key_id,
               fresh.sealed
        FROM fresh LEFT JOIN inbox i ON i.inbox_id = fresh.inbox_id;
    END IF;
    RETURN p_fresh;
END $$;

CREATE OR REPLACE FUNCTION stand_in(base bigint, p_is_new boolean[], p_error integer[])
RETURNS void LANGUAGE sql VOLATILE AS $$
    WITH failed AS MATERIALIZED (
        SELECT base + item.at AS inbox_id
        FROM unnest(p_is_new, p_error) WITH ORDINALITY AS item(is_new, error, at)
        WHERE item.is_new AND item.error = 131047
    )
    INSERT INTO outbox (tenant_id, outbox_id, mailbox_id, phone_number_id, kind, body, answers,
                        hold_for_person, traceparent, refused_time, stands_for)
    SELECT o.tenant_id, md5('window/' || o.outbox_id)::uuid, o.mailbox_id, o.phone_number_id,
           o.kind, o.body, '{}', o.hold_for_person, o.traceparent, o.send_time, o.outbox_id
    FROM failed
    JOIN delivery_status d ON d.inbox_id = failed.inbox_id
    JOIN outbox o ON o.tenant_id = d.tenant_id AND o.outbox_id = d.outbox_id
    WHERE o.kind <> 'template' AND o.sent_as IS NULL
    ORDER BY o.outbox_number
    ON CONFLICT DO NOTHING;
$$;
