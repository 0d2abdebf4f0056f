-- A lock keeps the quote as it was shown: what its nights cost for its guests, the
-- taxes and fees, the rate plan and the terms. It is found out by one function of
-- the service, `services/booking/inventory/pricing.py`, from an inventory of some
-- version; the functions here accept it only under that version.

ALTER TABLE room_lock
    -- The inventory that the quote is from; -1 when it is from none.
    ADD COLUMN inventory_version bigint NOT NULL DEFAULT -1,
    -- What is in the quote beside the nightly prices; `reservations/rows.py` reads it.
    ADD COLUMN quote jsonb NOT NULL DEFAULT '{}';
ALTER TABLE stay ADD COLUMN quote jsonb NOT NULL DEFAULT '{}';

-- Both are made anew, with more arguments.
DROP FUNCTION acquire_locks(text[], uuid[], bytea[], text[], date[], date[], integer[], integer[],
    text[], uuid[], uuid[]);
DROP FUNCTION decide_locks_together(locked_type[], text[], uuid[], bytea[], text[], date[], date[],
    integer[], integer[], text[], uuid[], uuid[]);

-- Decides the items together; the caller holds the locks on `types` and on the
-- guests. Reads set by set, decides in memory over arrays, writes set by set.
-- `reason` is empty for a granted lock. A request id that is known, or comes
-- twice in the batch, gets the answer that was given first.
--
-- What a stay costs and which stays are not sold was found out before, from the
-- inventory of a version: `verdicts` (empty: sold), `notice_days`, `prices` (those
-- of an item from its `first_prices` on) and what else is in its quote. It holds
-- while the property has that version; otherwise the item is not decided,
-- `INVENTORY_MOVED`. Whoever changes an inventory holds the rows of its types.
-- Without `inventory_versions` a stay costs what its nights do.
CREATE FUNCTION decide_locks_together(
    types locked_type[],
    tenant_ids text[], request_ids uuid[], fingerprints bytea[], room_type_ids text[],
    check_ins date[], check_outs date[], adult_counts integer[], child_counts integer[],
    guest_ids text[], new_ids uuid[], owner_tokens uuid[],
    inventory_versions bigint[] DEFAULT NULL, verdicts text[] DEFAULT NULL,
    verdict_facts jsonb[] DEFAULT NULL, notice_days integer[] DEFAULT NULL,
    prices numeric[] DEFAULT NULL, first_prices integer[] DEFAULT NULL,
    quotes jsonb[] DEFAULT NULL
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
    facts jsonb[] := coalesce(verdict_facts, array_fill('{}'::jsonb, ARRAY[item_count]));
    -- Definite, and so remembered. Bad input is not: a corrected request may use
    -- the same id.
    definite CONSTANT text[] := ARRAY['', 'SOLD_OUT', 'TOO_MANY_GUESTS', 'TOO_MANY_LOCKS',
        'CLOSED', 'CLOSED_TO_ARRIVAL', 'CLOSED_TO_DEPARTURE', 'MINIMUM_STAY', 'MAXIMUM_STAY',
        'ADVANCE_NOTICE', 'PRICE_CHANGED'];
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
                WHEN p.inventory_version <> inventory_versions[i.item::integer] THEN 'INVENTORY_MOVED'
                WHEN i.check_in < (moment AT TIME ZONE t.time_zone)::date THEN 'CHECK_IN_PAST'
                WHEN i.adult_count + i.child_count > t.max_guest_count THEN 'TOO_MANY_GUESTS'
                WHEN verdicts[i.item::integer] <> '' THEN verdicts[i.item::integer]
                WHEN i.check_in < (moment AT TIME ZONE t.time_zone)::date + notice_days[i.item::integer]
                    THEN 'ADVANCE_NOTICE'
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
        -- Not from `types`, which were read before the wait for their rows.
        LEFT JOIN LATERAL (
            SELECT p.inventory_version FROM property p WHERE p.tenant_id = i.tenant_id LIMIT 1
        ) p ON true
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
            IF reasons[i] = ANY (definite) THEN
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
        IF reasons[i] = 'ADVANCE_NOTICE' THEN
            facts[i] := jsonb_build_object('days', notice_days[i]);
        ELSIF reasons[i] = 'BEYOND_HORIZON' THEN
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
        (tenant_id, request_id, fingerprint, reason, metadata, subject_id, create_time)
    SELECT u.tenant_id, u.request_id, u.fingerprint, u.reason, u.facts,
        CASE u.reason WHEN '' THEN u.new_id END, moment
    FROM unnest(tenant_ids, request_ids, fingerprints, reasons, facts, new_ids, deciders)
        WITH ORDINALITY
        AS u (tenant_id, request_id, fingerprint, reason, facts, new_id, decider, item)
    WHERE u.decider = u.item AND u.reason = ANY (definite)
    ORDER BY u.tenant_id, u.request_id;

    WITH inserted AS (
        INSERT INTO room_lock
            (tenant_id, lock_id, room_type_id, check_in, check_out, adult_count, child_count,
            guest_id, state, owner_token, fencing_number, nightly_prices, currency_code,
            create_time, expire_time, inventory_version, quote)
        SELECT u.tenant_id, u.new_id, u.room_type_id, u.check_in, u.check_out, u.adult_count,
            u.child_count, u.guest_id, 'LIVE', u.owner_token, nextval('fencing_number'),
            CASE WHEN u.first_price IS NULL
                THEN slot_prices[u.first_slot : u.first_slot + (u.check_out - u.check_in) - 1]
                ELSE prices[u.first_price : u.first_price + (u.check_out - u.check_in) - 1]
            END,
            u.currency_code, moment, moment + make_interval(secs => u.term),
            coalesce(u.inventory_version, -1), coalesce(u.quote, '{}')
        FROM unnest(tenant_ids, new_ids, owner_tokens, reasons, room_type_ids, check_ins,
            check_outs, adult_counts, child_counts, guest_ids, first_slots, currencies, terms,
            deciders, inventory_versions, first_prices, quotes) WITH ORDINALITY
            AS u (tenant_id, new_id, owner_token, reason, room_type_id, check_in,
                check_out, adult_count, child_count, guest_id, first_slot, currency_code, term,
                decider, inventory_version, first_price, quote, item)
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
    WHERE u.decider = u.item AND u.reason = ANY (definite);

    RETURN QUERY
    SELECT u.item::integer,
        CASE
            WHEN u.fingerprint <> coalesce(a.fingerprint, fingerprints[u.decider])
                THEN 'REQUEST_ID_REUSED'
            ELSE coalesce(a.reason, reasons[u.decider])
        END,
        coalesce(l.quote, g.quote, a.metadata, facts[u.decider]),
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
            l.nightly_prices, l.currency_code, l.quote
        FROM room_lock l
        WHERE l.tenant_id = u.tenant_id AND l.lock_id = a.subject_id
            AND a.fingerprint = u.fingerprint
        LIMIT 1
    ) l ON true;
END $$;

-- The one call that takes locks: a batch of items of any hotels, each with an
-- answer of its own. It does not raise for an item: a batch that fails all the
-- same is decided again item by item, `split` then says why on every row, and
-- what still fails is reported as `DECISION_FAILED` with its cause. `metadata` is
-- what else is in the quote of a lock that was granted.
CREATE FUNCTION acquire_locks(
    tenant_ids text[], request_ids uuid[], fingerprints bytea[], room_type_ids text[],
    check_ins date[], check_outs date[], adult_counts integer[], child_counts integer[],
    guest_ids text[], new_ids uuid[], owner_tokens uuid[],
    inventory_versions bigint[] DEFAULT NULL, verdicts text[] DEFAULT NULL,
    verdict_facts jsonb[] DEFAULT NULL, notice_days integer[] DEFAULT NULL,
    prices numeric[] DEFAULT NULL, first_prices integer[] DEFAULT NULL,
    quotes jsonb[] DEFAULT NULL
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
            adult_counts, child_counts, guest_ids, new_ids, owner_tokens, inventory_versions,
            verdicts, verdict_facts, notice_days, prices, first_prices, quotes) d;
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
                guest_ids[i:i], new_ids[i:i], owner_tokens[i:i], inventory_versions[i:i],
                verdicts[i:i], verdict_facts[i:i], notice_days[i:i], prices, first_prices[i:i],
                quotes[i:i]) d;
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

