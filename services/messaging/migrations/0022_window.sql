-- The 24 hours in which a guest may be written to freely. They run from the
-- guest's newest message (`inbound_time`, Meta's time), whatever was made of it;
-- WhatsApp has the last word: `window_refused_time` is when a send left that it
-- refused as too late, until the guest writes again. Without an `inbound_time`,
-- as in mailboxes of before, nothing is known and a free reply is tried.
ALTER TABLE mailbox
    ADD COLUMN inbound_time        timestamptz,
    ADD COLUMN window_refused_time timestamptz;

-- HELD: the window is shut and no template can tell it. It goes when the guest
-- writes, or when there is a template. `refused_time`: when the send left that
-- WhatsApp refused as too late. `stands_for`: the message whose `failed` said
-- so, instead of which this one goes. `sent_as`: the form it left in, where that
-- is not its own.
ALTER TABLE outbox
    ADD COLUMN refused_time timestamptz,
    ADD COLUMN stands_for   uuid,
    ADD COLUMN sent_as      text;
ALTER TABLE outbox DROP CONSTRAINT outbox_state_known;
ALTER TABLE outbox ADD CONSTRAINT outbox_state_known
    CHECK (state IN ('PENDING', 'SENDING', 'SENT', 'REJECTED', 'UNKNOWN', 'HELD')) NOT VALID;

-- What a hotel sends to a guest whose window is shut: a template that Meta has
-- approved, and what is put into its body. JSON as bytes, for words of people
-- are in it.
CREATE TABLE window_template (
    tenant_id     text        NOT NULL CONSTRAINT window_template_key PRIMARY KEY,
    name          text        NOT NULL,
    language_code text        NOT NULL,
    parameters    bytea       NOT NULL,
    update_time   timestamptz NOT NULL DEFAULT now()
);

-- The mailboxes of a batch's guests, one for each item and NULL where it names
-- nobody. Those that are missing are made; a new mailbox takes the number of
-- the first item that came to it.
CREATE FUNCTION mailboxes_of(base bigint, p_number text[], p_user bytea[], p_phone bytea[])
RETURNS bigint[] LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
DECLARE
    boxes   bigint[];
    missing boolean;
BEGIN
    -- Twice at most: what is missing the first time is there the second time,
    -- made by us or by whom we waited for.
    LOOP
        SELECT array_agg(coalesce(found.usr_box, found.phone_box) ORDER BY found.at),
               bool_or(found.usr IS NOT NULL AND found.usr_box IS NULL
                       OR found.phone IS NOT NULL AND found.phone_box IS NULL)
          INTO boxes, missing
          FROM (
            SELECT item.usr, item.phone, item.at,
                   (SELECT a.mailbox_id FROM mailbox_alias a
                    WHERE a.phone_number_id = item.number AND a.alias = item.usr) AS usr_box,
                   (SELECT a.mailbox_id FROM mailbox_alias a
                    WHERE a.phone_number_id = item.number AND a.alias = item.phone) AS phone_box
            FROM unnest(p_number, p_user, p_phone)
                 WITH ORDINALITY AS item(number, usr, phone, at)
          ) AS found;
        IF NOT missing THEN
            RETURN boxes;
        END IF;
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
END $$;

-- Stores a batch as before, and with each message when its guest was last heard
-- of. `p_written`: the number as WhatsApp spells it; `p_opens`: the item is
-- something that a guest did; `p_error`: Meta's code in a status.
CREATE FUNCTION ingest(
    p_number text[], p_account text[], p_key bytea[], p_day integer[],
    p_order bigint[], p_receive bigint[], p_kind text[], p_event bytea[], p_trace text[],
    p_user bytea[], p_phone bytea[], p_written bytea[], p_opens boolean[],
    p_tenant text[], p_outbox uuid[], p_wamid bytea[], p_delivery smallint[], p_error integer[]
) RETURNS integer[] LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
DECLARE
    base   bigint := nextval('inbox_number');
    fresh  integer[];
    is_new boolean[] := array_fill(false, ARRAY[cardinality(p_key)]);
    boxes  bigint[];
    place  integer;
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
    boxes := mailboxes_of(base, p_number, p_user, p_phone);

    INSERT INTO mailbox AS m (mailbox_id, phone_number_id, whatsapp_id, user_id, due_time, arrivals,
                              inbound_time)
    SELECT item.box, min(item.number),
           (array_agg(coalesce(item.written, substr(item.phone, 3)) ORDER BY item.at DESC)
               FILTER (WHERE item.phone IS NOT NULL))[1],
           -- A change of number names the old one here.
           (array_agg(substr(item.usr, 3) ORDER BY item.at DESC)
               FILTER (WHERE substr(item.usr, 1, 2) = 'u:'))[1],
           now(), count(*),
           max(timestamptz 'epoch' + item.ordered * interval '1 microsecond')
               FILTER (WHERE item.opens)
    FROM unnest(p_number, p_user, p_phone, p_written, p_order, p_opens, boxes, is_new)
         WITH ORDINALITY AS item(number, usr, phone, written, ordered, opens, box, is_new, at)
    WHERE item.is_new AND item.box IS NOT NULL
    GROUP BY item.box
    ORDER BY item.box
    ON CONFLICT (mailbox_id) DO UPDATE SET
        due_time = least(m.due_time, excluded.due_time),
        arrivals = m.arrivals + excluded.arrivals,
        whatsapp_id = coalesce(excluded.whatsapp_id, m.whatsapp_id),
        user_id = coalesce(excluded.user_id, m.user_id),
        inbound_time = greatest(m.inbound_time, excluded.inbound_time),
        window_refused_time = CASE
            WHEN excluded.inbound_time > coalesce(m.inbound_time, '-infinity') THEN NULL
            ELSE m.window_refused_time END;

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

    IF array_position(boxes, NULL) IS NULL THEN
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
        IF 131047 = ANY(p_error) THEN
            PERFORM stand_in(base, is_new, p_error);
        END IF;
    END IF;
    RETURN fresh;
END $$;

-- A message that WhatsApp took and then failed as too late (131047) reached
-- nobody: another one goes instead, in a form that may. It has an id of its own,
-- for statuses of the first may still come, and the same one however often
-- Meta tells of it.
CREATE FUNCTION stand_in(base bigint, p_is_new boolean[], p_error integer[])
RETURNS void LANGUAGE sql VOLATILE AS $$
    INSERT INTO outbox (tenant_id, outbox_id, mailbox_id, phone_number_id, kind, body, answers,
                        hold_for_person, traceparent, refused_time, stands_for)
    SELECT o.tenant_id, md5('window/' || o.outbox_id)::uuid, o.mailbox_id, o.phone_number_id,
           o.kind, o.body, '{}', o.hold_for_person, o.traceparent, o.send_time, o.outbox_id
    FROM unnest(p_is_new, p_error) WITH ORDINALITY AS item(is_new, error, at)
    JOIN delivery_status d ON d.inbox_id = base + item.at
    JOIN outbox o ON o.tenant_id = d.tenant_id AND o.outbox_id = d.outbox_id
    WHERE item.is_new AND item.error = 131047 AND o.kind <> 'template' AND o.sent_as IS NULL
    ORDER BY o.outbox_number
    ON CONFLICT DO NOTHING;
$$;
