-- A lock for less: what the row of a type says is read where it is locked, which items want the same
-- is told by the caller instead of sorted three times, and locks come with ids that follow each
-- other in time, so that new ones are neighbours in the indexes.
DROP FUNCTION take_locks(boolean, text[], uuid[], bytea[], text[], date[], date[], integer[],
    integer[], text[], bigint[], text[], jsonb[], integer[], text[], jsonb[]);
DROP FUNCTION decide_locks(boolean, text[], uuid[], bytea[], text[], date[], date[], integer[],
    integer[], text[], bigint[], text[], jsonb[], integer[], text[], jsonb[]);

-- Decides the items together; the caller holds the rows of their types and the locks
-- on the guests. Reads set by set, decides in memory over arrays, writes set by set.
-- A request id that is known, or comes twice in the batch, gets the answer that
-- was given first.
--
-- What a stay costs and which stays are not sold was found out before, from the
-- inventory of a version: `verdicts` (empty: sold), `notice_days`, `prices` (of
-- each item an array of its nights', as text) and what else is in its quote. It
-- holds while the property has that version; otherwise the item is not decided,
-- `INVENTORY_MOVED`. Whoever changes an inventory holds the rows of its types.
-- Without `inventory_versions` a stay costs what its nights do.
--
-- `type_of`, `first_of` and `guest_of` are the first items of the same type, request id and guest;
-- `most_guests` (NULL: no such type) and `pinned_until` are by the first item of a type.
CREATE FUNCTION decide_locks(
    leave_pinned boolean,
    tenant_ids text[], request_ids uuid[], fingerprints bytea[], room_type_ids text[],
    check_ins date[], check_outs date[], adult_counts integer[], child_counts integer[],
    guest_ids text[], inventory_versions bigint[], verdicts text[], verdict_facts jsonb[],
    notice_days integer[], prices text[], quotes jsonb[], new_ids uuid[], new_tokens uuid[],
    type_of integer[], first_of integer[], guest_of integer[], most_guests integer[],
    pinned_until date[]
) RETURNS SETOF lock_answer LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    moment CONSTANT timestamptz := clock_timestamp();  -- After the locks: time passed waiting.
    item_count CONSTANT integer := cardinality(tenant_ids);
    -- Definite, and so remembered. Bad input is not: a corrected request may use
    -- the same id.
    definite CONSTANT text[] := ARRAY['', 'SOLD_OUT', 'TOO_MANY_GUESTS', 'TOO_MANY_LOCKS',
        'CLOSED', 'CLOSED_TO_ARRIVAL', 'CLOSED_TO_DEPARTURE', 'MINIMUM_STAY', 'MAXIMUM_STAY',
        'ADVANCE_NOTICE', 'PRICE_CHANGED'];
    -- By item.
    faults text[];
    guest_limits integer[];
    currencies text[];
    terms integer[];
    live_counts integer[];
    first_slots integer[];
    reasons text[];
    facts jsonb[] := coalesce(verdict_facts, array_fill('{}'::jsonb, ARRAY[item_count]));
    deciders integer[];
    fences bigint[];
    -- By slot: one night of one type, in (type, night) order, so that the
    -- nights of a stay are neighbours.
    slot_rows tid[];
    slot_free integer[];
    slot_used integer[];
    -- By the first item of a guest, by the first item with a request id.
    guest_locks integer[];
    decided_by integer[];
    full_items integer[];
    last_slot integer;
    used_count integer;
    row_count integer;
BEGIN
    SELECT array_agg(d.fault ORDER BY d.item), array_agg(d.guest_limit ORDER BY d.item),
        array_agg(d.live_count ORDER BY d.item), array_agg(d.currency_code ORDER BY d.item),
        array_agg(d.lock_seconds ORDER BY d.item)
    INTO faults, guest_limits, live_counts, currencies, terms
    FROM (
        SELECT i.item,
            CASE
                WHEN leave_pinned AND pinned_until[i.type_of] > p.today THEN 'NEAR_PINS'
                WHEN a.request_id IS NOT NULL THEN 'ANSWERED'
                WHEN most_guests[i.type_of] IS NULL THEN 'ROOM_TYPE_UNKNOWN'
                WHEN p.inventory_version <> i.inventory_version THEN 'INVENTORY_MOVED'
                WHEN i.check_in < p.today THEN 'CHECK_IN_PAST'
                WHEN i.guest_count > most_guests[i.type_of] THEN 'TOO_MANY_GUESTS'
                WHEN i.verdict <> '' THEN i.verdict
                WHEN i.check_in < p.today + i.notice_days THEN 'ADVANCE_NOTICE'
            END AS fault,
            p.live_locks_per_guest AS guest_limit, p.currency_code, p.lock_seconds,
            -- The order names the index: a plan made while the table was empty would
            -- as soon look through all locks of the hotel.
            (
                SELECT count(*)::integer FROM (
                    SELECT FROM room_lock l
                    WHERE l.tenant_id = i.tenant_id AND l.guest_id = i.guest_id
                        AND l.state = 'LIVE' AND l.expire_time > moment
                    ORDER BY l.tenant_id, l.guest_id, l.expire_time LIMIT p.live_locks_per_guest
                ) l
            ) AS live_count
        FROM (
            SELECT u.*, u.adult_count + u.child_count AS guest_count
            FROM unnest(tenant_ids, request_ids, type_of, check_ins, adult_counts, child_counts,
                guest_ids, inventory_versions, verdicts, notice_days) WITH ORDINALITY
                AS u (tenant_id, request_id, type_of, check_in, adult_count, child_count,
                    guest_id, inventory_version, verdict, notice_days, item)
        ) i
        LEFT JOIN LATERAL (
            SELECT p.inventory_version, p.currency_code, p.lock_seconds, p.live_locks_per_guest,
                (moment AT TIME ZONE p.time_zone)::date AS today
            FROM property p WHERE p.tenant_id = i.tenant_id LIMIT 1
        ) p ON true
        LEFT JOIN LATERAL (
            SELECT a.request_id FROM request_answer a
            WHERE a.tenant_id = i.tenant_id AND a.request_id = i.request_id LIMIT 1
        ) a ON true
    ) d;

    LOOP
        WITH asked AS MATERIALIZED (
            -- What is not to be decided has no night, and comes last: it takes no slot.
            SELECT u.item, n.night, n.free, n.row_id,
                dense_rank() OVER (ORDER BY n.night IS NULL, u.type_of, n.night)::integer AS slot
            FROM unnest(tenant_ids, room_type_ids, check_ins, check_outs, type_of, faults)
                WITH ORDINALITY
                AS u (tenant_id, room_type_id, check_in, check_out, type_of, fault, item)
            LEFT JOIN LATERAL (
                SELECT n.night, n.ctid AS row_id, n.sellable + n.debt - n.held - n.sold AS free
                FROM night_inventory n
                WHERE n.tenant_id = u.tenant_id AND n.room_type_id = u.room_type_id
                    AND n.night >= u.check_in AND n.night < u.check_out
                    AND n.price IS NOT NULL AND u.fault IS NULL
                OFFSET 0
            ) n ON true
        ),
        slots AS (
            SELECT array_agg(s.row_id ORDER BY s.slot) AS row_ids,
                array_agg(s.free ORDER BY s.slot) AS free
            FROM (SELECT DISTINCT ON (a.slot) a.slot, a.row_id, a.free FROM asked a
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
        SELECT slots.row_ids, slots.free, starts.first_slots
        INTO slot_rows, slot_free, first_slots
        FROM slots CROSS JOIN starts;

        reasons := faults;
        guest_locks := live_counts;
        decided_by := array_fill(NULL::integer, ARRAY[item_count]);
        deciders := decided_by;
        slot_used := array_fill(0, ARRAY[coalesce(cardinality(slot_free), 0)]);
        used_count := 0;
        full_items := '{}';
        FOR i IN 1..item_count LOOP
            CONTINUE WHEN reasons[i] IN ('ANSWERED', 'NEAR_PINS');
            deciders[i] := coalesce(decided_by[first_of[i]], i);
            CONTINUE WHEN deciders[i] <> i;
            IF reasons[i] IS NULL AND first_slots[i] IS NULL THEN
                reasons[i] := 'BEYOND_HORIZON';
            ELSIF reasons[i] IS NULL AND guest_locks[guest_of[i]] >= guest_limits[i] THEN
                reasons[i] := 'TOO_MANY_LOCKS';
            ELSIF reasons[i] IS NULL THEN
                reasons[i] := '';
                last_slot := first_slots[i] + (check_outs[i] - check_ins[i]) - 1;
                FOR s IN first_slots[i]..last_slot LOOP
                    IF slot_free[s] <= slot_used[s] THEN
                        reasons[i] := 'SOLD_OUT';
                        full_items := full_items || i;
                        EXIT;
                    END IF;
                END LOOP;
                IF reasons[i] = '' THEN
                    FOR s IN first_slots[i]..last_slot LOOP
                        IF slot_used[s] = 0 THEN
                            used_count := used_count + 1;
                        END IF;
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

    SELECT array_agg(CASE WHEN u.reason = '' AND u.decider = u.item
        THEN nextval('fencing_number') END ORDER BY u.item)
    INTO fences
    FROM unnest(reasons, deciders) WITH ORDINALITY AS u (reason, decider, item);

    IF reasons && ARRAY['ADVANCE_NOTICE', 'BEYOND_HORIZON'] THEN
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
    END IF;

    -- First and in key order: two transactions that were sent the same request
    -- ids for different types must collide here, and without a deadlock.
    INSERT INTO request_answer
        (tenant_id, request_id, fingerprint, reason, metadata, subject_id, create_time)
    SELECT u.tenant_id, u.request_id, u.fingerprint, u.reason, u.facts,
        CASE WHEN u.fence IS NOT NULL THEN u.new_id END, moment
    FROM unnest(tenant_ids, request_ids, fingerprints, reasons, facts, new_ids, fences, deciders)
        WITH ORDINALITY
        AS u (tenant_id, request_id, fingerprint, reason, facts, new_id, fence, decider, item)
    WHERE u.decider = u.item AND u.reason = ANY (definite)
    ORDER BY u.tenant_id, u.request_id;

    INSERT INTO room_lock
        (tenant_id, lock_id, room_type_id, check_in, check_out, adult_count, child_count,
        guest_id, state, owner_token, fencing_number, nightly_prices, currency_code,
        create_time, expire_time, inventory_version, quote)
    SELECT u.tenant_id, u.lock_id, u.room_type_id, u.check_in, u.check_out, u.adult_count,
        u.child_count, u.guest_id, 'LIVE', u.owner_token, u.fence,
        coalesce(u.prices::numeric[], ARRAY(
            SELECT n.price FROM night_inventory n
            WHERE n.tenant_id = u.tenant_id AND n.room_type_id = u.room_type_id
                AND n.night >= u.check_in AND n.night < u.check_out
            ORDER BY n.night
        )),
        u.currency_code, moment, moment + make_interval(secs => u.term),
        coalesce(u.inventory_version, -1), coalesce(u.quote, '{}')
    FROM unnest(tenant_ids, new_ids, new_tokens, fences, room_type_ids, check_ins,
        check_outs, adult_counts, child_counts, guest_ids, currencies, terms,
        inventory_versions, prices, quotes)
        AS u (tenant_id, lock_id, owner_token, fence, room_type_id, check_in, check_out,
            adult_count, child_count, guest_id, currency_code, term, inventory_version,
            prices, quote)
    WHERE u.fence IS NOT NULL;

    -- By the place of the row: nobody moves it while its type is locked. Should
    -- somebody have, the whole batch is decided again.
    UPDATE night_inventory n SET held = n.held + u.used
    FROM unnest(slot_rows, slot_used) AS u (row_id, used)
    WHERE u.used > 0 AND n.ctid = u.row_id;
    GET DIAGNOSTICS row_count = ROW_COUNT;
    IF row_count <> used_count THEN
        RAISE 'night_inventory was changed without the lock on its room type';
    END IF;

    INSERT INTO lock_audit
        (tenant_id, event, reason, lock_id, request_id, room_type_id, check_in, check_out,
        guest_id, event_time)
    SELECT u.tenant_id, CASE u.reason WHEN '' THEN 'GRANTED' ELSE 'REFUSED' END, u.reason,
        CASE WHEN u.fence IS NOT NULL THEN u.new_id END, u.request_id, u.room_type_id,
        u.check_in, u.check_out, u.guest_id, moment
    FROM unnest(tenant_ids, reasons, new_ids, fences, request_ids, room_type_ids, check_ins,
        check_outs, guest_ids, deciders) WITH ORDINALITY
        AS u (tenant_id, reason, new_id, fence, request_id, room_type_id, check_in, check_out,
            guest_id, decider, item)
    WHERE u.decider = u.item AND u.reason = ANY (definite);

    RETURN QUERY
    SELECT u.item::integer,
        CASE WHEN u.fingerprint <> fingerprints[u.decider] THEN 'REQUEST_ID_REUSED'
            ELSE coalesce(reasons[u.decider], u.reason) END,
        facts[coalesce(u.decider, u.item)], new_ids[u.decider], new_tokens[u.decider],
        fences[u.decider], moment, moment + make_interval(secs => terms[u.decider]),
        NULL::numeric[], NULL::text, NULL::jsonb
    FROM unnest(fingerprints, reasons, deciders) WITH ORDINALITY
        AS u (fingerprint, reason, decider, item)
    WHERE u.reason IS DISTINCT FROM 'ANSWERED';

    IF 'ANSWERED' = ANY (reasons) THEN
        RETURN QUERY
        SELECT u.item::integer,
            CASE WHEN u.fingerprint <> a.fingerprint THEN 'REQUEST_ID_REUSED' ELSE a.reason END,
            a.metadata, l.lock_id, l.owner_token, l.fencing_number, l.create_time, l.expire_time,
            l.nightly_prices, l.currency_code::text, l.quote
        FROM unnest(fingerprints, tenant_ids, request_ids, reasons) WITH ORDINALITY
            AS u (fingerprint, tenant_id, request_id, reason, item)
        JOIN request_answer a ON a.tenant_id = u.tenant_id AND a.request_id = u.request_id
        LEFT JOIN room_lock l ON l.tenant_id = u.tenant_id AND l.lock_id = a.subject_id
            AND u.fingerprint = a.fingerprint
        WHERE u.reason = 'ANSWERED';
    END IF;
END $$;

-- The one call that takes locks: a batch of items of any hotels, each with an
-- answer of its own, and with a new id and token for the lock that may come of it. It does not raise for an item: a batch that fails all the
-- same is decided again item by item, `split` then says why on every row, and
-- what still fails is reported as `DECISION_FAILED` with its cause. With
-- `leave_pinned`, items of types with pins come back as `NEAR_PINS`: counters
-- alone cannot decide them.
CREATE FUNCTION take_locks(
    leave_pinned boolean,
    tenant_ids text[], request_ids uuid[], fingerprints bytea[], room_type_ids text[],
    check_ins date[], check_outs date[], adult_counts integer[], child_counts integer[],
    guest_ids text[], inventory_versions bigint[], verdicts text[], verdict_facts jsonb[],
    notice_days integer[], prices text[], quotes jsonb[], new_ids uuid[], new_tokens uuid[],
    type_of integer[], first_of integer[], guest_of integer[]
) RETURNS TABLE (
    item integer, reason text, metadata jsonb, lock_id uuid, owner_token uuid,
    fencing_number bigint, create_time timestamptz, expire_time timestamptz,
    nightly_prices numeric[], currency_code text, quote jsonb, split text
) LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_sort = off AS $$
#variable_conflict use_column
DECLARE
    -- By the first item of a type: what its row says, now that it is held.
    most_guests integer[] := array_fill(NULL::integer, ARRAY[cardinality(tenant_ids)]);
    pinned_until date[] := array_fill(NULL::date, ARRAY[cardinality(tenant_ids)]);
    held record;
BEGIN
    -- In key order, the one order there is.
    FOR held IN
        SELECT w.item, t.max_guest_count, t.pinned_until
        FROM (
            SELECT u.tenant_id, u.room_type_id, u.item
            FROM unnest(tenant_ids, room_type_ids, type_of) WITH ORDINALITY
                AS u (tenant_id, room_type_id, type_of, item)
            WHERE u.type_of = u.item ORDER BY u.tenant_id, u.room_type_id OFFSET 0
        ) w
        CROSS JOIN LATERAL (
            SELECT t.max_guest_count, t.pinned_until FROM room_type t
            WHERE t.tenant_id = w.tenant_id AND t.room_type_id = w.room_type_id
            FOR NO KEY UPDATE
        ) t
    LOOP
        most_guests[held.item] := held.max_guest_count;
        pinned_until[held.item] := held.pinned_until;
    END LOOP;
    -- A guest's locks of different types meet here, or two at once could both be
    -- the last one allowed. After all type rows, in one order: no deadlock.
    PERFORM pg_advisory_xact_lock(g.guest_key) FROM (
        SELECT hashtextextended(u.tenant_id || chr(10) || u.guest_id, 0) AS guest_key
        FROM unnest(tenant_ids, guest_ids, guest_of) WITH ORDINALITY
            AS u (tenant_id, guest_id, guest_of, item)
        WHERE u.guest_of = u.item ORDER BY guest_key
    ) g;
    BEGIN
        RETURN QUERY SELECT d.*, NULL::text FROM decide_locks(
            leave_pinned, tenant_ids, request_ids, fingerprints, room_type_ids, check_ins,
            check_outs, adult_counts, child_counts, guest_ids, inventory_versions, verdicts,
            verdict_facts, notice_days, prices, quotes, new_ids, new_tokens, type_of, first_of,
            guest_of, most_guests, pinned_until) d;
        RETURN;
    EXCEPTION
        -- These prove nothing about an item: the caller sends the batch again.
        WHEN deadlock_detected OR serialization_failure OR lock_not_available THEN RAISE;
        WHEN OTHERS THEN split := SQLERRM;
    END;
    FOR i IN 1..cardinality(tenant_ids) LOOP
        BEGIN
            RETURN QUERY SELECT i, d.reason, d.metadata, d.lock_id, d.owner_token,
                d.fencing_number, d.create_time, d.expire_time, d.nightly_prices,
                d.currency_code, d.quote, split
            FROM decide_locks(
                leave_pinned, tenant_ids[i:i], request_ids[i:i], fingerprints[i:i],
                room_type_ids[i:i], check_ins[i:i], check_outs[i:i], adult_counts[i:i],
                child_counts[i:i], guest_ids[i:i], inventory_versions[i:i], verdicts[i:i],
                verdict_facts[i:i], notice_days[i:i], prices[i:i], quotes[i:i], new_ids[i:i],
                new_tokens[i:i], ARRAY[1], ARRAY[1], ARRAY[1], most_guests[type_of[i]:type_of[i]],
                pinned_until[type_of[i]:type_of[i]]) d;
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

-- What the last release calls.
CREATE FUNCTION take_locks(
    leave_pinned boolean,
    tenant_ids text[], request_ids uuid[], fingerprints bytea[], room_type_ids text[],
    check_ins date[], check_outs date[], adult_counts integer[], child_counts integer[],
    guest_ids text[], inventory_versions bigint[], verdicts text[], verdict_facts jsonb[],
    notice_days integer[], prices text[], quotes jsonb[]
) RETURNS TABLE (
    item integer, reason text, metadata jsonb, lock_id uuid, owner_token uuid,
    fencing_number bigint, create_time timestamptz, expire_time timestamptz,
    nightly_prices numeric[], currency_code text, quote jsonb, split text
) LANGUAGE sql VOLATILE AS $$
    SELECT t.*
    FROM (
        SELECT array_agg(gen_random_uuid()) AS ids, array_agg(gen_random_uuid()) AS tokens,
            array_agg(s.type_of ORDER BY s.item) AS type_of,
            array_agg(s.first_of ORDER BY s.item) AS first_of,
            array_agg(s.guest_of ORDER BY s.item) AS guest_of
        FROM (
            SELECT u.item,
                min(u.item) OVER (PARTITION BY u.tenant_id, u.room_type_id)::integer AS type_of,
                min(u.item) OVER (PARTITION BY u.tenant_id, u.request_id)::integer AS first_of,
                min(u.item) OVER (PARTITION BY u.tenant_id, u.guest_id)::integer AS guest_of
            FROM unnest(tenant_ids, room_type_ids, request_ids, guest_ids) WITH ORDINALITY
                AS u (tenant_id, room_type_id, request_id, guest_id, item)
        ) s
    ) n
    CROSS JOIN LATERAL take_locks(leave_pinned, tenant_ids, request_ids, fingerprints,
        room_type_ids, check_ins, check_outs, adult_counts, child_counts, guest_ids,
        inventory_versions, verdicts, verdict_facts, notice_days, prices, quotes, n.ids,
        n.tokens, n.type_of, n.first_of, n.guest_of) t
$$;