-- What `acquire_locks_off_pins` is without prices. Decides the items that counters can decide, in one call; the others come back
-- as `NEAR_PINS`. What is near pins is looked up before the rows of the types are
-- locked and once more after: should somebody have shut a room in between, the
-- whole batch is sent again.
CREATE FUNCTION acquire_quoted_locks(
    tenant_ids text[], request_ids uuid[], fingerprints bytea[], room_type_ids text[],
    check_ins date[], check_outs date[], adult_counts integer[], child_counts integer[],
    guest_ids text[], new_ids uuid[], owner_tokens uuid[],
    inventory_versions bigint[], verdicts text[], verdict_facts jsonb[], notice_days integer[],
    prices numeric[], first_prices integer[], quotes jsonb[]
) RETURNS TABLE (
    item integer, reason text, metadata jsonb, lock_id uuid, owner_token uuid,
    fencing_number bigint, create_time timestamptz, expire_time timestamptz,
    nightly_prices numeric[], currency_code text, split text
) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    near CONSTANT integer[] := items_near_pins(tenant_ids, room_type_ids);
    far integer[];
BEGIN
    IF near = '{}' THEN
        RETURN QUERY SELECT a.* FROM acquire_locks(
            tenant_ids, request_ids, fingerprints, room_type_ids, check_ins, check_outs,
            adult_counts, child_counts, guest_ids, new_ids, owner_tokens, inventory_versions,
            verdicts, verdict_facts, notice_days, prices, first_prices, quotes) a;
    ELSE
        RETURN QUERY SELECT u.i, 'NEAR_PINS', '{}'::jsonb, NULL::uuid, NULL::uuid, NULL::bigint,
            NULL::timestamptz, NULL::timestamptz, NULL::numeric[], NULL::text, NULL::text
        FROM unnest(near) AS u (i);
        far := ARRAY(SELECT i FROM generate_series(1, cardinality(tenant_ids)) AS u (i)
            WHERE i <> ALL (near) ORDER BY i);
        IF far <> '{}' THEN
            RETURN QUERY SELECT far[a.item], a.reason, a.metadata, a.lock_id, a.owner_token,
                a.fencing_number, a.create_time, a.expire_time, a.nightly_prices,
                a.currency_code, a.split
            FROM acquire_locks(
                ARRAY(SELECT tenant_ids[i] FROM unnest(far) AS u (i)),
                ARRAY(SELECT request_ids[i] FROM unnest(far) AS u (i)),
                ARRAY(SELECT fingerprints[i] FROM unnest(far) AS u (i)),
                ARRAY(SELECT room_type_ids[i] FROM unnest(far) AS u (i)),
                ARRAY(SELECT check_ins[i] FROM unnest(far) AS u (i)),
                ARRAY(SELECT check_outs[i] FROM unnest(far) AS u (i)),
                ARRAY(SELECT adult_counts[i] FROM unnest(far) AS u (i)),
                ARRAY(SELECT child_counts[i] FROM unnest(far) AS u (i)),
                ARRAY(SELECT guest_ids[i] FROM unnest(far) AS u (i)),
                ARRAY(SELECT new_ids[i] FROM unnest(far) AS u (i)),
                ARRAY(SELECT owner_tokens[i] FROM unnest(far) AS u (i)),
                ARRAY(SELECT inventory_versions[i] FROM unnest(far) AS u (i)),
                ARRAY(SELECT verdicts[i] FROM unnest(far) AS u (i)),
                ARRAY(SELECT verdict_facts[i] FROM unnest(far) AS u (i)),
                ARRAY(SELECT notice_days[i] FROM unnest(far) AS u (i)),
                prices,
                ARRAY(SELECT first_prices[i] FROM unnest(far) AS u (i)),
                ARRAY(SELECT quotes[i] FROM unnest(far) AS u (i))) a;
        END IF;
    END IF;
    IF items_near_pins(tenant_ids, room_type_ids) <> near THEN
        RAISE serialization_failure USING MESSAGE = 'a room was shut or opened meanwhile';
    END IF;
