-- A number is written to for the guest whom its key leads to. Where it has become somebody else's,
-- whoever had it before is written to by his user id, or not at all: what he has booked is not told
-- to who has it now.

-- The name that a number leads by, from the form in which WhatsApp writes it; as `meshkit.phones`
-- makes it.
CREATE FUNCTION phone_name(p_written bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT 'p:'::bytea || CASE
        WHEN written ~ '^521[0-9]{10}$' THEN substr(p_written, 1, 2) || substr(p_written, 4)
        WHEN written ~ '^55[1-9]{2}[6-9][0-9]{7}$'
            THEN substr(p_written, 1, 4) || '9'::bytea || substr(p_written, 5)
        WHEN written ~ '^549?(11(?=15\d{8}$)|[23]\d\d(?=15\d{7}$)|[23]\d{3}(?=15\d{6}$))15\d{6,8}$'
            THEN regexp_replace(
                written,
                '^549?(11(?=15\d{8}$)|[23]\d\d(?=15\d{7}$)|[23]\d{3}(?=15\d{6}$))15(\d{6,8})$',
                '549\1\2')::bytea
        ELSE p_written END
    FROM (SELECT encode(p_written, 'escape') AS written) AS form;
$$;

-- As before, but for the number. One that waits to be merged is the guest's all the same.
CREATE OR REPLACE FUNCTION claim_sends(
    p_tenant text[], p_outbox uuid[], p_attempt integer[], p_seconds float8
) RETURNS TABLE (
    tenant_id text, outbox_id uuid, mailbox_id bigint, phone_number_id text, kind text, body bytea,
    attempt_count integer, create_time timestamptz, traceparent text, whatsapp_id bytea,
    user_id bytea, window_open boolean, stands_for uuid
) LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
    PERFORM tenancy.act_for(p_tenant || '-'::text);
    RETURN QUERY
    WITH chosen AS MATERIALIZED (
        SELECT o.tenant_id, o.outbox_id
        FROM unnest(p_tenant, p_outbox, p_attempt) AS due(tenant_id, outbox_id, attempt_count)
        JOIN outbox o ON o.tenant_id = due.tenant_id AND o.outbox_id = due.outbox_id
        WHERE o.state = 'PENDING' AND o.due_time <= now() AND o.attempt_count = due.attempt_count
        FOR NO KEY UPDATE OF o SKIP LOCKED
    )
    UPDATE outbox o SET
        state = 'SENDING', attempt_count = o.attempt_count + 1, send_time = clock_timestamp(),
        lease_until = now() + p_seconds * interval '1 second', sent_as = NULL
    FROM chosen, mailbox m
    WHERE o.tenant_id = chosen.tenant_id AND o.outbox_id = chosen.outbox_id
      AND m.mailbox_id = o.mailbox_id
    RETURNING o.tenant_id, o.outbox_id, o.mailbox_id, o.phone_number_id, o.kind, o.body,
              o.attempt_count, o.create_time, o.traceparent,
              CASE WHEN NOT EXISTS (
                  SELECT FROM mailbox_alias a
                  WHERE a.phone_number_id = m.phone_number_id
                    AND a.alias = phone_name(m.whatsapp_id) AND a.mailbox_id <> m.mailbox_id
                    AND NOT EXISTS (SELECT FROM mailbox_merge g
                                    WHERE g.from_mailbox_id = m.mailbox_id))
              THEN m.whatsapp_id END,
              m.user_id,
              (m.inbound_time IS NULL
               OR greatest(m.inbound_time, m.last_order_time) > now() - interval '24 hours')
                  AND m.window_refused_time IS NULL
                  AND (o.refused_time IS NULL OR coalesce(m.inbound_time > o.refused_time, false)),
              o.stands_for;
END $$;
