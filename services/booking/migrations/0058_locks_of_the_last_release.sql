-- The last release takes locks by two functions that `take_locks` took over; here they are again,
-- in its words, for as long as its processes run beside today's. What it reads as the metadata of
-- a granted lock is what else is in the quote.
DROP FUNCTION acquire_locks(text[], uuid[], bytea[], text[], date[], date[], integer[], integer[],
    text[], uuid[], uuid[]);

CREATE FUNCTION take_locks_as_before(
    leave_pinned boolean,
    tenant_ids text[], request_ids uuid[], fingerprints bytea[], room_type_ids text[],
    check_ins date[], check_outs date[], adult_counts integer[], child_counts integer[],
    guest_ids text[], inventory_versions bigint[], verdicts text[], verdict_facts jsonb[],
    notice_days integer[], prices numeric[], first_prices integer[], quotes jsonb[]
) RETURNS TABLE (
    item integer, reason text, metadata jsonb, lock_id uuid, owner_token uuid,
    fencing_number bigint, create_time timestamptz, expire_time timestamptz,
    nightly_prices numeric[], currency_code text, split text
) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    price_texts text[];
BEGIN
    IF first_prices IS NOT NULL THEN
        price_texts := ARRAY(
            SELECT (prices[u.place : u.place + (u.check_out - u.check_in) - 1])::text
            FROM unnest(first_prices, check_ins, check_outs) WITH ORDINALITY
                AS u (place, check_in, check_out, number)
            ORDER BY u.number
        );
    END IF;
    FOR item, reason, metadata, lock_id, owner_token, fencing_number, create_time, expire_time,
        split IN
        SELECT t.item, t.reason, t.metadata, t.lock_id, t.owner_token, t.fencing_number,
            t.create_time, t.expire_time, t.split
        FROM take_locks(leave_pinned, tenant_ids, request_ids, fingerprints, room_type_ids,
            check_ins, check_outs, adult_counts, child_counts, guest_ids, inventory_versions,
            verdicts, verdict_facts, notice_days, price_texts, quotes) t
    LOOP
        nightly_prices := NULL;
        currency_code := NULL;
        IF reason = '' THEN
            SELECT l.nightly_prices, l.currency_code::text, l.quote
            INTO nightly_prices, currency_code, metadata
            FROM room_lock l
            WHERE l.tenant_id = tenant_ids[item] AND l.lock_id = take_locks_as_before.lock_id;
        END IF;
        RETURN NEXT;
    END LOOP;
END $$;

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
) LANGUAGE sql VOLATILE AS $$
    SELECT * FROM take_locks_as_before(false, tenant_ids, request_ids, fingerprints,
        room_type_ids, check_ins, check_outs, adult_counts, child_counts, guest_ids,
        inventory_versions, verdicts, verdict_facts, notice_days, prices, first_prices, quotes)
$$;

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
) LANGUAGE sql VOLATILE AS $$
    SELECT * FROM take_locks_as_before(true, tenant_ids, request_ids, fingerprints,
        room_type_ids, check_ins, check_outs, adult_counts, child_counts, guest_ids,
        inventory_versions, verdicts, verdict_facts, notice_days, prices, first_prices, quotes)
$$;
