-- How locks are decided: room-type rows first, in key order, then everything
-- else in statements of their own, so that each sees what was committed while
-- it waited. A plan may have been made when the tables were empty, so nothing
-- is left to their statistics: inputs are small arrays, each item is looked up
-- by itself (LATERAL … LIMIT), and an ORDER BY names the index that is meant.

-- Ends the lapsed locks of the given types, whose rows the caller has locked,
-- at most `most` of them (NULL: all). Returns how many.
CREATE FUNCTION reap_lapsed_locks(tenant_ids text[], room_type_ids text[], most integer)
RETURNS integer LANGUAGE sql VOLATILE
SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
    WITH moment AS (SELECT clock_timestamp() AS now),
    lapsed AS (
        SELECT l.tenant_id, l.lock_id
        FROM unnest(tenant_ids, room_type_ids) AS t (tenant_id, room_type_id)
        JOIN room_lock l ON l.tenant_id = t.tenant_id AND l.room_type_id = t.room_type_id
            AND l.state = 'LIVE' AND l.expire_time <= (SELECT now FROM moment)
        ORDER BY l.expire_time LIMIT most
    ),
    ended AS (
        UPDATE room_lock l SET state = 'EXPIRED', end_time = (SELECT now FROM moment)
        FROM lapsed
        WHERE l.tenant_id = lapsed.tenant_id AND l.lock_id = lapsed.lock_id
        RETURNING l.tenant_id, l.lock_id, l.room_type_id, l.check_in, l.check_out, l.guest_id
    ),
    freed AS (
        UPDATE night_inventory n SET held = n.held - f.lock_count
        FROM (
            SELECT e.tenant_id, e.room_type_id, e.check_in + d.day AS night, count(*) AS lock_count
            FROM ended e CROSS JOIN generate_series(0, e.check_out - e.check_in - 1) AS d (day)
            GROUP BY 1, 2, 3
        ) f
        WHERE n.tenant_id = f.tenant_id AND n.room_type_id = f.room_type_id AND n.night = f.night
    ),
    audited AS (
        INSERT INTO lock_audit
            (tenant_id, event, lock_id, room_type_id, check_in, check_out, guest_id, event_time)
        SELECT e.tenant_id, 'EXPIRED', e.lock_id, e.room_type_id, e.check_in, e.check_out,
            e.guest_id, (SELECT now FROM moment)
        FROM ended e
    )
    SELECT count(*)::integer FROM ended
$$;

-- Hygiene only: nothing waits for it. Ends up to `most` lapsed locks of up to
-- 16 types; a type that is being decided about is passed over, it reaps itself.
CREATE FUNCTION sweep_lapsed_locks(most integer) RETURNS integer LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    tenants text[];
    types text[];
BEGIN
    SELECT array_agg(s.tenant_id), array_agg(s.room_type_id) INTO tenants, types
    FROM (
        SELECT t.tenant_id, t.room_type_id FROM room_type t
        WHERE EXISTS (
            SELECT FROM room_lock l
            WHERE l.tenant_id = t.tenant_id AND l.room_type_id = t.room_type_id
                AND l.state = 'LIVE' AND l.expire_time <= clock_timestamp()
        )
        ORDER BY t.tenant_id, t.room_type_id LIMIT 16 FOR NO KEY UPDATE SKIP LOCKED
    ) s;
    RETURN coalesce(reap_lapsed_locks(tenants, types, most), 0);
END $$;

-- A type whose row is locked, with what decisions about it need to know.
CREATE TYPE locked_type AS (
    tenant_id text,
    room_type_id text,
    max_guest_count integer,
    time_zone text,
    currency_code text,
    lock_seconds integer,
    live_locks_per_guest integer
);

