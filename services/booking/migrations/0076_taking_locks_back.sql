-- The people of a hotel may take a lock from its owner, whose token they do not have.

-- Who of the hotel did it; NULL for what owners, guests and the clock did.
ALTER TABLE lock_audit ADD COLUMN actor_id text;

-- Gives a live lock back as its owner would, and has the history say who did it, and why. One
-- that has ended is left as it is, and leaves nothing behind.
CREATE FUNCTION revoke_lock(
    for_tenant text, for_request uuid, with_fingerprint bytea, for_lock uuid, by_actor text,
    why text
) RETURNS decision LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    held CONSTANT room_lock := lock_for_change(for_tenant, for_lock);
    answer decision := known_answer(for_tenant, for_request, with_fingerprint);
    fault text;
BEGIN
    IF answer.reason IS NOT NULL THEN
        RETURN answer;
    END IF;
    fault := CASE
        WHEN held.lock_id IS NULL THEN 'LOCK_UNKNOWN'
        WHEN held.state IN ('RELEASED', 'CONVERTED') THEN 'LOCK_' || held.state
        WHEN held.state = 'EXPIRED' OR held.expire_time <= clock_timestamp() THEN 'LOCK_EXPIRED'
    END;
    IF fault IS NOT NULL THEN
        RETURN (fault, '{}'::jsonb, NULL::uuid)::decision;
    END IF;
    answer := release_lock(for_tenant, for_request, with_fingerprint, for_lock,
        held.owner_token::text);
    UPDATE lock_audit SET actor_id = by_actor, reason = why
    WHERE tenant_id = for_tenant AND request_id = for_request
        AND lock_id IN (SELECT l.lock_id FROM lock_with_parts(for_tenant, for_lock) l);
    RETURN answer;
END $$;