END $$;

-- Whether a lapsed lock, already taken out of the counters, can be had again as
-- it was offered: empty, or why not. Under another inventory than that of its
-- quote the service has found out before what it costs now (`lapsed_quotes`).
CREATE OR REPLACE FUNCTION retake_verdict(lapsed room_lock, OUT reason text, OUT metadata jsonb)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    hotel record;
    free_nights integer;
BEGIN
    SELECT (clock_timestamp() AT TIME ZONE p.time_zone)::date AS today, p.inventory_version
    INTO hotel FROM property p WHERE p.tenant_id = lapsed.tenant_id;
    SELECT count(*) INTO free_nights FROM night_inventory n
    WHERE n.tenant_id = lapsed.tenant_id AND n.room_type_id = lapsed.room_type_id
        AND n.price IS NOT NULL AND n.night >= lapsed.check_in AND n.night < lapsed.check_out
        AND n.held + n.sold < n.sellable + n.debt;
    reason := '';
    metadata := '{}';
    IF lapsed.check_in < hotel.today OR free_nights < lapsed.check_out - lapsed.check_in THEN
        reason := 'LOCK_EXPIRED';
    ELSIF hotel.inventory_version <> lapsed.inventory_version THEN
        reason := 'PRICE_CHANGED';
    END IF;
