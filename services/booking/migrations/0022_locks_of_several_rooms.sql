-- A lock of several rooms is several rows: the first one is the lock that its
-- owner knows, the others are parts of it, with no guest of their own, so that a
-- guest's locks are counted as locks.

ALTER TABLE room_lock
    ADD COLUMN part_of uuid,
    ADD COLUMN part_number smallint NOT NULL DEFAULT 1,
    -- Near pins: a room was shut all the same, and this lock is left without one.
    ADD COLUMN left_out boolean NOT NULL DEFAULT false;
CREATE INDEX room_lock_parts ON room_lock (tenant_id, part_of, part_number)
    WHERE part_of IS NOT NULL;

-- A lock and its parts, in the order of its rooms.
CREATE FUNCTION lock_with_parts(for_tenant text, for_lock uuid) RETURNS SETOF room_lock
LANGUAGE sql VOLATILE AS $$
    SELECT l.* FROM room_lock l
    WHERE l.tenant_id = for_tenant AND l.lock_id = for_lock AND l.part_of IS NULL
    UNION ALL
    (SELECT l.* FROM room_lock l
    WHERE l.tenant_id = for_tenant AND l.part_of = for_lock ORDER BY l.part_number)
$$;

-- Makes the given locks parts of another one, which was granted with them.
CREATE FUNCTION join_locks(for_tenant text, for_lock uuid, part_ids uuid[], requests uuid[])
RETURNS void LANGUAGE sql VOLATILE AS $$
    UPDATE lock_audit a SET guest_id = l.guest_id
    FROM room_lock l
    WHERE l.tenant_id = for_tenant AND l.lock_id = for_lock
        AND a.tenant_id = for_tenant AND a.lock_id = ANY (part_ids);
    UPDATE room_lock p SET part_of = for_lock, part_number = u.number + 1, guest_id = '',
        owner_token = l.owner_token, fencing_number = l.fencing_number,
        create_time = l.create_time, expire_time = l.expire_time
    FROM room_lock l, unnest(part_ids) WITH ORDINALITY AS u (id, number)
    WHERE l.tenant_id = for_tenant AND l.lock_id = for_lock
        AND p.tenant_id = for_tenant AND p.lock_id = u.id;
    DELETE FROM request_answer WHERE tenant_id = for_tenant AND request_id = ANY (requests);
$$;

-- From now on the type has a pin, up to this departure.
CREATE FUNCTION pin_type(for_tenant text, for_type text, departure date) RETURNS void
LANGUAGE sql VOLATILE AS $$
    UPDATE room_type SET pinned_until = greatest(pinned_until, departure)
    WHERE tenant_id = for_tenant AND room_type_id = for_type
$$;

-- As before, and what is not there is remembered of locks too.
CREATE OR REPLACE FUNCTION move_into_rooms(
    for_tenant text, reservation_ids uuid[], stay_numbers integer[], stay_rooms bigint[],
    lock_ids uuid[], lock_rooms bigint[]
) RETURNS void LANGUAGE sql VOLATILE AS $$
    UPDATE stay s SET room_key = NULL, pinned = s.pinned AND u.room_key IS NOT NULL
    FROM unnest(reservation_ids, stay_numbers, stay_rooms) AS u (id, number, room_key)
    WHERE s.tenant_id = for_tenant AND s.reservation_id = u.id AND s.stay_number = u.number;
    UPDATE stay s SET room_key = u.room_key
    FROM unnest(reservation_ids, stay_numbers, stay_rooms) AS u (id, number, room_key)
    WHERE s.tenant_id = for_tenant AND s.reservation_id = u.id AND s.stay_number = u.number
        AND u.room_key IS NOT NULL;
    UPDATE room_lock l SET room_key = u.room_key, left_out = u.room_key IS NULL,
        pinned = l.pinned AND u.room_key IS NOT NULL
    FROM unnest(lock_ids, lock_rooms) AS u (id, room_key)
    WHERE l.tenant_id = for_tenant AND l.lock_id = u.id;
$$;

-- The lock after the rows of all its types have been locked; NULL when there is
-- none. What names the types never changes, so it may be read before.
CREATE OR REPLACE FUNCTION lock_for_change(for_tenant text, for_lock uuid)
RETURNS room_lock LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    found room_lock;
BEGIN
    PERFORM lock_room_types(array_agg(l.tenant_id), array_agg(l.room_type_id))
    FROM lock_with_parts(for_tenant, for_lock) l;
    SELECT l.* INTO found FROM room_lock l
    WHERE l.tenant_id = for_tenant AND l.lock_id = for_lock AND l.part_of IS NULL;
    RETURN found;
END $$;

CREATE OR REPLACE FUNCTION release_lock(
    for_tenant text, for_request uuid, with_fingerprint bytea, for_lock uuid, with_token text
) RETURNS decision LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    held CONSTANT room_lock := lock_for_change(for_tenant, for_lock);
    answer decision := known_answer(for_tenant, for_request, with_fingerprint);
    part room_lock;
BEGIN
    IF answer.reason IS NOT NULL THEN
        RETURN answer;
    ELSIF held.lock_id IS NULL THEN
        RETURN ('LOCK_UNKNOWN', '{}'::jsonb, NULL::uuid)::decision;
    ELSIF held.owner_token::text <> with_token THEN
        RETURN ('NOT_LOCK_OWNER', '{}'::jsonb, NULL::uuid)::decision;
    END IF;
    answer := ('', '{}'::jsonb, for_lock)::decision;
    FOR part IN SELECT l.* FROM lock_with_parts(for_tenant, for_lock) l LOOP
        IF part.state = 'LIVE' THEN
            PERFORM count_stay(for_tenant, part.room_type_id, part.check_in, part.check_out, -1, 0);
        END IF;
        IF part.state IN ('LIVE', 'EXPIRED') THEN
            PERFORM end_lock(part, 'RELEASED', for_request, '');
        ELSIF part.state = 'CONVERTED' THEN
            answer.reason := 'LOCK_CONVERTED';
        END IF;
    END LOOP;
    RETURN store_answer(for_tenant, for_request, with_fingerprint, answer);
