-- Statements say whose rows they are about (`meshkit/tenancy.py`). What is hot names its hotels in
-- its first line; '-' are the rows whose hotel is not known yet. What looks over all hotels runs
-- as the finder, and tells ids, versions, times and counts.

-- As before, in the name of the hotels that the statuses name.
CREATE OR REPLACE FUNCTION ingest(
    p_number text[], p_account text[], p_key bytea[], p_day integer[],
    p_order bigint[], p_receive bigint[], p_kind text[], p_event bytea[], p_trace text[],
    p_was_user bytea[], p_was_phone bytea[], p_user bytea[], p_phone bytea[], p_written bytea[], p_opens boolean[],
    p_tenant text[], p_outbox uuid[], p_wamid bytea[], p_delivery smallint[], p_error integer[]
) RETURNS integer[] LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
DECLARE
    base   bigint := nextval('inbox_number');
    fresh  integer[];
    is_new boolean[] := array_fill(false, ARRAY[cardinality(p_key)]);
    boxes  bigint[];
    place  integer;
BEGIN
    PERFORM tenancy.act_for(p_tenant || '-'::text);

    WITH stored AS (
        INSERT INTO seen (item_key, phone_number_id, event_day, inbox_id)
        SELECT item.key, item.number, date '1970-01-01' + item.day, base + item.at
        FROM unnest(p_key, p_number, p_day) WITH ORDINALITY AS item(key, number, day, at)
        ORDER BY item.day, item.number, item.key, item.at
        ON CONFLICT DO NOTHING
        RETURNING seen.inbox_id
    )
    SELECT array_agg((inbox_id - base)::integer) INTO fresh FROM stored;

    IF fresh IS NULL THEN
        RETURN '{}';
    END IF;
    FOREACH place IN ARRAY fresh LOOP
        is_new[place] := true;
    END LOOP;
    boxes := mailboxes_of(base, p_number, p_was_user, p_was_phone, p_user, p_phone, p_order,
                          is_new);

    INSERT INTO mailbox AS m (mailbox_id, phone_number_id, whatsapp_id, user_id, due_time, arrivals,
                              inbound_time, named_time)
    SELECT item.box, min(item.number),
           (array_agg(coalesce(item.written, substr(item.phone, 3))
                      ORDER BY item.ordered DESC, item.at DESC)
               FILTER (WHERE item.phone IS NOT NULL))[1],
           (array_agg(substr(item.usr, 3) ORDER BY item.ordered DESC, item.at DESC)
               FILTER (WHERE item.usr IS NOT NULL))[1],
           now(), count(*),
           max(timestamptz 'epoch' + item.ordered * interval '1 microsecond')
               FILTER (WHERE item.opens),
           max(timestamptz 'epoch' + item.ordered * interval '1 microsecond')
    FROM unnest(p_number, p_user, p_phone, p_written, p_order, p_opens, boxes, is_new)
         WITH ORDINALITY AS item(number, usr, phone, written, ordered, opens, box, is_new, at)
    WHERE item.is_new AND item.box IS NOT NULL
    GROUP BY item.box
    ORDER BY item.box
    ON CONFLICT (mailbox_id) DO UPDATE SET
        due_time = least(m.due_time, excluded.due_time),
        arrivals = m.arrivals + excluded.arrivals,
        whatsapp_id = CASE WHEN excluded.named_time >= coalesce(m.named_time, '-infinity')
            THEN coalesce(excluded.whatsapp_id, m.whatsapp_id)
            ELSE coalesce(m.whatsapp_id, excluded.whatsapp_id) END,
        user_id = CASE WHEN excluded.named_time >= coalesce(m.named_time, '-infinity')
            THEN coalesce(excluded.user_id, m.user_id)
            ELSE coalesce(m.user_id, excluded.user_id) END,
        named_time = greatest(m.named_time, excluded.named_time),
        inbound_time = greatest(m.inbound_time, excluded.inbound_time),
        window_refused_time = CASE
            WHEN excluded.inbound_time > coalesce(m.inbound_time, '-infinity') THEN NULL
            ELSE m.window_refused_time END;

    INSERT INTO inbox (inbox_id, mailbox_id, phone_number_id, account_id, kind, order_time,
                       receive_time, traceparent, event, state)
    SELECT base + item.at, item.box, item.number, item.account, item.kind,
           timestamptz 'epoch' + item.ordered * interval '1 microsecond',
           timestamptz 'epoch' + item.received * interval '1 microsecond',
           item.trace, item.event, CASE item.kind WHEN 'message' THEN 'PENDING' ELSE 'DONE' END
    FROM unnest(p_number, p_account, p_kind, p_order, p_receive, p_trace, p_event, boxes, is_new)
         WITH ORDINALITY
         AS item(number, account, kind, ordered, received, trace, event, box, is_new, at)
    WHERE item.is_new
      AND (item.box IS NOT NULL OR item.kind IN ('error', 'field_update'));

    IF array_position(boxes, NULL) IS NULL THEN
        RETURN fresh;
    END IF;

    INSERT INTO quarantine (inbox_id, reason, phone_number_id, account_id, traceparent, event)
    SELECT base + item.at, CASE item.kind WHEN 'message' THEN 'NO_SENDER' ELSE upper(item.kind) END,
           item.number, item.account, item.trace, item.event
    FROM unnest(p_number, p_account, p_kind, p_trace, p_event, boxes, is_new)
         WITH ORDINALITY AS item(number, account, kind, trace, event, box, is_new, at)
    WHERE item.is_new AND item.box IS NULL
      AND item.kind NOT IN ('error', 'field_update', 'status');

    IF p_wamid IS NOT NULL THEN
        PERFORM take_statuses(base, is_new, p_number, p_account, p_order, p_receive, p_kind,
                              p_event, p_tenant, p_outbox, p_wamid, p_delivery);
        IF 131047 = ANY(p_error) THEN
            PERFORM stand_in(base, is_new, p_error);
        END IF;
    END IF;
    RETURN fresh;
