-- As before, and an item's words go with the step that heard them: what is needed of them later is
-- sealed in the archive.
CREATE OR REPLACE FUNCTION commit_step(
    p_mailbox bigint, p_lease bigint, p_tenant text, p_state bytea, p_unanswered bigint[],
    p_start timestamptz, p_reads bytea[], p_lets_go boolean, p_arrivals bigint,
    p_last timestamptz, p_late_before timestamptz, p_items bigint[], p_heard uuid,
    p_answers bigint[], p_trace text,
    p_message uuid[], p_kind text[], p_body bytea[], p_hold boolean[],
    p_command uuid[], p_command_number integer[], p_method text[], p_request bytea[],
    p_sources bigint[], p_more boolean
) RETURNS bigint LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
DECLARE
    box bigint;
BEGIN
    PERFORM tenancy.act_for(ARRAY[p_tenant, '-']);
    WITH held AS (
        UPDATE mailbox SET
            last_order_time = greatest(last_order_time, p_last),
            lease_until = CASE WHEN p_lets_go THEN '-infinity' ELSE lease_until END,
            due_time = CASE WHEN NOT p_lets_go THEN due_time
                       WHEN arrivals = p_arrivals AND NOT p_more THEN NULL ELSE now() END
        WHERE mailbox_id = p_mailbox AND lease_number = p_lease
        RETURNING mailbox_id, phone_number_id
    ), item AS (
        UPDATE inbox i SET state = 'DONE', tenant_id = p_tenant, step_time = p_start, event = '',
            late = i.order_time < p_late_before, done_time = clock_timestamp(),
            reads = CASE WHEN i.inbox_id = p_items[1] THEN p_reads END
        FROM held WHERE i.inbox_id = ANY(p_items) AND i.state = 'PENDING'
    ), heard AS (
        UPDATE effect e SET state = 'DONE', step_time = p_start, done_time = clock_timestamp(),
            reads = p_reads
        FROM held WHERE e.tenant_id = p_tenant AND e.request_id = p_heard AND e.state = 'ANSWERED'
    ), talk AS (
        INSERT INTO conversation (tenant_id, mailbox_id, state, unanswered)
        SELECT p_tenant, mailbox_id, p_state, p_unanswered FROM held
        ON CONFLICT (tenant_id, mailbox_id) DO UPDATE SET
            state = excluded.state, unanswered = excluded.unanswered, update_time = now()
    ), released AS (
        -- A guest who writes may be written to: what was held goes before the answer.
        UPDATE outbox o SET state = 'PENDING', due_time = now()
        FROM held WHERE o.tenant_id = p_tenant AND o.mailbox_id = held.mailbox_id
          AND o.state = 'HELD' AND cardinality(p_items) > 0
    ), messages AS (
        INSERT INTO outbox (tenant_id, outbox_id, mailbox_id, phone_number_id, kind, body,
                            hold_for_person, answers, traceparent)
        SELECT p_tenant, m.outbox_id, held.mailbox_id, held.phone_number_id, m.kind, m.body, m.hold,
               CASE m.at WHEN 1 THEN p_answers ELSE '{}' END, p_trace
        FROM held, unnest(p_message, p_kind, p_body, p_hold)
             WITH ORDINALITY AS m(outbox_id, kind, body, hold, at)
        ORDER BY m.at
    ), commands AS (
        INSERT INTO effect (tenant_id, request_id, mailbox_id, command_number, method, request,
                            inbox_ids, traceparent)
        SELECT p_tenant, c.request_id, held.mailbox_id, c.number, c.method, c.request, p_sources,
               p_trace
        FROM held, unnest(p_command, p_command_number, p_method, p_request)
             WITH ORDINALITY AS c(request_id, number, method, request, at)
        ORDER BY c.at
    )
    SELECT mailbox_id INTO box FROM held;
    RETURN box;
END $$;
