-- The nights of a stay as two days. A wall in front of the rows is passed by comparisons alone that
-- tell nothing of them, and what ranges offer does not count among those: an index over ranges
-- would not be used by the service's role, one over days is.
ALTER TABLE stay
    ADD COLUMN arrival date GENERATED ALWAYS AS (lower(nights)) STORED,
    ADD COLUMN departure date GENERATED ALWAYS AS (upper(nights)) STORED;

CREATE INDEX stay_of_type ON stay (tenant_id, room_type_id, departure) WHERE occupying;
CREATE INDEX stay_of_room ON stay (room_key, departure) WHERE occupying AND room_key IS NOT NULL;
CREATE INDEX stay_of_day ON stay (tenant_id, arrival, reservation_id) WHERE stay_number = 1;
DROP INDEX stay_occupying_by_type, stay_by_arrival;

-- As before: a room that is free for all nights of the stay, the one it has when it can.
CREATE OR REPLACE FUNCTION assign_room(placed stay) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    candidate bigint;
BEGIN
    FOR candidate IN
        SELECT r.room_key FROM room r
        WHERE r.tenant_id = placed.tenant_id AND r.room_type_id = placed.room_type_id
            AND NOT EXISTS (
                SELECT FROM stay s
                WHERE s.room_key = r.room_key AND s.occupying AND s.room_key IS NOT NULL
                    AND s.departure > lower(placed.nights) AND s.arrival < upper(placed.nights)
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

-- As before: the stays that have not begun are dealt out again, in order of arrival.
CREATE OR REPLACE FUNCTION deal_rooms_again(for_tenant text, for_type text, today date)
RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    moving stay;
    waiting CONSTANT stay[] := (
        SELECT array_agg(s ORDER BY s.arrival, s.room_key NULLS LAST, s.reservation_id)
        FROM stay s
        WHERE s.tenant_id = for_tenant AND s.room_type_id = for_type AND s.occupying
            AND s.departure > today AND (s.arrival > today OR s.room_key IS NULL)
    );
BEGIN
    UPDATE stay SET room_key = NULL
    WHERE tenant_id = for_tenant AND room_type_id = for_type AND occupying
        AND departure > today AND arrival > today;
    FOREACH moving IN ARRAY waiting LOOP
        IF NOT assign_room(moving) AND moving.room_key IS NOT NULL THEN
            RAISE SQLSTATE 'CB001' USING MESSAGE = 'a stay would lose its room';
        END IF;
    END LOOP;
END $$;
