-- As in the file before: commands and messages on their way.

-- Commands that are due. Hotels take turns, so that none waits behind another's crowd.
CREATE FUNCTION finder.due_effects(p_limit bigint)
RETURNS TABLE (tenant_id text, request_id uuid, attempt_count integer)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH RECURSIVE tenant AS (
        (SELECT e.tenant_id FROM effect e WHERE e.state = 'OPEN' ORDER BY e.tenant_id LIMIT 1)
        UNION ALL
        SELECT (SELECT e.tenant_id FROM effect e
                WHERE e.state = 'OPEN' AND e.tenant_id > tenant.tenant_id
                ORDER BY e.tenant_id LIMIT 1)
        FROM tenant WHERE tenant.tenant_id IS NOT NULL
    ), due AS (
        SELECT share.tenant_id, share.request_id, share.attempt_count, share.due_time,
               row_number() OVER (PARTITION BY share.tenant_id ORDER BY share.due_time) AS turn
        FROM tenant CROSS JOIN LATERAL (
            SELECT e.tenant_id, e.request_id, e.attempt_count, e.due_time FROM effect e
            WHERE e.tenant_id = tenant.tenant_id AND e.state = 'OPEN' AND e.due_time <= now()
            ORDER BY e.due_time LIMIT greatest(4, p_limit / (SELECT count(*) FROM tenant))) AS share
    )
    SELECT due.tenant_id, due.request_id, due.attempt_count FROM due
    ORDER BY due.turn, due.due_time LIMIT p_limit;
END $$;

-- Takes up those of them that nobody else has taken up meanwhile. The claim moves `due_time`,
-- which is lease and pause in one: the command is sent again when nothing is heard.
CREATE FUNCTION claim_effects(
    p_tenant text[], p_request uuid[], p_attempt integer[], p_seconds float8
) RETURNS TABLE (
    tenant_id text, request_id uuid, method text, request bytea, attempt_count integer,
    traceparent text
) LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
    PERFORM tenancy.act_for(p_tenant);
    RETURN QUERY
    WITH chosen AS MATERIALIZED (
        SELECT e.tenant_id, e.request_id
        FROM unnest(p_tenant, p_request, p_attempt) AS due(tenant_id, request_id, attempt_count)
        JOIN effect e ON e.tenant_id = due.tenant_id AND e.request_id = due.request_id
        WHERE e.state = 'OPEN' AND e.due_time <= now() AND e.attempt_count = due.attempt_count
        FOR NO KEY UPDATE OF e SKIP LOCKED
    )
    UPDATE effect e SET
        due_time = now() + p_seconds * interval '1 second',
        attempt_count = e.attempt_count + 1,
        send_time = coalesce(e.send_time, now())
    FROM chosen WHERE e.tenant_id = chosen.tenant_id AND e.request_id = chosen.request_id
    RETURNING e.tenant_id, e.request_id, e.method, e.request, e.attempt_count, e.traceparent;
END $$;

-- The first final answer stands; the same command has the same answer anyway. It makes its
-- conversation due: the answer is that conversation's next event.
CREATE FUNCTION answer_effect(
    p_tenant text, p_request uuid, p_ok boolean, p_answer bytea, p_code text
) RETURNS void LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
BEGIN
    PERFORM tenancy.act_for(ARRAY[p_tenant]);
    WITH answered AS (
        UPDATE effect SET state = 'ANSWERED', answer_ok = p_ok, answer = p_answer,
            answer_time = clock_timestamp(), confirmation_code = p_code
        WHERE tenant_id = p_tenant AND request_id = p_request AND state = 'OPEN'
        RETURNING mailbox_id
    )
    UPDATE mailbox m SET due_time = least(m.due_time, now()), arrivals = m.arrivals + 1
    FROM answered WHERE m.mailbox_id = answered.mailbox_id;
END $$;

