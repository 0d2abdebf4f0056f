-- What neither today's code nor the last release calls any more: locks as they were taken before
-- `take_locks`, and booking directly and cancelling as they were before the hotel's own system had
-- a say.
DROP FUNCTION acquire_quoted_locks;
DROP FUNCTION acquire_locks;
DROP FUNCTION take_locks_as_before;
DROP FUNCTION take_room;
DROP FUNCTION cancel_reservation;