-- Decides the items together; the caller holds the locks on `types` and on the
-- guests. Reads set by set, decides in memory over arrays, writes set by set.
-- `reason` is empty for a granted lock. A request id that is known, or comes
-- twice in the batch, gets the answer that was given first.
CREATE FUNCTION decide_locks_together(
    types locked_type[],
    tenant_ids text[], request_ids uuid[], fingerprints bytea[], room_type_ids text[],
    check_ins date[], check_outs date[], adult_counts integer[], child_counts integer[],
    guest_ids text[], new_ids uuid[], owner_tokens uuid[]
) RETURNS TABLE (
    item integer, reason text, metadata jsonb, lock_id uuid, owner_token uuid,
    fencing_number bigint, create_time timestamptz, expire_time timestamptz,
    nightly_prices numeric[], currency_code text
) LANGUAGE plpgsql VOLATILE
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
    moment CONSTANT timestamptz := clock_timestamp();  -- After the locks: time passed waiting.
    item_count CONSTANT integer := cardinality(tenant_ids);
    -- By item.
    faults text[];
    type_of integer[];
    first_of integer[];
    guest_of integer[];
    guest_limits integer[];
    currencies text[];
    terms integer[];
    live_counts integer[];
    first_slots integer[];
    reasons text[];
    facts jsonb[] := array_fill('{}'::jsonb, ARRAY[item_count]);
    deciders integer[];
    -- By slot: one night of one type, in (type, night) order, so that the
    -- nights of a stay are neighbours.
    slot_rows tid[];
    slot_free integer[];
    slot_prices numeric[];
    slot_used integer[];
    -- By the first item of a guest, by the first item with a request id.
    guest_locks integer[];
    decided_by integer[];
    full_items integer[];
    least integer;
    last_slot integer;
    granted room_lock[];
    row_count integer;
