-- Rooms that were booked in the hotel's own system by others: they count as sold.

-- How many of `sold` are of that kind, so that they can be counted anew at any time.
ALTER TABLE night_inventory
    ADD COLUMN elsewhere integer NOT NULL DEFAULT 0
        CONSTRAINT night_elsewhere_positive CHECK (elsewhere >= 0);

CREATE TABLE pms_elsewhere (
    tenant_id text NOT NULL,
    booking_id text NOT NULL,
    room_place smallint NOT NULL,
    room_type_id text NOT NULL,
    nights daterange NOT NULL CONSTRAINT pms_elsewhere_nights_not_empty CHECK (NOT isempty(nights)),
    CONSTRAINT pms_elsewhere_pkey PRIMARY KEY (tenant_id, booking_id, room_place),
    CONSTRAINT pms_elsewhere_room_type_fkey FOREIGN KEY (tenant_id, room_type_id)
        REFERENCES room_type
);
CREATE INDEX pms_elsewhere_by_type ON pms_elsewhere (tenant_id, room_type_id, upper(nights));

-- Makes the counters of a hotel's types say what the table above says, from a day on; the
-- caller holds the rows of the types. What is sold beyond the rooms there are is debt. Returns
-- the nights that were changed and are oversold now.
CREATE FUNCTION recount_elsewhere(for_tenant text, for_types text[], first_night date)
RETURNS TABLE (room_type_id text, night date, debt integer) LANGUAGE sql VOLATILE AS $$
    WITH counted AS (
        SELECT e.room_type_id, d.night::date AS night, count(*)::integer AS rooms
        FROM pms_elsewhere e
        CROSS JOIN generate_series(greatest(lower(e.nights), first_night), upper(e.nights) - 1,
            '1 day') AS d (night)
        WHERE e.tenant_id = for_tenant AND e.room_type_id = ANY (for_types)
            AND upper(e.nights) > first_night
        GROUP BY 1, 2
    ), changed AS (
        UPDATE night_inventory n SET
            sold = n.sold - n.elsewhere + w.rooms,
            elsewhere = w.rooms,
            debt = greatest(n.debt, n.held + n.sold - n.elsewhere + w.rooms - n.sellable)
        FROM (
            SELECT o.room_type_id, o.night, coalesce(c.rooms, 0) AS rooms
            FROM night_inventory o
            LEFT JOIN counted c ON c.room_type_id = o.room_type_id AND c.night = o.night
            WHERE o.tenant_id = for_tenant AND o.room_type_id = ANY (for_types)
                AND o.night >= first_night AND o.elsewhere <> coalesce(c.rooms, 0)
        ) w
        WHERE n.tenant_id = for_tenant AND n.room_type_id = w.room_type_id AND n.night = w.night
        RETURNING n.room_type_id, n.night, n.debt
    )
    SELECT c.room_type_id, c.night, c.debt FROM changed c WHERE c.debt > 0 ORDER BY 2, 1
$$;
