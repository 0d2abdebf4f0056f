-- What stands in the way of a lock that has run out are those who are there now. Others that
-- have run out were still counted when the lock itself had been swept before: its guest was told
-- that the time was over, instead of what the room costs now.
CREATE OR REPLACE FUNCTION lapsed_quotes(
    for_tenant text, for_request uuid, for_lock uuid, with_token text, with_fence bigint
) RETURNS SETOF room_lock LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM lock_for_change(for_tenant, for_lock);
    PERFORM reap_lapsed_locks(array_agg(l.tenant_id), array_agg(l.room_type_id), NULL)
    FROM (
        SELECT DISTINCT l.tenant_id, l.room_type_id FROM lock_with_parts(for_tenant, for_lock) l
        WHERE l.state IN ('LIVE', 'EXPIRED') AND l.expire_time <= clock_timestamp()
    ) l;
    RETURN QUERY
    SELECT l.* FROM lock_with_parts(for_tenant, for_lock) l
    JOIN property p ON p.tenant_id = l.tenant_id
    WHERE l.state = 'EXPIRED' AND l.owner_token::text = with_token AND l.fencing_number = with_fence
        AND l.inventory_version <> p.inventory_version
        AND NOT EXISTS (
            SELECT FROM request_answer a
            WHERE a.tenant_id = for_tenant AND a.request_id = for_request);
END $$;
