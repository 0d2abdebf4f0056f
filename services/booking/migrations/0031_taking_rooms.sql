-- A room of a type for a reservation, without a lock before: for one that is
-- booked directly, and for one that is changed.

-- Takes one room for a stay; the caller holds the type's row. `reason` is empty
-- when it was taken. Nights that were agreed before keep their price: those from
-- `agreed_from` on, as many as `agreed_prices`. `had_room` is the room to keep
-- when it is free.
CREATE FUNCTION take_room(
    for_tenant text, for_reservation uuid, for_number smallint, for_type text,
    first_night date, departure date, adults integer, children integer,
    agreed_from date, agreed_prices numeric[], had_room bigint,
    OUT reason text, OUT metadata jsonb
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    kind record;
    offer record;
    placed stay;
BEGIN
    metadata := '{}';
    SELECT t.max_guest_count, p.currency_code INTO kind
    FROM room_type t JOIN property p ON p.tenant_id = t.tenant_id
    WHERE t.tenant_id = for_tenant AND t.room_type_id = for_type;
    IF NOT FOUND THEN
        reason := 'ROOM_TYPE_UNKNOWN';
        RETURN;
    ELSIF adults + children > kind.max_guest_count THEN
        reason := 'TOO_MANY_GUESTS';
        RETURN;
    END IF;
    FOR attempt IN 1..2 LOOP
        SELECT count(*)::integer AS nights, min(n.sellable + n.debt - n.held - n.sold) AS free,
            array_agg(CASE
                WHEN n.night >= agreed_from AND n.night < agreed_from + cardinality(agreed_prices)
                    THEN agreed_prices[n.night - agreed_from + 1]
                ELSE n.price
            END ORDER BY n.night) AS prices
        INTO offer
        FROM night_inventory n
        WHERE n.tenant_id = for_tenant AND n.room_type_id = for_type AND n.price IS NOT NULL
            AND n.night >= first_night AND n.night < departure;
        EXIT WHEN offer.free >= 1 OR offer.nights < departure - first_night;
        -- Lapsed locks are dead, but still counted: look again without them.
        EXIT WHEN attempt = 2
            OR reap_lapsed_locks(ARRAY[for_tenant], ARRAY[for_type], NULL) = 0;
    END LOOP;
    IF offer.nights < departure - first_night THEN
        reason := 'BEYOND_HORIZON';
        metadata := jsonb_build_object('last_night', (
            SELECT max(n.night) FROM night_inventory n
            WHERE n.tenant_id = for_tenant AND n.room_type_id = for_type AND n.price IS NOT NULL));
        RETURN;
    ELSIF offer.free < 1 THEN
        reason := 'SOLD_OUT';
        RETURN;
    END IF;
    reason := '';
    PERFORM count_stay(for_tenant, for_type, first_night, departure, 0, 1);
    INSERT INTO stay
        (tenant_id, reservation_id, stay_number, room_type_id, nights, adult_count, child_count,
        nightly_prices, currency_code, occupying)
    VALUES (for_tenant, for_reservation, for_number, for_type, daterange(first_night, departure),
        adults, children, offer.prices, kind.currency_code, true)
    RETURNING * INTO placed;
    placed.room_key := had_room;
    PERFORM place_stay(placed);
END $$;
