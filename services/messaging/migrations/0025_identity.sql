-- A guest is who the user id says, within the business that a number belongs to.
-- The phone number may be missing, come later, change, or become somebody else's.
-- `named_time` is when WhatsApp wrote the ids that a guest is written to by.
-- A mailbox that turned out to be another one's is merged into that: `merging`
-- says that this is to be done, `merged_into` that it was.
ALTER TABLE mailbox
    ADD COLUMN create_time timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN named_time  timestamptz,
    ADD COLUMN merging     boolean     NOT NULL DEFAULT false,
    ADD COLUMN merged_into bigint;

-- Which mailbox became part of which, and why: the user id came to a phone number
-- that was known without one (`NAMED_TOGETHER`), or WhatsApp said that a guest's
-- ids have changed (`CHANGED`). The tenant is known when it was done.
CREATE TABLE mailbox_merge (
    merge_id        bigint      NOT NULL GENERATED ALWAYS AS IDENTITY
                                CONSTRAINT mailbox_merge_key PRIMARY KEY,
    phone_number_id text        NOT NULL,
    from_mailbox_id bigint      NOT NULL CONSTRAINT mailbox_merge_once UNIQUE,
    into_mailbox_id bigint      NOT NULL,
    reason          text        NOT NULL,
    create_time     timestamptz NOT NULL DEFAULT now(),
    tenant_id       text,
    done_time       timestamptz
);
CREATE INDEX mailbox_merge_into ON mailbox_merge (into_mailbox_id);
CREATE INDEX mailbox_merge_of_tenant ON mailbox_merge (tenant_id, merge_id)
    WHERE tenant_id IS NOT NULL;

-- The mailbox of a guest whose names lead to more than one, or to one that has
-- another user id by now. Gives every name its mailbox, and has mailboxes merged
-- that are one guest's:
-- - WhatsApp tells of a change: the old name's mailbox stays. What the new name
--   led to was his too if it began with the change (an hour is for clocks and
--   deliveries); older, it was somebody else's, and the name leaves it.
-- - A user id and a phone number in one message: the user id's mailbox stays. The
--   number's was his if it knew no user id; with another one the number has
--   become his, and its old mailbox stays with who had it.
-- `p_new` is the number of a mailbox to be made, NULL to make none.
CREATE FUNCTION settle_names(
    p_new bigint, p_number text, p_was_user bytea, p_was_phone bytea, p_user bytea,
    p_phone bytea, p_time timestamptz
) RETURNS bigint LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
DECLARE
    former bigint;
    user_box bigint;
    phone_box bigint;
    box    bigint;
    owner  bytea;
    one    record;
BEGIN
    SELECT coalesce(max(a.mailbox_id) FILTER (WHERE a.alias = p_was_user),
                    max(a.mailbox_id) FILTER (WHERE a.alias = p_was_phone)),
           max(a.mailbox_id) FILTER (WHERE a.alias = p_user),
           max(a.mailbox_id) FILTER (WHERE a.alias = p_phone)
      INTO former, user_box, phone_box
      FROM mailbox_alias a
     WHERE a.phone_number_id = p_number
       AND a.alias IN (p_was_user, p_was_phone, p_user, p_phone);
    SELECT 'u:'::bytea || m.user_id INTO owner FROM mailbox m WHERE m.mailbox_id = phone_box;

    box := coalesce(former, user_box);
    IF box IS NULL THEN
        box := CASE WHEN owner IS NULL OR owner = p_user OR p_user IS NULL
               THEN coalesce(phone_box, p_new) ELSE p_new END;
    END IF;
    IF box IS NULL THEN
        RETURN NULL;
    END IF;
    FOR one IN
        SELECT name.alias, name.old, m.create_time > p_time - interval '1 hour' AS young,
               name.old = phone_box AND owner IS NULL AS nameless
        FROM (VALUES (p_user, user_box), (p_phone, phone_box)) AS name(alias, old)
        LEFT JOIN mailbox m ON m.mailbox_id = name.old
        WHERE name.alias IS NOT NULL AND name.old IS DISTINCT FROM box
    LOOP
        INSERT INTO mailbox_alias AS a (phone_number_id, alias, mailbox_id)
        VALUES (p_number, one.alias, box)
        ON CONFLICT (phone_number_id, alias) DO UPDATE SET mailbox_id = excluded.mailbox_id
        WHERE a.mailbox_id = one.old;
        IF former IS NOT NULL AND one.young THEN
            PERFORM ask_merge(p_number, one.old, box, 'CHANGED');
        ELSIF former IS NULL AND one.nameless THEN
            PERFORM ask_merge(p_number, one.old, box, 'NAMED_TOGETHER');
        END IF;
    END LOOP;
    RETURN box;
END $$;

-- Somebody who leads the mailbox that stays does it.
CREATE FUNCTION ask_merge(p_number text, p_from bigint, p_into bigint, p_reason text)
RETURNS void LANGUAGE sql VOLATILE AS $$
    UPDATE mailbox_merge SET into_mailbox_id = p_into
    WHERE into_mailbox_id = p_from AND done_time IS NULL AND from_mailbox_id <> p_into;
    INSERT INTO mailbox_merge (phone_number_id, from_mailbox_id, into_mailbox_id, reason)
    VALUES (p_number, p_from, p_into, p_reason) ON CONFLICT DO NOTHING;
    UPDATE mailbox SET merging = true, arrivals = arrivals + 1, due_time = least(due_time, now())
    WHERE mailbox_id = p_into;
$$;

