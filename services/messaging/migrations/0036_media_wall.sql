-- Statements about files say whose they are about (`meshkit/tenancy.py`). The mailbox tells which
-- guest's a file is; where it is not known, the row is older than the column.
ALTER TABLE media ADD COLUMN mailbox_id bigint;
CREATE INDEX media_dead ON media (tenant_id, media_key) WHERE state = 'DEAD';

-- As before, for rows that belong to no hotel yet, and with the guest.
CREATE OR REPLACE FUNCTION keep_media(
    p_key bytea[], p_number text[], p_day integer[], p_content bytea[]
) RETURNS void LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
BEGIN
    PERFORM tenancy.act_for(ARRAY['-']);
    INSERT INTO media (media_key, mailbox_id, phone_number_id, account_id, arrive_time, content)
    SELECT i.inbox_id, i.mailbox_id, i.phone_number_id, i.account_id, i.arrive_time, item.content
    FROM unnest(p_key, p_number, p_day, p_content) AS item(key, number, day, content)
    JOIN seen s ON s.item_key = item.key AND s.phone_number_id = item.number
        AND s.event_day = date '1970-01-01' + item.day
    JOIN inbox i ON i.inbox_id = s.inbox_id;
END $$;

-- One number after the other is looked at, as for mailboxes: however many files wait for one
-- hotel, it takes its share, and the first of each goes before the second of any. The claim
-- moves `due_time` to the lease's end: what a holder that died had is due again by itself.
CREATE FUNCTION finder.claim_media(
    p_limit bigint, p_share integer, p_seconds float8, p_number text[], p_held integer[]
) RETURNS TABLE (media_key bigint, tenant_id text)
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = public, pg_temp SET enable_seqscan = off AS $$
    WITH RECURSIVE number AS (
        (SELECT m.phone_number_id FROM media m WHERE m.state = 'WAITING'
         ORDER BY m.phone_number_id LIMIT 1)
        UNION ALL
        SELECT (SELECT m.phone_number_id FROM media m
                WHERE m.state = 'WAITING' AND m.phone_number_id > number.phone_number_id
                ORDER BY m.phone_number_id LIMIT 1)
        FROM number WHERE number.phone_number_id IS NOT NULL
    ), due AS (
        SELECT share.media_key, share.turn FROM number CROSS JOIN LATERAL (
            SELECT m.media_key, row_number() OVER (ORDER BY m.due_time) AS turn FROM media m
            WHERE m.phone_number_id = number.phone_number_id
              AND m.state = 'WAITING' AND m.due_time <= now()
            ORDER BY m.due_time
            LIMIT greatest(0, p_share - coalesce((
                SELECT held.count FROM unnest(p_number, p_held) AS held(number, count)
                WHERE held.number = number.phone_number_id), 0))) AS share
    ), chosen AS MATERIALIZED (
        SELECT m.media_key FROM media m JOIN due ON due.media_key = m.media_key
        WHERE m.state = 'WAITING' AND m.due_time <= now()
        ORDER BY due.turn, m.due_time LIMIT p_limit FOR NO KEY UPDATE OF m SKIP LOCKED
    )
    UPDATE media m SET due_time = now() + p_seconds * interval '1 second',
        lease_number = m.lease_number + 1, attempt_count = m.attempt_count + 1
    FROM chosen WHERE m.media_key = chosen.media_key
    RETURNING m.media_key, m.tenant_id;
$$;

CREATE FUNCTION finder.renew_media(p_key bigint[], p_lease bigint[], p_seconds float8)
RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE media m SET due_time = now() + p_seconds * interval '1 second'
    FROM unnest(p_key, p_lease) AS held(media_key, lease_number)
    WHERE m.media_key = held.media_key AND m.lease_number = held.lease_number
      AND m.state = 'WAITING';
$$;

CREATE FUNCTION finder.ended_media(p_limit bigint)
RETURNS TABLE (media_key bigint, tenant_id text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT m.media_key, m.tenant_id FROM media m WHERE m.expire_time <= now()
    ORDER BY m.expire_time LIMIT p_limit;
$$;

CREATE FUNCTION finder.media_backlog(OUT waiting_count bigint, OUT oldest_seconds float8)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT count(*), coalesce(extract(epoch FROM now() - min(arrive_time)), 0)::float8
    FROM (SELECT arrive_time FROM media WHERE state = 'WAITING' LIMIT 10000) AS waiting;
$$;

SELECT tenancy.wall('media');
