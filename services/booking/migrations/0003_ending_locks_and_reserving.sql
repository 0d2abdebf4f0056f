-- What becomes of a lock, and of a reservation. Each function decides one
-- request in one statement of the caller: the type row is locked first, the
-- request id is looked up afterwards, the answer is stored with what it did.
-- `reason` is empty for success; the subject is the lock or the reservation.

CREATE TYPE decision AS (
    reason text,
    metadata jsonb,
    subject_id uuid
);

-- The stored answer to a request, NULL when there is none.
CREATE FUNCTION known_answer(for_tenant text, for_request uuid, with_fingerprint bytea)
RETURNS decision LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    known request_answer;
BEGIN
    SELECT a.* INTO known FROM request_answer a
    WHERE a.tenant_id = for_tenant AND a.request_id = for_request;
    IF NOT FOUND THEN
        RETURN NULL;
    ELSIF known.fingerprint <> with_fingerprint THEN
        RETURN ('REQUEST_ID_REUSED', '{}'::jsonb, NULL::uuid)::decision;
    END IF;
    RETURN (known.reason, known.metadata, known.subject_id)::decision;
END $$;

CREATE FUNCTION store_answer(
    for_tenant text, for_request uuid, with_fingerprint bytea, answer decision
) RETURNS decision LANGUAGE sql VOLATILE AS $$
    INSERT INTO request_answer
        (tenant_id, request_id, fingerprint, reason, metadata, subject_id, create_time)
    VALUES (for_tenant, for_request, with_fingerprint, answer.reason, answer.metadata,
        answer.subject_id, clock_timestamp());
    SELECT answer;
$$;

-- Changes the counters of a stay's nights; the type row is locked.
CREATE FUNCTION count_stay(
    for_tenant text, for_type text, first_night date, departure date,
    held_change integer, sold_change integer
) RETURNS void LANGUAGE sql VOLATILE AS $$
    UPDATE night_inventory SET held = held + held_change, sold = sold + sold_change
    WHERE tenant_id = for_tenant AND room_type_id = for_type
        AND night >= first_night AND night < departure;
$$;

CREATE FUNCTION end_lock(ended room_lock, into_state text, for_request uuid, why text)
RETURNS void LANGUAGE sql VOLATILE AS $$
    UPDATE room_lock SET state = into_state, end_time = clock_timestamp()
    WHERE tenant_id = ended.tenant_id AND lock_id = ended.lock_id;
    INSERT INTO lock_audit
        (tenant_id, event, reason, lock_id, request_id, room_type_id, check_in, check_out,
        guest_id, event_time)
    VALUES (ended.tenant_id, into_state, why, ended.lock_id, for_request, ended.room_type_id,
        ended.check_in, ended.check_out, ended.guest_id, clock_timestamp());
$$;

-- The lock after its type row has been locked; NULL when there is none. What
-- names the type never changes, so it may be read before.
CREATE FUNCTION lock_for_change(for_tenant text, for_lock uuid)
RETURNS room_lock LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    found room_lock;
BEGIN
    PERFORM lock_room_types(ARRAY[l.tenant_id], ARRAY[l.room_type_id]) FROM room_lock l
    WHERE l.tenant_id = for_tenant AND l.lock_id = for_lock;
    SELECT l.* INTO found FROM room_lock l
    WHERE l.tenant_id = for_tenant AND l.lock_id = for_lock;
    RETURN found;
END $$;

-- A lock that ended by itself is released as well: it cannot be taken again.
CREATE FUNCTION release_lock(
    for_tenant text, for_request uuid, with_fingerprint bytea, for_lock uuid, with_token text
) RETURNS decision LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    held CONSTANT room_lock := lock_for_change(for_tenant, for_lock);
    answer decision := known_answer(for_tenant, for_request, with_fingerprint);
BEGIN
    IF answer.reason IS NOT NULL THEN
        RETURN answer;
    ELSIF held.lock_id IS NULL THEN
        RETURN ('LOCK_UNKNOWN', '{}'::jsonb, NULL::uuid)::decision;
    ELSIF held.owner_token::text <> with_token THEN
        RETURN ('NOT_LOCK_OWNER', '{}'::jsonb, NULL::uuid)::decision;
    END IF;
    answer := ('', '{}'::jsonb, for_lock)::decision;
    IF held.state = 'LIVE' THEN
        PERFORM count_stay(for_tenant, held.room_type_id, held.check_in, held.check_out, -1, 0);
    END IF;
    IF held.state IN ('LIVE', 'EXPIRED') THEN
        PERFORM end_lock(held, 'RELEASED', for_request, '');
    ELSIF held.state = 'CONVERTED' THEN
        answer.reason := 'LOCK_CONVERTED';
    END IF;
    RETURN store_answer(for_tenant, for_request, with_fingerprint, answer);