-- As before, for guests whose names may change; `p_order` is the time of each item.
-- What was seen before changes nothing.
CREATE FUNCTION mailboxes_of(
    base bigint, p_number text[], p_was_user bytea[], p_was_phone bytea[], p_user bytea[],
    p_phone bytea[], p_order bigint[], p_is_new boolean[]
) RETURNS bigint[] LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
DECLARE
    boxes   bigint[];
    missing boolean;
    odd     integer[];
    place   integer;
BEGIN
    FOR round IN 1..4 LOOP
        SELECT array_agg(coalesce(found.usr_box, found.phone_box) ORDER BY found.at),
               bool_or(found.usr IS NOT NULL AND found.usr_box IS NULL
                       OR found.phone IS NOT NULL AND found.phone_box IS NULL),
               array_agg(found.at::integer ORDER BY found.ordered, found.at) FILTER (
                   WHERE found.is_new AND (
                       found.changed OR found.usr_box <> found.phone_box
                       OR found.usr IS NOT NULL AND found.usr_box IS NULL
                          AND found.phone_box IS NOT NULL))
          INTO boxes, missing, odd
          FROM (
            SELECT item.usr, item.phone, item.ordered, item.is_new, item.at,
                   item.was_user IS NOT NULL OR item.was_phone IS NOT NULL AS changed,
                   (SELECT a.mailbox_id FROM mailbox_alias a
                    WHERE a.phone_number_id = item.number AND a.alias = item.usr) AS usr_box,
                   (SELECT a.mailbox_id FROM mailbox_alias a
                    WHERE a.phone_number_id = item.number AND a.alias = item.phone) AS phone_box
            FROM unnest(p_number, p_was_user, p_was_phone, p_user, p_phone, p_order, p_is_new)
                 WITH ORDINALITY
                 AS item(number, was_user, was_phone, usr, phone, ordered, is_new, at)
          ) AS found;
        -- Once: two guests of one batch who both claim a number would take it from
        -- each other for ever. Their user ids lead from then on.
        IF round = 1 AND odd IS NOT NULL THEN
            FOREACH place IN ARRAY odd LOOP
                PERFORM settle_names(
                    base + place, p_number[place], p_was_user[place], p_was_phone[place],
                    p_user[place], p_phone[place],
                    timestamptz 'epoch' + p_order[place] * interval '1 microsecond');
            END LOOP;
            CONTINUE;
        END IF;
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
    RETURN boxes;
END $$;

-- Stores a batch as before. `p_was_user` and `p_was_phone` are what a guest was
-- called before a change that WhatsApp tells of. Where a guest is written to is
-- what WhatsApp wrote last, by its own time.
CREATE FUNCTION ingest(
    p_number text[], p_account text[], p_key bytea[], p_day integer[],
    p_order bigint[], p_receive bigint[], p_kind text[], p_event bytea[], p_trace text[],
    p_was_user bytea[], p_was_phone bytea[], p_user bytea[], p_phone bytea[], p_written bytea[], p_opens boolean[],
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
    boxes := mailboxes_of(base, p_number, p_was_user, p_was_phone, p_user, p_phone, p_order,
                          is_new);

    INSERT INTO mailbox AS m (mailbox_id, phone_number_id, whatsapp_id, user_id, due_time, arrivals,
                              inbound_time, named_time)
    SELECT item.box, min(item.number),
           (array_agg(coalesce(item.written, substr(item.phone, 3))
                      ORDER BY item.ordered DESC, item.at DESC)
               FILTER (WHERE item.phone IS NOT NULL))[1],
           (array_agg(substr(item.usr, 3) ORDER BY item.ordered DESC, item.at DESC)
               FILTER (WHERE item.usr IS NOT NULL))[1],
           now(), count(*),
           max(timestamptz 'epoch' + item.ordered * interval '1 microsecond')
               FILTER (WHERE item.opens),
           max(timestamptz 'epoch' + item.ordered * interval '1 microsecond')
    FROM unnest(p_number, p_user, p_phone, p_written, p_order, p_opens, boxes, is_new)
         WITH ORDINALITY AS item(number, usr, phone, written, ordered, opens, box, is_new, at)
    WHERE item.is_new AND item.box IS NOT NULL
    GROUP BY item.box
    ORDER BY item.box
    ON CONFLICT (mailbox_id) DO UPDATE SET
        due_time = least(m.due_time, excluded.due_time),
        arrivals = m.arrivals + excluded.arrivals,
        whatsapp_id = CASE WHEN excluded.named_time >= coalesce(m.named_time, '-infinity')
            THEN coalesce(excluded.whatsapp_id, m.whatsapp_id)
            ELSE coalesce(m.whatsapp_id, excluded.whatsapp_id) END,
        user_id = CASE WHEN excluded.named_time >= coalesce(m.named_time, '-infinity')
            THEN coalesce(excluded.user_id, m.user_id)
            ELSE coalesce(m.user_id, excluded.user_id) END,
        named_time = greatest(m.named_time, excluded.named_time),
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

-- WhatsApp tells of a guest's new user id outside any message.
CREATE FUNCTION rename_guest(
    p_number text, p_was_user bytea, p_user bytea, p_phone bytea, p_time timestamptz
) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    box bigint := settle_names(NULL, p_number, p_was_user, p_phone, p_user, p_phone, p_time);
BEGIN
    UPDATE mailbox SET user_id = substr(p_user, 3), named_time = greatest(named_time, p_time)
    WHERE mailbox_id = box AND coalesce(named_time, '-infinity') <= p_time;
    RETURN box;
END $$;