END $$;

-- What waits in leased mailboxes, up to `p_most` messages of each, in order. Read after the claim
-- has committed: whatever came until then is seen here or has raised `arrivals`.
CREATE FUNCTION pending_of(p_mailbox bigint[], p_most integer)
RETURNS TABLE (
    mailbox_id bigint, whatsapp_id bytea, inbox_id bigint, account_id text, order_time timestamptz,
    traceparent text, event bytea, attempt_count smallint, arrive_time timestamptz,
    age_seconds float8
) LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
    PERFORM tenancy.act_for(ARRAY['-']);
    RETURN QUERY
    SELECT m.mailbox_id, m.whatsapp_id, i.inbox_id, i.account_id, i.order_time, i.traceparent,
           i.event, i.attempt_count, i.arrive_time,
           extract(epoch FROM now() - i.arrive_time)::float8
    FROM unnest(p_mailbox) AS box(mailbox_id)
    JOIN mailbox m ON m.mailbox_id = box.mailbox_id
    LEFT JOIN LATERAL (
        SELECT i.inbox_id, i.account_id, i.order_time, i.traceparent, i.event,
               i.attempt_count, i.arrive_time
        FROM inbox i WHERE i.mailbox_id = box.mailbox_id AND i.state = 'PENDING'
        ORDER BY i.order_time, i.inbox_id LIMIT p_most) AS i ON true;
END $$;

-- One number after the other is looked at, so that a hotel with ten thousand guests waiting takes
-- its share and no more. What is tested without the row lock is tested again with it. The claim
-- moves `due_time` to the lease's end: a mailbox whose holder died is due again by itself.
--
-- With each comes the oldest answer of a command that its hotel has not heard. What a hotel tells
-- by itself was led to by nothing; then it is the guest's last command before it that says whose
-- he was. Read in the same transaction: whoever brings an answer waits for the mailbox's row.
CREATE FUNCTION finder.claim_mailboxes(
    p_limit bigint, p_share integer, p_seconds float8, p_number text[], p_held integer[]
) RETURNS TABLE (
    mailbox_id bigint, phone_number_id text, lease_number bigint, arrivals bigint,
    last_order_time timestamptz, merging boolean, merged_into bigint,
    answered_tenant_id text, answered_account_id text, answered_arrive_time timestamptz
) LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = public, pg_temp SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    claimed bigint[];
BEGIN
    WITH RECURSIVE number AS (
        (SELECT m.phone_number_id FROM mailbox m WHERE m.due_time IS NOT NULL
         ORDER BY m.phone_number_id LIMIT 1)
        UNION ALL
        SELECT (SELECT m.phone_number_id FROM mailbox m
                WHERE m.due_time IS NOT NULL AND m.phone_number_id > number.phone_number_id
                ORDER BY m.phone_number_id LIMIT 1)
        FROM number WHERE number.phone_number_id IS NOT NULL
    ), due AS (
        SELECT share.mailbox_id FROM number CROSS JOIN LATERAL (
            SELECT m.mailbox_id FROM mailbox m
            WHERE m.phone_number_id = number.phone_number_id
              AND m.due_time <= now() AND m.lease_until <= now()
            ORDER BY m.due_time
            LIMIT least(
                greatest(0, p_share - coalesce((
                    SELECT held.count FROM unnest(p_number, p_held) AS held(number, count)
                    WHERE held.number = number.phone_number_id), 0)),
                greatest(4, p_limit / (SELECT count(*) FROM number)))) AS share
    ), chosen AS MATERIALIZED (
        SELECT m.mailbox_id FROM mailbox m JOIN due ON due.mailbox_id = m.mailbox_id
        WHERE m.due_time <= now() AND m.lease_until <= now()
        ORDER BY m.due_time LIMIT p_limit FOR NO KEY UPDATE OF m SKIP LOCKED
    ), leased AS (
        UPDATE mailbox m SET
            lease_until = now() + p_seconds * interval '1 second',
            due_time = now() + p_seconds * interval '1 second',
            lease_number = m.lease_number + 1
        FROM chosen WHERE m.mailbox_id = chosen.mailbox_id
        RETURNING m.mailbox_id
    )
    SELECT array_agg(leased.mailbox_id) INTO claimed FROM leased;

    RETURN QUERY
    SELECT m.mailbox_id, m.phone_number_id, m.lease_number, m.arrivals, m.last_order_time,
           m.merging, m.merged_into, answered.tenant_id, answered.account_id, answered.arrive_time
    FROM unnest(claimed) AS box(mailbox_id)
    JOIN mailbox m ON m.mailbox_id = box.mailbox_id
    LEFT JOIN LATERAL (
        SELECT e.tenant_id, source.account_id, source.arrive_time
        FROM effect e
        CROSS JOIN LATERAL (
            SELECT led.inbox_ids[1] AS inbox_id FROM effect led
            WHERE led.tenant_id = e.tenant_id AND led.mailbox_id = e.mailbox_id
              AND led.effect_number <= e.effect_number AND led.inbox_ids <> '{}'
            ORDER BY led.effect_number DESC LIMIT 1) AS led
        JOIN inbox source ON source.inbox_id = led.inbox_id
        WHERE e.mailbox_id = box.mailbox_id AND e.state = 'ANSWERED'
        ORDER BY e.effect_number LIMIT 1) AS answered ON true;