END $$;

-- Whether a lapsed lock, already taken out of the counters, can be had again as
-- it was offered: empty, or why not.
CREATE FUNCTION retake_verdict(lapsed room_lock, OUT reason text, OUT metadata jsonb)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    today CONSTANT date := (
        SELECT (clock_timestamp() AT TIME ZONE p.time_zone)::date FROM property p
        WHERE p.tenant_id = lapsed.tenant_id);
    free_nights integer;
    prices numeric[];
BEGIN
    SELECT count(*) FILTER (WHERE n.held + n.sold < n.sellable + n.debt),
        array_agg(n.price ORDER BY n.night)
    INTO free_nights, prices
    FROM night_inventory n
    WHERE n.tenant_id = lapsed.tenant_id AND n.room_type_id = lapsed.room_type_id
        AND n.price IS NOT NULL AND n.night >= lapsed.check_in AND n.night < lapsed.check_out;
    reason := '';
    metadata := '{}';
    IF lapsed.check_in < today OR free_nights < lapsed.check_out - lapsed.check_in THEN
        reason := 'LOCK_EXPIRED';
    ELSIF prices <> lapsed.nightly_prices THEN
        reason := 'PRICE_CHANGED';
        metadata := jsonb_build_object('total_price', (SELECT sum(p) FROM unnest(prices) AS u (p)),
            'currency_code', lapsed.currency_code);
    END IF;
END $$;

-- Gives a stay a room that is free for all its nights, the one it has when it
-- can, and says whether there was one. The exclusion constraint has the last word: a room that somebody
-- took is passed over.
CREATE FUNCTION assign_room(placed stay) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    candidate bigint;
BEGIN
    FOR candidate IN
        SELECT r.room_key FROM room r
        WHERE r.tenant_id = placed.tenant_id AND r.room_type_id = placed.room_type_id
            AND NOT EXISTS (
                SELECT FROM stay s
                WHERE int8range(s.room_key, s.room_key, '[]')
                        && int8range(r.room_key, r.room_key, '[]')
                    AND s.nights && placed.nights AND s.occupying AND s.room_key IS NOT NULL
            )
        ORDER BY r.room_key IS DISTINCT FROM placed.room_key, r.room_number
    LOOP
        BEGIN
            UPDATE stay SET room_key = candidate
            WHERE tenant_id = placed.tenant_id AND reservation_id = placed.reservation_id
                AND stay_number = placed.stay_number;
            RETURN true;
        EXCEPTION WHEN exclusion_violation THEN
            CONTINUE;
        END;
    END LOOP;
    RETURN false;
END $$;

-- Every night has a free room, but no room is free every night: the stays that
-- have not begun are dealt out again, in order of arrival. With as many rooms as
-- the fullest night needs, one is always free for the next to arrive. Guests who
-- are in their rooms stay there. Raises when a stay would lose its room.
CREATE FUNCTION deal_rooms_again(for_tenant text, for_type text, today date)
RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    moving stay;
    waiting CONSTANT stay[] := (
        SELECT array_agg(s ORDER BY lower(s.nights), s.room_key NULLS LAST, s.reservation_id)
        FROM stay s
        WHERE s.tenant_id = for_tenant AND s.room_type_id = for_type AND s.occupying
            AND upper(s.nights) > today AND (lower(s.nights) > today OR s.room_key IS NULL)
    );
BEGIN
    UPDATE stay SET room_key = NULL
    WHERE tenant_id = for_tenant AND room_type_id = for_type AND occupying
        AND upper(nights) > today AND lower(nights) > today;
    FOREACH moving IN ARRAY waiting LOOP
        IF NOT assign_room(moving) AND moving.room_key IS NOT NULL THEN
            RAISE SQLSTATE 'CB001' USING MESSAGE = 'a stay would lose its room';
        END IF;
    END LOOP;
END $$;

-- A stay beyond the rooms there are (sold as debt) goes without one, and nobody
-- who has a room gives it up.
CREATE FUNCTION place_stay(placed stay) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF NOT assign_room(placed) THEN
        PERFORM deal_rooms_again(placed.tenant_id, placed.room_type_id,
            (clock_timestamp() AT TIME ZONE p.time_zone)::date)
        FROM property p WHERE p.tenant_id = placed.tenant_id;
    END IF;
