-- `acquire_quoted_locks` took its place.
DROP FUNCTION acquire_locks_off_pins(text[], uuid[], bytea[], text[], date[], date[], integer[],
    integer[], text[], uuid[], uuid[]);