END $$;

-- The rooms of a lock that ran out and was quoted from another inventory than
-- that of now, for its owner's new request: the service finds out what they cost
-- before it confirms them. The rows of their types are locked.
CREATE FUNCTION lapsed_quotes(
    for_tenant text, for_request uuid, for_lock uuid, with_token text, with_fence bigint
) RETURNS SETOF room_lock LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM lock_for_change(for_tenant, for_lock);
    PERFORM reap_lapsed_locks(array_agg(l.tenant_id), array_agg(l.room_type_id), NULL)
    FROM (
        SELECT DISTINCT l.tenant_id, l.room_type_id FROM lock_with_parts(for_tenant, for_lock) l
        WHERE l.state = 'LIVE' AND l.expire_time <= clock_timestamp()
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

-- Takes one room for a stay; the caller holds the type's row, and has found out
-- under it that the stay is sold and for what. `reason` is empty when it was
-- taken. `had_room` is the room to keep when it is free.
CREATE FUNCTION take_quoted_room(
    for_tenant text, for_reservation uuid, for_number smallint, for_type text,
    first_night date, departure date, adults integer, children integer,
    agreed_prices numeric[], agreed_quote jsonb, had_room bigint,
    OUT reason text, OUT metadata jsonb
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    offer record;
    placed stay;
BEGIN
    metadata := '{}';
    FOR attempt IN 1..2 LOOP
        SELECT count(*)::integer AS nights, min(n.sellable + n.debt - n.held - n.sold) AS free
        INTO offer
        FROM night_inventory n
        WHERE n.tenant_id = for_tenant AND n.room_type_id = for_type
            AND n.night >= first_night AND n.night < departure;
        EXIT WHEN offer.free >= 1 OR offer.nights < departure - first_night;
        -- Lapsed locks are dead, but still counted: look again without them.
        EXIT WHEN attempt = 2
            OR reap_lapsed_locks(ARRAY[for_tenant], ARRAY[for_type], NULL) = 0;
    END LOOP;
    IF offer.nights < departure - first_night OR offer.free < 1 THEN
        reason := 'SOLD_OUT';
        RETURN;
    END IF;
    reason := '';
    PERFORM count_stay(for_tenant, for_type, first_night, departure, 0, 1);
    INSERT INTO stay
        (tenant_id, reservation_id, stay_number, room_type_id, nights, adult_count, child_count,
        nightly_prices, currency_code, occupying, quote)
    SELECT for_tenant, for_reservation, for_number, for_type, daterange(first_night, departure),
        adults, children, agreed_prices, p.currency_code, true, agreed_quote
    FROM property p WHERE p.tenant_id = for_tenant
    RETURNING * INTO placed;
    placed.room_key := had_room;
    PERFORM place_stay(placed);
END $$;
