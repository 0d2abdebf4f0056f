-- A lock may be extended, and everybody may read what happened to locks.

-- Wider than before, so no row has to be looked at.
ALTER TABLE lock_audit
    DROP CONSTRAINT lock_audit_event_known,
    ADD CONSTRAINT lock_audit_event_known CHECK (event IN
        ('GRANTED', 'REFUSED', 'EXTENDED', 'RELEASED', 'EXPIRED', 'CONVERTED')) NOT VALID;
-- The history of one lock; refusals have none.
CREATE INDEX lock_audit_by_lock ON lock_audit (tenant_id, lock_id, audit_number)
    WHERE lock_id IS NOT NULL;

-- Starts the hotel's term again, up to two hours after the grant, and never
-- takes time away. The stored answer has the time that was told, so that a
-- repeated request hears it again. A lock that is over stays over, and leaves
-- nothing behind: its nights may have been told to somebody else as free.
CREATE FUNCTION extend_lock(
    for_tenant text, for_request uuid, with_fingerprint bytea, for_lock uuid, with_token text,
    with_fencing_number bigint
) RETURNS decision LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    held CONSTANT room_lock := lock_for_change(for_tenant, for_lock);
    answer CONSTANT decision := known_answer(for_tenant, for_request, with_fingerprint);
    moment CONSTANT timestamptz := clock_timestamp();  -- After the lock on the type.
    until timestamptz;
    fault text;
BEGIN
    IF answer.reason IS NOT NULL THEN
        RETURN answer;
    END IF;
    fault := CASE
        WHEN held.lock_id IS NULL THEN 'LOCK_UNKNOWN'
        WHEN held.owner_token::text <> with_token THEN 'NOT_LOCK_OWNER'
        WHEN held.fencing_number <> with_fencing_number THEN 'STALE_FENCE'
        WHEN held.state = 'RELEASED' THEN 'LOCK_RELEASED'
        WHEN held.state = 'CONVERTED' THEN 'LOCK_CONVERTED'
        WHEN held.state = 'EXPIRED' OR held.expire_time <= moment THEN 'LOCK_EXPIRED'
    END;
    IF fault IS NOT NULL THEN
        RETURN (fault, '{}'::jsonb, NULL::uuid)::decision;
    END IF;
    SELECT greatest(held.expire_time, least(moment + make_interval(secs => p.lock_seconds),
        held.create_time + interval '2 hours'))
    INTO until FROM property p WHERE p.tenant_id = for_tenant;
    UPDATE room_lock SET expire_time = until WHERE tenant_id = for_tenant AND lock_id = for_lock;
    INSERT INTO lock_audit
        (tenant_id, event, lock_id, request_id, room_type_id, check_in, check_out, guest_id,
        event_time)
    VALUES (for_tenant, 'EXTENDED', for_lock, for_request, held.room_type_id, held.check_in,
        held.check_out, held.guest_id, moment);
    RETURN store_answer(for_tenant, for_request, with_fingerprint,
        ('', jsonb_build_object('expire_time', until), for_lock)::decision);
END $$;