END $$;

CREATE OR REPLACE FUNCTION extend_lock(
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
    -- A part has lapsed when the lock has, so none was reaped.
    UPDATE room_lock SET expire_time = until WHERE tenant_id = for_tenant AND part_of = for_lock;
    INSERT INTO lock_audit
        (tenant_id, event, lock_id, request_id, room_type_id, check_in, check_out, guest_id,
        event_time)
    VALUES (for_tenant, 'EXTENDED', for_lock, for_request, held.room_type_id, held.check_in,
        held.check_out, held.guest_id, moment);
    RETURN store_answer(for_tenant, for_request, with_fingerprint,
        ('', jsonb_build_object('expire_time', until), for_lock)::decision);
END $$;

-- One more room of a reservation, in the room that the part of the lock had.
CREATE FUNCTION reserve_part(part room_lock, for_reservation uuid)
RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    placed stay;
BEGIN
    INSERT INTO stay
        (tenant_id, reservation_id, stay_number, room_type_id, nights, adult_count, child_count,
        nightly_prices, currency_code, occupying, pinned)
    SELECT part.tenant_id, for_reservation, part.part_number, part.room_type_id,
        daterange(part.check_in, part.check_out), part.adult_count, part.child_count,
        part.nightly_prices, part.currency_code, t.occupying, part.pinned
    FROM reservation_transition t WHERE t.action = 'CONFIRM' AND t.from_state = 'LOCKED'
    RETURNING * INTO placed;
    placed.room_key := part.room_key;
    PERFORM place_stay(placed);
END $$;

-- Turns a lock into a reservation, all its rooms or none. One whose time ran out
-- is taken again when nobody has taken its nights and they still cost the same.
CREATE OR REPLACE FUNCTION confirm_reservation(
    for_tenant text, for_request uuid, with_fingerprint bytea, for_lock uuid, with_token text,
    with_fence bigint, new_id uuid, code text
) RETURNS decision LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    held CONSTANT room_lock := lock_for_change(for_tenant, for_lock);
    answer decision := known_answer(for_tenant, for_request, with_fingerprint);
    was_live CONSTANT boolean := held.state = 'LIVE' AND held.expire_time > clock_timestamp();
    part room_lock;
    verdict record;
BEGIN
    IF answer.reason IS NOT NULL THEN
        RETURN answer;
    ELSIF held.lock_id IS NULL THEN
        RETURN ('LOCK_UNKNOWN', '{}'::jsonb, NULL::uuid)::decision;
    ELSIF held.owner_token::text <> with_token THEN
        RETURN ('NOT_LOCK_OWNER', '{}'::jsonb, NULL::uuid)::decision;
    ELSIF held.fencing_number <> with_fence THEN
        RETURN ('STALE_FENCE', '{}'::jsonb, NULL::uuid)::decision;
    END IF;
    answer := ('', '{}'::jsonb, new_id)::decision;
    IF held.state IN ('RELEASED', 'CONVERTED') THEN
        answer := ('LOCK_' || held.state, '{}'::jsonb, NULL::uuid)::decision;
        RETURN store_answer(for_tenant, for_request, with_fingerprint, answer);
    END IF;
    IF NOT was_live THEN
        PERFORM reap_lapsed_locks(array_agg(t.tenant_id), array_agg(t.room_type_id), NULL)
        FROM (
            SELECT DISTINCT l.tenant_id, l.room_type_id FROM lock_with_parts(for_tenant, for_lock) l
        ) t;
    END IF;
    BEGIN
        FOR part IN SELECT l.* FROM lock_with_parts(for_tenant, for_lock) l LOOP
            IF NOT was_live THEN
                SELECT v.reason, v.metadata INTO verdict FROM retake_verdict(part) v;
                IF verdict.reason <> '' THEN
                    RAISE SQLSTATE 'CB002' USING MESSAGE = 'a room of the lock is gone';
                END IF;
            END IF;
            IF part.pinned THEN
                PERFORM pin_type(for_tenant, part.room_type_id, part.check_out);
            END IF;
            PERFORM count_stay(for_tenant, part.room_type_id, part.check_in, part.check_out,
                -was_live::integer, 1);
            PERFORM end_lock(part, 'CONVERTED', for_request,
                CASE WHEN was_live THEN '' ELSE 'RETAKEN' END);
            IF part.part_of IS NULL THEN
                PERFORM reserve(part, new_id, code);
            ELSE
                PERFORM reserve_part(part, new_id);
            END IF;
        END LOOP;
    EXCEPTION WHEN SQLSTATE 'CB002' THEN
        answer := (verdict.reason, verdict.metadata, NULL::uuid)::decision;
    END;
    RETURN store_answer(for_tenant, for_request, with_fingerprint, answer);
END $$;

-- Debt is paid back with what is given back, not with what is not yet taken.
DROP TRIGGER night_debt_is_paid_back ON night_inventory;
CREATE TRIGGER night_debt_is_paid_back BEFORE UPDATE ON night_inventory FOR EACH ROW
    WHEN (NEW.debt > 0 AND NEW.held + NEW.sold < NEW.sellable + NEW.debt
        AND (NEW.held + NEW.sold < OLD.held + OLD.sold OR NEW.sellable > OLD.sellable))
    EXECUTE FUNCTION pay_debt_back();
