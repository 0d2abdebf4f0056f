-- A guest is known by the key of his phone number and written to in the form that WhatsApp has
-- used last (`p_written`). A caller of before gives no form: his names are what WhatsApp wrote.
DROP FUNCTION ingest(text[], text[], bytea[], integer[], bigint[], bigint[], text[], bytea[], text[],
                     bytea[], bytea[], text[], uuid[], bytea[], smallint[]);

CREATE FUNCTION ingest(
    p_number text[], p_account text[], p_key bytea[], p_day integer[],
    p_order bigint[], p_receive bigint[], p_kind text[], p_event bytea[], p_trace text[],
    p_user bytea[], p_phone bytea[],
    p_tenant text[], p_outbox uuid[], p_wamid bytea[], p_delivery smallint[],
    p_written bytea[] DEFAULT NULL
) RETURNS integer[] LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
DECLARE
    base     bigint := nextval('inbox_number');
    fresh    integer[];
    is_new   boolean[] := array_fill(false, ARRAY[cardinality(p_key)]);
    boxes    bigint[];
    missing  boolean;
    homeless boolean;
    place    integer;
BEGIN
    WITH stored AS (
        INSERT INTO seen (item_key, phone_number_id, event_day, inbox_id)
        SELECT item.key, item.number, date '1970-01-01' + item.day, base + item.at
        FROM unnest(p_key, p_number, p_day) WITH ORDINALITY AS item(key, number, day, at)
        ORDER BY item.day, item.number, item.key, item.at
        ON CONFLICT DO NOTHING
        RETURNING seen.inbox_id
    )
    SELECT array_agg((inbox_id - base)::integer) INTO fresh FROM stored;

    IF fresh IS NULL THEN
        RETURN '{}';
    END IF;
    FOREACH place IN ARRAY fresh LOOP
        is_new[place] := true;
    END LOOP;

    -- Twice at most: what is missing the first time is there the second time,
    -- made by us or by whom we waited for.
    LOOP
        SELECT array_agg(coalesce(found.usr_box, found.phone_box) ORDER BY found.at),
               bool_or(found.usr IS NOT NULL AND found.usr_box IS NULL
                       OR found.phone IS NOT NULL AND found.phone_box IS NULL),
               bool_or(found.usr IS NULL AND found.phone IS NULL)
          INTO boxes, missing, homeless
          FROM (
            SELECT item.usr, item.phone, item.at,
                   (SELECT a.mailbox_id FROM mailbox_alias a
                    WHERE a.phone_number_id = item.number AND a.alias = item.usr) AS usr_box,
                   (SELECT a.mailbox_id FROM mailbox_alias a
                    WHERE a.phone_number_id = item.number AND a.alias = item.phone) AS phone_box
            FROM unnest(p_number, p_user, p_phone)
                 WITH ORDINALITY AS item(number, usr, phone, at)
          ) AS found;
        EXIT WHEN NOT missing;
        -- A new mailbox takes the number of the first item that came to it.
        INSERT INTO mailbox_alias (phone_number_id, alias, mailbox_id)
        SELECT DISTINCT ON (guest.number, name.alias) guest.number, name.alias, guest.box
        FROM (
            SELECT item.number, item.usr, item.phone, item.at, coalesce(item.box, base + min(item.at)
                OVER (PARTITION BY item.number, coalesce(item.usr, item.phone))) AS box
            FROM unnest(p_number, p_user, p_phone, boxes)
                 WITH ORDINALITY AS item(number, usr, phone, box, at)
        ) AS guest
        CROSS JOIN LATERAL (VALUES (guest.usr), (guest.phone)) AS name(alias)
        WHERE name.alias IS NOT NULL
        ORDER BY guest.number, name.alias, guest.usr IS NULL, guest.at
        ON CONFLICT DO NOTHING;
    END LOOP;

    INSERT INTO mailbox AS m (mailbox_id, phone_number_id, whatsapp_id, user_id, due_time, arrivals)
    SELECT item.box, min(item.number),
           (array_agg(coalesce(item.written, substr(item.phone, 3)) ORDER BY item.at DESC)
               FILTER (WHERE item.phone IS NOT NULL))[1],
           -- A change of number names the old one here.
           (array_agg(substr(item.usr, 3) ORDER BY item.at DESC)
               FILTER (WHERE substr(item.usr, 1, 2) = 'u:'))[1],
           now(), count(*)
    FROM unnest(p_number, p_user, p_phone, p_written, boxes, is_new)
         WITH ORDINALITY AS item(number, usr, phone, written, box, is_new, at)
    WHERE item.is_new AND item.box IS NOT NULL
    GROUP BY item.box
    ORDER BY item.box
    ON CONFLICT (mailbox_id) DO UPDATE SET
        due_time = least(m.due_time, excluded.due_time),
        arrivals = m.arrivals + excluded.arrivals,
        whatsapp_id = coalesce(excluded.whatsapp_id, m.whatsapp_id),
        user_id = coalesce(excluded.user_id, m.user_id);

    INSERT INTO inbox (inbox_id, mailbox_id, phone_number_id, account_id, kind, order_time,
                       receive_time, traceparent, event, state)
    SELECT base + item.at, item.box, item.number, item.account, item.kind,
           timestamptz 'epoch' + item.ordered * interval '1 microsecond',
           timestamptz 'epoch' + item.received * interval '1 microsecond',
           item.trace, item.event, CASE item.kind WHEN 'message' THEN 'PENDING' ELSE 'DONE' END
    FROM unnest(p_number, p_account, p_kind, p_order, p_receive, p_trace, p_event, boxes, is_new)
         WITH ORDINALITY
         AS item(number, account, kind, ordered, received, trace, event, box, is_new, at)
    WHERE item.is_new
      AND (item.box IS NOT NULL OR item.kind IN ('error', 'field_update'));

    IF NOT homeless THEN
        RETURN fresh;
    END IF;

    INSERT INTO quarantine (inbox_id, reason, phone_number_id, account_id, traceparent, event)
    SELECT base + item.at, CASE item.kind WHEN 'message' THEN 'NO_SENDER' ELSE upper(item.kind) END,
           item.number, item.account, item.trace, item.event
    FROM unnest(p_number, p_account, p_kind, p_trace, p_event, boxes, is_new)
         WITH ORDINALITY AS item(number, account, kind, trace, event, box, is_new, at)
    WHERE item.is_new AND item.box IS NULL
      AND item.kind NOT IN ('error', 'field_update', 'status');

    IF p_wamid IS NOT NULL THEN
        PERFORM take_statuses(base, is_new, p_number, p_account, p_order, p_receive, p_kind,
                              p_event, p_tenant, p_outbox, p_wamid, p_delivery);
    END IF;
    RETURN fresh;
END $$;

-- Names of before lead by their key too, as `meshkit.phones` makes it. Whose key is another
-- guest's name already keeps his own mailbox.
INSERT INTO mailbox_alias (phone_number_id, alias, mailbox_id)
SELECT phone_number_id, decode(spelled.key, 'escape'), mailbox_id
FROM mailbox_alias
CROSS JOIN LATERAL (SELECT encode(alias, 'escape') AS name) AS written
CROSS JOIN LATERAL (SELECT CASE
    WHEN name ~ '^p:521[0-9]{10}$' THEN regexp_replace(name, '^p:521', 'p:52')
    WHEN name ~ '^p:55[1-9]{2}[6-9][0-9]{7}$' THEN regexp_replace(name, '^(p:55..)', '\19')
    END AS key) AS spelled
WHERE spelled.key IS NOT NULL
ORDER BY phone_number_id, spelled.key, mailbox_id
ON CONFLICT DO NOTHING;
