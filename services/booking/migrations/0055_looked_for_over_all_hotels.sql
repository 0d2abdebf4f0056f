-- What is looked for over all hotels, by the owner's rights: the finder names none, and is told
-- ids and versions, never what is in a reservation. Sweeps do here what they find.

-- Hygiene only: nothing waits for it. Ends up to `most` lapsed locks of up to
-- 16 types; a type that is being decided about is passed over, it reaps itself.
CREATE FUNCTION finder.sweep_lapsed_locks(most integer) RETURNS integer
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT sweep_lapsed_locks(most)
$$;

-- By place and skipping locked rows: small, and in nobody's way.
CREATE FUNCTION finder.sweep_answers(older_than interval, most integer) RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH swept AS (
        DELETE FROM request_answer WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM request_answer WHERE create_time < clock_timestamp() - older_than
            LIMIT most FOR UPDATE SKIP LOCKED
        )) RETURNING 1
    )
    SELECT count(*) FROM swept
$$;

-- Reservations whose deposit did not come in time.
CREATE FUNCTION finder.overdue_reservations(most integer)
RETURNS TABLE (tenant_id text, reservation_id uuid, deposit_due_time timestamptz)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT r.tenant_id, r.reservation_id, r.deposit_due_time FROM reservation r
    WHERE r.state = 'AWAITING_DEPOSIT' AND r.deposit_due_time <= clock_timestamp()
    ORDER BY r.deposit_due_time LIMIT most
$$;

-- Which events come after a transaction, in commit order: below the oldest transaction that is
-- still open all numbers are settled.
CREATE FUNCTION finder.events_after(after_transaction xid8, most integer)
RETURNS TABLE (tenant_id text, reservation_id uuid, version integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT e.tenant_id, e.reservation_id, e.version FROM reservation_event e
    WHERE e.transaction_id > after_transaction
        AND e.transaction_id < pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY e.transaction_id LIMIT most
$$;

-- The hotels that have a system of their own.
CREATE FUNCTION finder.pms_tenants() RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT c.tenant_id FROM pms_connection c
$$;

-- Leases what is to be done in hotels' systems, a few of each hotel, so that a dead system keeps
-- no other hotel waiting.
CREATE FUNCTION finder.claim_pms_bookings(most integer, seconds float8, of_each integer)
RETURNS TABLE (tenant_id text, reservation_id uuid, lease_number bigint)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH due AS (
        SELECT d.tenant_id, d.reservation_id FROM (
            SELECT w.tenant_id, w.reservation_id, w.due_time,
                row_number() OVER (PARTITION BY w.tenant_id ORDER BY w.due_time) AS turn
            FROM pms_booking w WHERE w.step <> 'NONE' AND w.due_time <= clock_timestamp()
        ) d WHERE d.turn <= of_each ORDER BY d.due_time LIMIT most
    ), free AS MATERIALIZED (
        SELECT b.tenant_id, b.reservation_id FROM pms_booking b
        JOIN due ON due.tenant_id = b.tenant_id AND due.reservation_id = b.reservation_id
        WHERE b.step <> 'NONE' AND b.due_time <= clock_timestamp()
        FOR NO KEY UPDATE OF b SKIP LOCKED
    )
    UPDATE pms_booking b SET due_time = clock_timestamp() + seconds * interval '1 second',
        lease_number = b.lease_number + 1
    FROM free WHERE b.tenant_id = free.tenant_id AND b.reservation_id = free.reservation_id
    RETURNING b.tenant_id, b.reservation_id, b.lease_number
$$;

-- How many reservations wait for a hotel's system, and the age of the oldest in seconds.
CREATE FUNCTION finder.pms_pending() RETURNS TABLE (pending bigint, oldest float8)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT count(*), coalesce(extract(epoch FROM
        clock_timestamp() - min(b.create_time))::float8, 0)
    FROM pms_booking b
    JOIN reservation r ON r.tenant_id = b.tenant_id AND r.reservation_id = b.reservation_id
    WHERE b.step <> 'NONE' AND r.state = 'PENDING_PMS'
$$;

-- Hotels whose systems have told of changes, to be asked now: none that was asked less than so
-- many seconds ago.
CREATE FUNCTION finder.take_pms_notices(seconds float8, but text[]) RETURNS SETOF text
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE pms_connection SET notice_time = NULL, follow_time = clock_timestamp()
    WHERE notice_time IS NOT NULL AND tenant_id <> ALL (but)
        AND follow_time <= clock_timestamp() - seconds * interval '1 second'
    RETURNING tenant_id
$$;

CREATE FUNCTION finder.sweep_pms_notices(older_than_seconds float8) RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH swept AS (
        DELETE FROM pms_notice WHERE (tenant_id, notice_id) IN (
            SELECT tenant_id, notice_id FROM pms_notice
            WHERE receive_time < clock_timestamp() - older_than_seconds * interval '1 second'
            LIMIT 1000)
        RETURNING 1
    )
    SELECT count(*) FROM swept
$$;
