-- The archive behind the wall between hotels (`meshkit/tenancy.py`): what is stored names the
-- hotels of its items, and what looks over all of them runs as the finder.
SELECT tenancy.wall('archive');

CREATE OR REPLACE FUNCTION archive_fresh(
    p_fresh integer[], p_number text[], p_key bytea[], p_key_id text, p_tenant text[],
    p_sealed bytea[]
) RETURNS integer[] LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
BEGIN
    IF p_key_id IS NOT NULL AND p_fresh <> '{}' THEN
        PERFORM tenancy.act_for(p_tenant || '-'::text);
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

-- Deletes items that are older than `p_days`. Numbers are given out in the order of arrival, so the
-- oldest stand first: a sweep looks at `p_limit` rows, whatever there is. Replicas look at the
-- same time; one works. What was answered is gone from the inbox too then, and what WhatsApp told
-- of our messages.
CREATE FUNCTION finder.sweep_archive(p_days float8, p_limit integer) RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = public, pg_temp SET enable_seqscan = off AS $$
    WITH oldest AS (
        SELECT inbox_id, arrive_time FROM archive ORDER BY inbox_id LIMIT p_limit
    ), gone AS (
        DELETE FROM archive a USING oldest
        WHERE a.inbox_id = oldest.inbox_id
          AND oldest.arrive_time < now() - p_days * interval '1 day'
          AND (SELECT pg_try_advisory_xact_lock(hashtext('conserje.messaging.archive')))
        RETURNING a.inbox_id
    ), answered AS (
        UPDATE inbox i SET event = '' FROM gone
        WHERE i.inbox_id = gone.inbox_id AND i.state = 'DONE' AND i.event <> ''
    ), statuses AS (
        UPDATE delivery_status d SET event = '' FROM gone
        WHERE d.inbox_id = gone.inbox_id AND d.event <> ''
    )
    SELECT count(*) FROM gone;
$$;

CREATE FUNCTION finder.sweep_steps(p_days float8, p_limit integer) RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = public, pg_temp SET enable_seqscan = off AS $$
    WITH oldest AS (
        SELECT tenant_id, mailbox_id, step_id FROM conversation_step
        WHERE commit_time < now() - p_days * interval '1 day'
          AND (SELECT pg_try_advisory_xact_lock(hashtext('conserje.messaging.archive')))
        ORDER BY commit_time LIMIT p_limit
    ), gone AS (
        DELETE FROM conversation_step s USING oldest
        WHERE s.tenant_id = oldest.tenant_id AND s.mailbox_id = oldest.mailbox_id
          AND s.step_id = oldest.step_id
        RETURNING s.step_id
    )
    SELECT count(*) FROM gone;
$$;

CREATE FUNCTION finder.archive_oldest_seconds() RETURNS float8
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT coalesce(extract(epoch FROM now() - (
        SELECT arrive_time FROM archive ORDER BY inbox_id LIMIT 1)), 0)::float8;
$$;

-- The next items under the installation's data key, and whose they are by now.
CREATE FUNCTION finder.unresolved_archive(p_after bigint, p_limit integer)
RETURNS TABLE (inbox_id bigint, tenant_id text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp SET enable_seqscan = off AS $$
    SELECT a.inbox_id, i.tenant_id
    FROM (SELECT u.inbox_id FROM archive u WHERE u.tenant_id IS NULL AND u.inbox_id > p_after
          ORDER BY u.inbox_id LIMIT p_limit) AS a
    LEFT JOIN inbox i ON i.inbox_id = a.inbox_id
    ORDER BY a.inbox_id;
$$;