BEGIN
    SELECT array_agg(d.fault ORDER BY d.item), array_agg(d.type_of ORDER BY d.item),
        array_agg(d.first_of ORDER BY d.item), array_agg(d.guest_of ORDER BY d.item),
        array_agg(d.guest_limit ORDER BY d.item), array_agg(d.live_count ORDER BY d.item),
        array_agg(d.currency_code ORDER BY d.item), array_agg(d.lock_seconds ORDER BY d.item)
    INTO faults, type_of, first_of, guest_of, guest_limits, live_counts, currencies, terms
    FROM (
        SELECT i.item::integer AS item,
            CASE
                WHEN a.request_id IS NOT NULL THEN 'ANSWERED'
                WHEN t.room_type_id IS NULL THEN 'ROOM_TYPE_UNKNOWN'
                WHEN i.check_in < (moment AT TIME ZONE t.time_zone)::date THEN 'CHECK_IN_PAST'
                WHEN i.adult_count + i.child_count > t.max_guest_count THEN 'TOO_MANY_GUESTS'
            END AS fault,
            t.type_of::integer AS type_of,
            min(i.item) OVER (PARTITION BY i.tenant_id, i.request_id)::integer AS first_of,
            min(i.item) OVER (PARTITION BY i.tenant_id, i.guest_id)::integer AS guest_of,
            t.live_locks_per_guest AS guest_limit, t.currency_code, t.lock_seconds,
            (
                SELECT count(*)::integer FROM room_lock l
                WHERE l.tenant_id = i.tenant_id AND l.guest_id = i.guest_id
                    AND l.state = 'LIVE' AND l.expire_time > moment
            ) AS live_count
        FROM unnest(tenant_ids, request_ids, room_type_ids, check_ins, adult_counts,
            child_counts, guest_ids) WITH ORDINALITY
            AS i (tenant_id, request_id, room_type_id, check_in, adult_count,
                child_count, guest_id, item)
        LEFT JOIN unnest(types) WITH ORDINALITY
            AS t (tenant_id, room_type_id, max_guest_count, time_zone, currency_code,
                lock_seconds, live_locks_per_guest, type_of)
            ON t.tenant_id = i.tenant_id AND t.room_type_id = i.room_type_id
        LEFT JOIN LATERAL (
            SELECT a.request_id FROM request_answer a
            WHERE a.tenant_id = i.tenant_id AND a.request_id = i.request_id LIMIT 1
        ) a ON true
    ) d;

    LOOP
        WITH asked AS MATERIALIZED (
            SELECT u.item, u.check_in, n.night, n.free, n.price, n.row_id,
                dense_rank() OVER (ORDER BY u.type_of, n.night)::integer AS slot
            FROM unnest(tenant_ids, room_type_ids, check_ins, check_outs, type_of, faults)
                WITH ORDINALITY
                AS u (tenant_id, room_type_id, check_in, check_out, type_of, fault, item)
            LEFT JOIN LATERAL (
                SELECT n.night, n.ctid AS row_id, n.price,
                    n.sellable + n.debt - n.held - n.sold AS free
                FROM night_inventory n
                WHERE n.tenant_id = u.tenant_id AND n.room_type_id = u.room_type_id
                    AND n.night >= u.check_in AND n.night < u.check_out
                    AND n.price IS NOT NULL AND u.fault IS NULL
                OFFSET 0
            ) n ON true
        ),
        slots AS (
            SELECT array_agg(s.row_id ORDER BY s.slot) AS row_ids,
                array_agg(s.free ORDER BY s.slot) AS free,
                array_agg(s.price ORDER BY s.slot) AS prices
            FROM (SELECT DISTINCT ON (a.slot) a.slot, a.row_id, a.free, a.price FROM asked a
                WHERE a.night IS NOT NULL ORDER BY a.slot) s
        ),
        -- A stay with a night that is not there, or has no price yet, has no slots.
        starts AS (
            SELECT array_agg(s.first_slot ORDER BY s.item) AS first_slots
            FROM (
                SELECT a.item, CASE WHEN count(a.night) = check_outs[a.item] - check_ins[a.item]
                    THEN min(a.slot) END AS first_slot
                FROM asked a GROUP BY a.item
            ) s
        )
        SELECT slots.row_ids, slots.free, slots.prices, starts.first_slots
        INTO slot_rows, slot_free, slot_prices, first_slots
        FROM slots CROSS JOIN starts;

        reasons := faults;
        guest_locks := live_counts;
        decided_by := array_fill(NULL::integer, ARRAY[item_count]);
        deciders := decided_by;
        slot_used := array_fill(0, ARRAY[coalesce(cardinality(slot_free), 0)]);
        full_items := '{}';
        FOR i IN 1..item_count LOOP
            CONTINUE WHEN reasons[i] = 'ANSWERED';
            deciders[i] := coalesce(decided_by[first_of[i]], i);
            CONTINUE WHEN deciders[i] <> i;
            IF reasons[i] IS NULL AND first_slots[i] IS NULL THEN
                reasons[i] := 'BEYOND_HORIZON';
            ELSIF reasons[i] IS NULL AND guest_locks[guest_of[i]] >= guest_limits[i] THEN
                reasons[i] := 'TOO_MANY_LOCKS';
            ELSIF reasons[i] IS NULL THEN
                last_slot := first_slots[i] + (check_outs[i] - check_ins[i]) - 1;
                least := 1;
                FOR s IN first_slots[i]..last_slot LOOP
                    least := LEAST(least, slot_free[s] - slot_used[s]);
                END LOOP;
                IF least < 1 THEN
                    reasons[i] := 'SOLD_OUT';
                    full_items := full_items || i;
                ELSE
                    reasons[i] := '';
                    FOR s IN first_slots[i]..last_slot LOOP
                        slot_used[s] := slot_used[s] + 1;
                    END LOOP;
                    guest_locks[guest_of[i]] := guest_locks[guest_of[i]] + 1;
                END IF;
            END IF;
            -- Bad input is not remembered: a corrected request may use the same id.
            IF reasons[i] IN ('', 'SOLD_OUT', 'TOO_MANY_GUESTS', 'TOO_MANY_LOCKS') THEN
                decided_by[first_of[i]] := i;
            END IF;
        END LOOP;

        EXIT WHEN full_items = '{}';
        -- Lapsed locks are dead, but still counted: take them out and look again,
        -- until a type is full without any. (More than once: who gets a room of
        -- one type decides how many locks a guest may have of another.)
        EXIT WHEN 0 = (
            SELECT reap_lapsed_locks(array_agg(f.tenant_id), array_agg(f.room_type_id), NULL)
            FROM (SELECT DISTINCT tenant_ids[i], room_type_ids[i] FROM unnest(full_items) AS u (i))
                AS f (tenant_id, room_type_id)
        );
    END LOOP;

    FOR i IN 1..item_count LOOP
        IF reasons[i] = 'BEYOND_HORIZON' THEN
            facts[i] := jsonb_build_object('last_night', (
                SELECT max(n.night) FROM night_inventory n
                WHERE n.tenant_id = tenant_ids[i] AND n.room_type_id = room_type_ids[i]
                    AND n.price IS NOT NULL
            ));
        END IF;
    END LOOP;

    -- First and in key order: two transactions that were sent the same request
    -- ids for different types must collide here, and without a deadlock.
    INSERT INTO request_answer
        (tenant_id, request_id, fingerprint, reason, subject_id, create_time)
    SELECT u.tenant_id, u.request_id, u.fingerprint, u.reason,
        CASE u.reason WHEN '' THEN u.new_id END, moment
    FROM unnest(tenant_ids, request_ids, fingerprints, reasons, new_ids, deciders)
        WITH ORDINALITY
        AS u (tenant_id, request_id, fingerprint, reason, new_id, decider, item)
    WHERE u.decider = u.item
        AND u.reason IN ('', 'SOLD_OUT', 'TOO_MANY_GUESTS', 'TOO_MANY_LOCKS')
    ORDER BY u.tenant_id, u.request_id;

    WITH inserted AS (
        INSERT INTO room_lock
            (tenant_id, lock_id, room_type_id, check_in, check_out, adult_count, child_count,
            guest_id, state, owner_token, fencing_number, nightly_prices, currency_code,
            create_time, expire_time)
        SELECT u.tenant_id, u.new_id, u.room_type_id, u.check_in, u.check_out, u.adult_count,
            u.child_count, u.guest_id, 'LIVE', u.owner_token, nextval('fencing_number'),
            slot_prices[u.first_slot : u.first_slot + (u.check_out - u.check_in) - 1],
            u.currency_code, moment, moment + make_interval(secs => u.term)
        FROM unnest(tenant_ids, new_ids, owner_tokens, reasons, room_type_ids, check_ins,
            check_outs, adult_counts, child_counts, guest_ids, first_slots, currencies, terms,
            deciders) WITH ORDINALITY
            AS u (tenant_id, new_id, owner_token, reason, room_type_id, check_in,
                check_out, adult_count, child_count, guest_id, first_slot, currency_code, term,
                decider, item)
        WHERE u.reason = '' AND u.decider = u.item
        RETURNING *
    )
    SELECT array_agg(i::room_lock) INTO granted FROM inserted i;

    -- By the place of the row: nobody moves it while its type is locked. Should
    -- somebody have, the whole batch is decided again.
    UPDATE night_inventory n SET held = n.held + u.used
    FROM unnest(slot_rows, slot_used) AS u (row_id, used)
    WHERE u.used > 0 AND n.ctid = u.row_id;
    GET DIAGNOSTICS row_count = ROW_COUNT;
    IF row_count <> (SELECT count(*) FROM unnest(slot_used) AS u (used) WHERE u.used > 0) THEN
        RAISE 'night_inventory was changed without the lock on its room type';
    END IF;

    INSERT INTO lock_audit
        (tenant_id, event, reason, lock_id, request_id, room_type_id, check_in, check_out,
        guest_id, event_time)
    SELECT u.tenant_id, CASE u.reason WHEN '' THEN 'GRANTED' ELSE 'REFUSED' END, u.reason,
        CASE u.reason WHEN '' THEN u.new_id END, u.request_id, u.room_type_id, u.check_in,
        u.check_out, u.guest_id, moment
    FROM unnest(tenant_ids, reasons, new_ids, request_ids, room_type_ids, check_ins,
        check_outs, guest_ids, deciders) WITH ORDINALITY
        AS u (tenant_id, reason, new_id, request_id, room_type_id, check_in, check_out,
            guest_id, decider, item)
    WHERE u.decider = u.item
        AND u.reason IN ('', 'SOLD_OUT', 'TOO_MANY_GUESTS', 'TOO_MANY_LOCKS');

    RETURN QUERY
    SELECT u.item::integer,
        CASE
            WHEN u.fingerprint <> coalesce(a.fingerprint, fingerprints[u.decider])
                THEN 'REQUEST_ID_REUSED'
            ELSE coalesce(a.reason, reasons[u.decider])
        END,
        coalesce(a.metadata, facts[u.decider]),
        coalesce(l.lock_id, g.lock_id), coalesce(l.owner_token, g.owner_token),
        coalesce(l.fencing_number, g.fencing_number), coalesce(l.create_time, g.create_time),
        coalesce(l.expire_time, g.expire_time), coalesce(l.nightly_prices, g.nightly_prices),
        coalesce(l.currency_code, g.currency_code)::text
    FROM unnest(fingerprints, tenant_ids, request_ids, reasons, deciders) WITH ORDINALITY
        AS u (fingerprint, tenant_id, request_id, reason, decider, item)
    LEFT JOIN unnest(granted) AS g
        ON g.lock_id = new_ids[u.decider] AND fingerprints[u.decider] = u.fingerprint
    LEFT JOIN LATERAL (
        SELECT a.fingerprint, a.reason, a.metadata, a.subject_id FROM request_answer a
        WHERE a.tenant_id = u.tenant_id AND a.request_id = u.request_id
            AND u.reason = 'ANSWERED'
        LIMIT 1
    ) a ON true
    LEFT JOIN LATERAL (
        SELECT l.lock_id, l.owner_token, l.fencing_number, l.create_time, l.expire_time,
            l.nightly_prices, l.currency_code
        FROM room_lock l
        WHERE l.tenant_id = u.tenant_id AND l.lock_id = a.subject_id
            AND a.fingerprint = u.fingerprint
        LIMIT 1
    ) l ON true;