END $$;

-- What came for a mailbox while it was merged goes on to where it is now.
CREATE FUNCTION finder.forward_mailbox(
    p_mailbox bigint, p_lease bigint, p_into bigint, p_arrivals bigint
) RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH items AS (
        UPDATE inbox SET mailbox_id = p_into WHERE mailbox_id = p_mailbox AND state = 'PENDING'
    ), answers AS (
        UPDATE effect SET mailbox_id = p_into WHERE mailbox_id = p_mailbox AND state = 'ANSWERED'
    ), wishes AS (
        UPDATE mailbox_merge SET into_mailbox_id = p_into
        WHERE into_mailbox_id = p_mailbox AND done_time IS NULL RETURNING merge_id
    ), old AS (
        UPDATE mailbox SET lease_until = '-infinity', merging = false,
            due_time = CASE WHEN arrivals = p_arrivals THEN NULL ELSE now() END
        WHERE mailbox_id = p_mailbox AND lease_number = p_lease
    )
    UPDATE mailbox SET arrivals = arrivals + 1,
        due_time = least(due_time, greatest(now(), lease_until)),
        merging = merging OR EXISTS (SELECT FROM wishes)
    WHERE mailbox_id = p_into;
$$;

CREATE FUNCTION finder.backlog(
    OUT pending_count bigint, OUT oldest_seconds float8, OUT unknown_count bigint,
    OUT held_count bigint
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT count(*), coalesce(extract(epoch FROM now() - min(arrive_time)), 0)::float8,
           (SELECT count(*) FROM outbox WHERE state = 'UNKNOWN'),
           (SELECT count(*) FROM outbox WHERE state = 'HELD')
    FROM (SELECT arrive_time FROM inbox WHERE state = 'PENDING' LIMIT 10000) AS waiting;
$$;

-- Statuses that lost our id name nothing but a wamid. `place` counts from 1.
CREATE FUNCTION finder.messages_by_wamid(p_number text[], p_wamid bytea[])
RETURNS TABLE (place integer, tenant_id text, outbox_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT item.at::integer, ours.tenant_id, ours.outbox_id
    FROM unnest(p_number, p_wamid) WITH ORDINALITY AS item(number, wamid, at)
    CROSS JOIN LATERAL (
        SELECT o.tenant_id, o.outbox_id FROM outbox o
        WHERE o.wamid = item.wamid AND o.phone_number_id = item.number
        ORDER BY o.outbox_number LIMIT 1) AS ours;
$$;

-- Where a conversation stands: its state, and the oldest command that it has not heard the end of.
CREATE FUNCTION standing(p_tenant text, p_mailbox bigint)
RETURNS TABLE (
    state bytea, unanswered bigint[], request_id uuid, command_number integer, method text,
    effect_state text, answer_ok boolean, answer bytea, inbox_ids bigint[], traceparent text
) LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
    PERFORM tenancy.act_for(ARRAY[p_tenant]);
    RETURN QUERY
    SELECT c.state, c.unanswered, e.request_id, e.command_number, e.method, e.state, e.answer_ok,
           e.answer, e.inbox_ids, e.traceparent
    FROM (SELECT) AS one
    LEFT JOIN conversation c ON c.tenant_id = p_tenant AND c.mailbox_id = p_mailbox
    LEFT JOIN LATERAL (
        SELECT e.request_id, e.command_number, e.method, e.state, e.answer_ok, e.answer,
               e.inbox_ids, e.traceparent
        FROM effect e
        WHERE e.tenant_id = p_tenant AND e.mailbox_id = p_mailbox
          AND e.state IN ('OPEN', 'ANSWERED')
        ORDER BY e.effect_number LIMIT 1) AS e ON true;
END $$;

-- Commits a step. Everything hangs on the lease: with another `lease_number` nothing is written,
-- and the answer is NULL. The mailbox is let go in the same statement when the step was the last.
CREATE FUNCTION commit_step(
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
        UPDATE inbox i SET state = 'DONE', tenant_id = p_tenant, step_time = p_start,
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