EXCEPTION WHEN SQLSTATE 'CB001' THEN
    NULL;
END $$;

CREATE FUNCTION reserve(from_lock room_lock, new_id uuid, code text)
RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    change reservation_transition;
    placed stay;
BEGIN
    SELECT t.* INTO STRICT change FROM reservation_transition t
    WHERE t.action = 'CONFIRM' AND t.from_state = 'LOCKED';
    INSERT INTO reservation
        (tenant_id, reservation_id, confirmation_code, lock_id, guest_id, state, create_time)
    VALUES (from_lock.tenant_id, new_id, code, from_lock.lock_id, from_lock.guest_id,
        change.to_state, clock_timestamp());
    INSERT INTO stay
        (tenant_id, reservation_id, stay_number, room_type_id, nights, adult_count, child_count,
        nightly_prices, currency_code, occupying)
    VALUES (from_lock.tenant_id, new_id, 1, from_lock.room_type_id,
        daterange(from_lock.check_in, from_lock.check_out), from_lock.adult_count,
        from_lock.child_count, from_lock.nightly_prices, from_lock.currency_code,
        change.occupying)
    RETURNING * INTO placed;
    PERFORM place_stay(placed);
END $$;

-- Turns a lock into a reservation. One whose time ran out is taken again when
-- nobody has taken its nights and they still cost the same.
CREATE FUNCTION confirm_reservation(
    for_tenant text, for_request uuid, with_fingerprint bytea, for_lock uuid, with_token text,
    with_fence bigint, new_id uuid, code text
) RETURNS decision LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    held room_lock := lock_for_change(for_tenant, for_lock);
    answer decision := known_answer(for_tenant, for_request, with_fingerprint);
    was_live boolean;
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
    was_live := held.state = 'LIVE' AND held.expire_time > clock_timestamp();
    answer := ('', '{}'::jsonb, new_id)::decision;
    IF held.state IN ('RELEASED', 'CONVERTED') THEN
        answer.reason := 'LOCK_' || held.state;
    ELSIF NOT was_live THEN
        PERFORM reap_lapsed_locks(ARRAY[for_tenant], ARRAY[held.room_type_id], NULL);
        SELECT v.reason, v.metadata INTO answer.reason, answer.metadata
        FROM retake_verdict(held) v;
    END IF;
    IF answer.reason <> '' THEN
        answer.subject_id := NULL;
    ELSE
        PERFORM count_stay(for_tenant, held.room_type_id, held.check_in, held.check_out,
            -was_live::integer, 1);
        PERFORM end_lock(held, 'CONVERTED', for_request,
            CASE WHEN was_live THEN '' ELSE 'RETAKEN' END);
        PERFORM reserve(held, new_id, code);
    END IF;
    RETURN store_answer(for_tenant, for_request, with_fingerprint, answer);
END $$;

CREATE FUNCTION cancel_reservation(
    for_tenant text, for_request uuid, with_fingerprint bytea, for_reservation uuid
) RETURNS decision LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    answer decision;
    change reservation_transition;
    ended stay;
    state_before text;
BEGIN
    PERFORM lock_room_types(array_agg(s.tenant_id), array_agg(s.room_type_id)) FROM stay s
    WHERE s.tenant_id = for_tenant AND s.reservation_id = for_reservation;
    answer := known_answer(for_tenant, for_request, with_fingerprint);
    IF answer.reason IS NOT NULL THEN
        RETURN answer;
    END IF;
    SELECT r.state INTO state_before FROM reservation r
    WHERE r.tenant_id = for_tenant AND r.reservation_id = for_reservation;
    IF NOT FOUND THEN
        RETURN ('RESERVATION_UNKNOWN', '{}'::jsonb, NULL::uuid)::decision;
    END IF;
    SELECT t.* INTO STRICT change FROM reservation_transition t
    WHERE t.action = 'CANCEL' AND t.from_state = state_before;
    UPDATE reservation SET state = change.to_state,
        cancel_time = coalesce(cancel_time, clock_timestamp())
    WHERE tenant_id = for_tenant AND reservation_id = for_reservation;
    FOR ended IN
        UPDATE stay SET occupying = change.occupying
        WHERE tenant_id = for_tenant AND reservation_id = for_reservation AND occupying
        RETURNING *
    LOOP
        PERFORM count_stay(for_tenant, ended.room_type_id, lower(ended.nights),
            upper(ended.nights), 0, -1);
    END LOOP;
    RETURN store_answer(for_tenant, for_request, with_fingerprint,
        ('', '{}'::jsonb, for_reservation)::decision);
END $$;