-- Messages that may go: the head of each guest's line, with nothing under way to that guest,
-- nothing before it that may still go, and a number that does not rest. `last_order_time` of the
-- mailbox knows of what a replica of the release before took in. What one step wrote has one
-- `create_time`: the parts of an answer, of which each may have to wait for the delivery of the one
-- before. Hotels take turns, and none gets more than its share of what one process has under way.
-- (With EXISTS the planner would read all that a hotel has open for each guest.)
CREATE FUNCTION finder.due_sends(
    p_limit bigint, p_share integer, p_tenant text[], p_held integer[], p_delivered_wait float8
) RETURNS TABLE (tenant_id text, outbox_id uuid, attempt_count integer)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH RECURSIVE tenant AS (
        (SELECT o.tenant_id FROM outbox o WHERE o.state = 'PENDING' ORDER BY o.tenant_id LIMIT 1)
        UNION ALL
        SELECT (SELECT o.tenant_id FROM outbox o
                WHERE o.state = 'PENDING' AND o.tenant_id > tenant.tenant_id
                ORDER BY o.tenant_id LIMIT 1)
        FROM tenant WHERE tenant.tenant_id IS NOT NULL
    ), head AS (
        SELECT share.tenant_id, share.outbox_id, share.attempt_count, share.due_time,
               row_number() OVER (PARTITION BY share.tenant_id ORDER BY share.due_time) AS turn
        FROM tenant CROSS JOIN LATERAL (
            SELECT o.tenant_id, o.outbox_id, o.attempt_count, o.due_time FROM outbox o
            WHERE o.tenant_id = tenant.tenant_id AND o.state = 'PENDING' AND o.due_time <= now()
              AND NOT EXISTS (SELECT FROM number_pause p
                              WHERE p.phone_number_id = o.phone_number_id AND p.pause_until > now())
              AND NOT coalesce((
                  SELECT true FROM outbox other
                  WHERE other.tenant_id = o.tenant_id AND other.mailbox_id = o.mailbox_id
                    AND other.state IN ('PENDING', 'SENDING', 'UNKNOWN')
                    AND (other.state = 'SENDING'
                         OR other.outbox_number < o.outbox_number
                            AND (other.state = 'PENDING' OR other.block_until > now()))
                  LIMIT 1), false)
              AND (p_delivered_wait = 0 OR NOT coalesce((
                  SELECT part.create_time = o.create_time AND part.state = 'SENT'
                     AND part.delivery < 2
                     AND part.accept_time > now() - p_delivered_wait * interval '1 second'
                  FROM outbox part
                  WHERE part.tenant_id = o.tenant_id AND part.mailbox_id = o.mailbox_id
                    AND part.outbox_number < o.outbox_number
                  ORDER BY part.outbox_number DESC LIMIT 1), false))
            ORDER BY o.due_time
            LIMIT least(
                greatest(0, p_share - coalesce((
                    SELECT held.count FROM unnest(p_tenant, p_held) AS held(tenant_id, count)
                    WHERE held.tenant_id = tenant.tenant_id), 0)),
                greatest(4, p_limit / (SELECT count(*) FROM tenant)))) AS share
    )
    SELECT head.tenant_id, head.outbox_id, head.attempt_count FROM head
    ORDER BY head.turn, head.due_time LIMIT p_limit;
END $$;

-- Makes those of them SENDING that nobody else has taken up meanwhile. The unique index on SENDING
-- is the second wall against two at once to one guest.
CREATE FUNCTION claim_sends(
    p_tenant text[], p_outbox uuid[], p_attempt integer[], p_seconds float8
) RETURNS TABLE (
    tenant_id text, outbox_id uuid, mailbox_id bigint, phone_number_id text, kind text, body bytea,
    attempt_count integer, create_time timestamptz, traceparent text, whatsapp_id bytea,
    user_id bytea, window_open boolean, stands_for uuid
) LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
    PERFORM tenancy.act_for(p_tenant);
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
              o.attempt_count, o.create_time, o.traceparent, m.whatsapp_id, m.user_id,
              (m.inbound_time IS NULL
               OR greatest(m.inbound_time, m.last_order_time) > now() - interval '24 hours')
                  AND m.window_refused_time IS NULL
                  AND (o.refused_time IS NULL OR coalesce(m.inbound_time > o.refused_time, false)),
              o.stands_for;
END $$;

