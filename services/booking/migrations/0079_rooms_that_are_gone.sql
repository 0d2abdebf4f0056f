-- As before; a lock that had run out does not keep the hotel from taking its room away, and whoever
-- confirms it all the same starts without one: the service settles everybody's room, or refuses.
CREATE OR REPLACE FUNCTION place_stay(placed stay) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF is_pinned(placed.tenant_id, placed.room_type_id) THEN
        UPDATE stay SET room_key = (
            SELECT r.room_key FROM room r
            WHERE r.tenant_id = placed.tenant_id AND r.room_type_id = placed.room_type_id
                AND r.room_key = placed.room_key)
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
