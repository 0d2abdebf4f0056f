-- Rooms out of order, and what follows from rooms that are named beforehand. A
-- pin is a room that is shut for some nights or sold as this very room. Where a
-- type has pins, counters do not say all: two rooms may each be free one night and
-- neither both. There everybody keeps a tentative room, and a grant is an
-- assignment of all of them, found by the service in the deciding transaction.

ALTER TABLE room_type
    -- No night from this one on has a pin. Empty or past: counters say all.
    ADD COLUMN pinned_until date;
-- Asked for every batch of locks: small, because few types have pins.
CREATE INDEX room_type_pinned ON room_type (tenant_id, room_type_id)
    WHERE pinned_until IS NOT NULL;

ALTER TABLE room_lock
    -- Tentative, and only near pins.
    ADD COLUMN room_key bigint,
    -- Whether it is a lock of this very room.
    ADD COLUMN pinned boolean NOT NULL DEFAULT false;

ALTER TABLE stay
    -- Whether it was sold as this very room.
    ADD COLUMN pinned boolean NOT NULL DEFAULT false;

-- A room that is not to be sold on some nights; `end_time` when it was opened again.
CREATE TABLE room_closure (
    tenant_id text NOT NULL,
    closure_id uuid NOT NULL,
    room_type_id text NOT NULL,
    room_key bigint NOT NULL CONSTRAINT room_closure_room_fkey REFERENCES room (room_key),
    nights daterange NOT NULL CONSTRAINT room_closure_nights_not_empty CHECK (NOT isempty(nights)),
    reason text NOT NULL CONSTRAINT room_closure_reason_length CHECK (length(reason) <= 200),
    actor_id text NOT NULL,
    create_time timestamptz NOT NULL,
    end_time timestamptz,
    CONSTRAINT room_closure_pkey PRIMARY KEY (tenant_id, closure_id),
    CONSTRAINT room_shut_once EXCLUDE USING gist
        (int8range(room_key, room_key, '[]') WITH &&, nights WITH &&) WHERE (end_time IS NULL)
);
CREATE INDEX room_closure_by_type ON room_closure (tenant_id, room_type_id, upper(nights))
    WHERE end_time IS NULL;
-- Lists go by first night.
CREATE INDEX room_closure_by_night ON room_closure (tenant_id, lower(nights), closure_id)
    WHERE end_time IS NULL;

-- What was sold beyond the rooms there are is forgotten as soon as it is sold no
-- more: a night that gave a guest back must not be sold as if it had a room.
CREATE FUNCTION pay_debt_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.debt := greatest(NEW.held + NEW.sold - NEW.sellable, 0);
    RETURN NEW;
END $$;
CREATE TRIGGER night_debt_is_paid_back BEFORE UPDATE ON night_inventory FOR EACH ROW
    WHEN (NEW.debt > 0 AND NEW.held + NEW.sold < NEW.sellable + NEW.debt)
    EXECUTE FUNCTION pay_debt_back();
-- Lists of debt read nothing else.
CREATE INDEX night_in_debt ON night_inventory (tenant_id, night, room_type_id) WHERE debt > 0;

CREATE FUNCTION is_pinned(for_tenant text, for_type text) RETURNS boolean
LANGUAGE sql VOLATILE AS $$
    SELECT EXISTS (
        SELECT FROM room_type t JOIN property p ON p.tenant_id = t.tenant_id
        WHERE t.tenant_id = for_tenant AND t.room_type_id = for_type
            AND t.pinned_until > (clock_timestamp() AT TIME ZONE p.time_zone)::date
    )
$$;

-- The items of a batch whose type has pins.
CREATE FUNCTION items_near_pins(tenant_ids text[], room_type_ids text[]) RETURNS integer[]
LANGUAGE sql VOLATILE AS $$
    SELECT coalesce(array_agg(u.item::integer ORDER BY u.item), '{}')
    FROM unnest(tenant_ids, room_type_ids) WITH ORDINALITY AS u (tenant_id, room_type_id, item)
    CROSS JOIN LATERAL (
        SELECT t.pinned_until FROM room_type t
        WHERE t.tenant_id = u.tenant_id AND t.room_type_id = u.room_type_id
            AND t.pinned_until IS NOT NULL
        LIMIT 1
    ) t
    JOIN property p ON p.tenant_id = u.tenant_id
    WHERE t.pinned_until > (clock_timestamp() AT TIME ZONE p.time_zone)::date
$$;

-- Decides the items that counters can decide, in one call; the others come back
-- as `NEAR_PINS`. What is near pins is looked up before the rows of the types are
-- locked and once more after: should somebody have shut a room in between, the
-- whole batch is sent again.
CREATE FUNCTION acquire_locks_off_pins(
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
    near CONSTANT integer[] := items_near_pins(tenant_ids, room_type_ids);
    far integer[];
BEGIN
    IF near = '{}' THEN
        RETURN QUERY SELECT a.* FROM acquire_locks(
            tenant_ids, request_ids, fingerprints, room_type_ids, check_ins, check_outs,
            adult_counts, child_counts, guest_ids, new_ids, owner_tokens) a;
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
                ARRAY(SELECT owner_tokens[i] FROM unnest(far) AS u (i))) a;
        END IF;
    END IF;
    IF items_near_pins(tenant_ids, room_type_ids) <> near THEN
        RAISE serialization_failure USING MESSAGE = 'a room was shut or opened meanwhile';
    END IF;
END $$;

-- Near pins a stay keeps the room it had or held, if no other stay is there; the
-- service settles everybody's room before it commits.
CREATE OR REPLACE FUNCTION place_stay(placed stay) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF is_pinned(placed.tenant_id, placed.room_type_id) THEN
        UPDATE stay SET room_key = placed.room_key
        WHERE tenant_id = placed.tenant_id AND reservation_id = placed.reservation_id
            AND stay_number = placed.stay_number;
    ELSIF NOT assign_room(placed) THEN
        PERFORM deal_rooms_again(placed.tenant_id, placed.room_type_id,
            (clock_timestamp() AT TIME ZONE p.time_zone)::date)
        FROM property p WHERE p.tenant_id = placed.tenant_id;
    END IF;
EXCEPTION
    -- A stay beyond the rooms there are (sold as debt) goes without one, and
    -- nobody who has a room gives it up.
    WHEN SQLSTATE 'CB001' THEN NULL;
    WHEN exclusion_violation THEN NULL;
END $$;

-- As before, in the room that the lock had.
CREATE OR REPLACE FUNCTION reserve(from_lock room_lock, new_id uuid, code text)
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
        nightly_prices, currency_code, occupying, pinned)
    VALUES (from_lock.tenant_id, new_id, 1, from_lock.room_type_id,
        daterange(from_lock.check_in, from_lock.check_out), from_lock.adult_count,
        from_lock.child_count, from_lock.nightly_prices, from_lock.currency_code,
        change.occupying, from_lock.pinned)
    RETURNING * INTO placed;
    placed.room_key := from_lock.room_key;
    PERFORM place_stay(placed);
END $$;

-- Gives stays and locks other rooms at once: out of each other's way first.
CREATE FUNCTION move_into_rooms(
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
    UPDATE room_lock l SET room_key = u.room_key, pinned = l.pinned AND u.room_key IS NOT NULL
    FROM unnest(lock_ids, lock_rooms) AS u (id, room_key)
    WHERE l.tenant_id = for_tenant AND l.lock_id = u.id;
$$;

-- Who was sold a room that is not there.
CREATE INDEX stay_without_room ON stay (tenant_id, room_type_id)
    WHERE occupying AND room_key IS NULL;