-- The Graph API took it. Also when a status has made it SENT before, or its lease has run out: it
-- was accepted, and a second send that is planned is called off.
CREATE FUNCTION accept_send(p_tenant text, p_outbox uuid, p_attempt integer, p_wamid bytea)
RETURNS void LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
BEGIN
    PERFORM tenancy.act_for(ARRAY[p_tenant]);
    UPDATE outbox SET state = 'SENT', wamid = coalesce(wamid, p_wamid), lease_until = NULL,
        accept_time = coalesce(accept_time, clock_timestamp())
    WHERE tenant_id = p_tenant AND outbox_id = p_outbox AND attempt_count = p_attempt
      AND state IN ('PENDING', 'SENDING', 'UNKNOWN', 'SENT');
END $$;

-- Sends whose lease ran out become unknown.
CREATE FUNCTION finder.expire_sends(p_block float8, p_settle float8) RETURNS SETOF uuid
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE outbox SET state = 'UNKNOWN', lease_until = NULL, error_detail = 'LEASE_EXPIRED',
        block_until = now() + p_block * interval '1 second',
        settle_time = CASE WHEN hold_for_person OR resend_count > 0 THEN NULL
                      ELSE greatest(now(), send_time + p_settle * interval '1 second') END
    WHERE state = 'SENDING' AND lease_until < now()
    RETURNING outbox_id;
$$;

-- Unknown ones may go once more when ours would have come too: other statuses of the number came a
-- settling time ago and come still (or, where few do, came four ago), and none that comes is from
-- longer ago. For after an outage of ours each is delivered again in its own time, and the first
-- to come says nothing of the rest. Answers which go.
CREATE FUNCTION finder.settle_sends(p_settle float8)
RETURNS TABLE (outbox_id uuid, again boolean)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH number AS (
        SELECT o.phone_number_id,
               count(d.*) > 0 AS heard_lately,
               coalesce(bool_or(d.order_time < d.arrive_time - span.settle), false) AS catching_up
        FROM (SELECT DISTINCT phone_number_id FROM outbox
              WHERE state = 'UNKNOWN' AND settle_time <= now()) AS o
        CROSS JOIN (SELECT p_settle * interval '1 second' AS settle) AS span
        LEFT JOIN delivery_status d
            ON d.phone_number_id = o.phone_number_id AND d.arrive_time > now() - span.settle
        GROUP BY o.phone_number_id
    ), due AS (
        SELECT o.tenant_id, o.outbox_id, NOT number.catching_up AND EXISTS (
            SELECT FROM delivery_status d
            WHERE d.phone_number_id = o.phone_number_id
              AND d.arrive_time > o.send_time
              AND d.arrive_time <= now() - p_settle * interval '1 second'
                  * CASE WHEN number.heard_lately THEN 1 ELSE 4 END
              AND d.outbox_id IS DISTINCT FROM o.outbox_id) AS heard
        FROM outbox o JOIN number USING (phone_number_id)
        WHERE o.state = 'UNKNOWN' AND o.settle_time <= now()
        ORDER BY o.settle_time LIMIT 100
    )
    UPDATE outbox o SET
        state = CASE WHEN due.heard THEN 'PENDING' ELSE o.state END,
        due_time = CASE WHEN due.heard THEN now() ELSE o.due_time END,
        resend_count = o.resend_count + CASE WHEN due.heard THEN 1 ELSE 0 END,
        settle_time = CASE WHEN due.heard THEN NULL
                      ELSE now() + p_settle / 4 * interval '1 second' END
    FROM due
    WHERE o.tenant_id = due.tenant_id AND o.outbox_id = due.outbox_id
      AND o.state = 'UNKNOWN' AND o.settle_time <= now()
    RETURNING o.outbox_id, o.state = 'PENDING';
$$;

-- What waits for Meta to approve the hotel's template, and it has.
CREATE FUNCTION finder.release_approved() RETURNS SETOF uuid
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE outbox o SET state = 'PENDING', due_time = now()
    WHERE o.state = 'HELD' AND o.error_detail = 'TEMPLATE_NOT_APPROVED' AND EXISTS (
        SELECT FROM window_template w JOIN template t USING (tenant_id, name, language_code)
        WHERE w.tenant_id = o.tenant_id AND t.status = 'APPROVED')
    RETURNING o.outbox_id;
$$;