END $$;

-- Locks the rows of the given types in key order, the one order there is, and
-- returns what is known about them.
CREATE FUNCTION lock_room_types(tenant_ids text[], room_type_ids text[])
RETURNS locked_type[] LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN (
        SELECT array_agg((t.tenant_id, t.room_type_id, t.max_guest_count, p.time_zone,
            p.currency_code, p.lock_seconds, p.live_locks_per_guest)::locked_type)
        FROM (
            SELECT t.tenant_id, t.room_type_id, t.max_guest_count
            FROM (
                SELECT DISTINCT u.tenant_id, u.room_type_id
                FROM unnest(tenant_ids, room_type_ids) AS u (tenant_id, room_type_id)
            ) w
            JOIN room_type t ON t.tenant_id = w.tenant_id AND t.room_type_id = w.room_type_id
            ORDER BY t.tenant_id, t.room_type_id FOR NO KEY UPDATE OF t
        ) t
        JOIN property p ON p.tenant_id = t.tenant_id
    );
END $$;

-- The one call that takes locks: a batch of items of any hotels, each with an
-- answer of its own. It does not raise for an item: a batch that fails all the
-- same is decided again item by item, `split` then says why on every row, and
-- what still fails is reported as `DECISION_FAILED` with its cause.
CREATE FUNCTION acquire_locks(
    tenant_ids text[], request_ids uuid[], fingerprints bytea[], room_type_ids text[],
    check_ins date[], check_outs date[], adult_counts integer[], child_counts integer[],
    guest_ids text[], new_ids uuid[], owner_tokens uuid[]
) RETURNS TABLE (
    item integer, reason text, metadata jsonb, lock_id uuid, owner_token uuid,
    fencing_number bigint, create_time timestamptz, expire_time timestamptz,
    nightly_prices numeric[], currency_code text, split text
) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    types CONSTANT locked_type[] := lock_room_types(tenant_ids, room_type_ids);
BEGIN
    -- A guest's locks of different types meet here, or two at once could both be
    -- the last one allowed. After all type rows, in one order: no deadlock.
    PERFORM pg_advisory_xact_lock(g.guest_key) FROM (
        SELECT DISTINCT hashtextextended(u.tenant_id || chr(10) || u.guest_id, 0) AS guest_key
        FROM unnest(tenant_ids, guest_ids) AS u (tenant_id, guest_id)
        ORDER BY guest_key
    ) g;
    BEGIN
        RETURN QUERY SELECT d.*, NULL::text FROM decide_locks_together(
            types, tenant_ids, request_ids, fingerprints, room_type_ids, check_ins, check_outs,
            adult_counts, child_counts, guest_ids, new_ids, owner_tokens) d;
        RETURN;
    EXCEPTION
        -- These prove nothing about an item: the caller sends the batch again.
        WHEN deadlock_detected OR serialization_failure OR lock_not_available THEN RAISE;
        WHEN OTHERS THEN split := SQLERRM;
    END;
    FOR i IN 1..cardinality(tenant_ids) LOOP
        BEGIN
            RETURN QUERY SELECT i, d.reason, d.metadata, d.lock_id, d.owner_token,
                d.fencing_number, d.create_time, d.expire_time, d.nightly_prices, d.currency_code,
                split
            FROM decide_locks_together(
                types, tenant_ids[i:i], request_ids[i:i], fingerprints[i:i], room_type_ids[i:i],
                check_ins[i:i], check_outs[i:i], adult_counts[i:i], child_counts[i:i],
                guest_ids[i:i], new_ids[i:i], owner_tokens[i:i]) d;
        EXCEPTION
            WHEN deadlock_detected OR serialization_failure OR lock_not_available THEN RAISE;
            WHEN OTHERS THEN
                item := i;
                reason := 'DECISION_FAILED';
                metadata := jsonb_build_object('sqlstate', SQLSTATE, 'cause', SQLERRM);
                lock_id := NULL;
                RETURN NEXT;
        END;
    END LOOP;
END $$;
