-- Behind a wall an index that gives a guest's live locks in order seems dearer than it is, and one
-- over all live locks of the hotel was read and sorted instead. What has to be sorted still is.
ALTER FUNCTION take_locks(boolean, text[], uuid[], bytea[], text[], date[], date[], integer[],
    integer[], text[], bigint[], text[], jsonb[], integer[], text[], jsonb[]) SET enable_sort = off;
