-- What guests write is kept as bytes (bytea), never as text or jsonb: U+0000
-- and half an emoji are bytes like any other, and nobody's batch fails on them.

-- Deduplication. A partition holds one day of Meta's own timestamps, which are
-- equal in every redelivery. The key leads the index so that a wamid is found
-- without knowing its day or number.
CREATE TABLE seen (
    item_key        bytea       NOT NULL,
    phone_number_id text        NOT NULL,
    event_day       date        NOT NULL,
    inbox_id        bigint      NOT NULL,
    arrive_time     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT seen_once PRIMARY KEY (item_key, phone_number_id, event_day)
) PARTITION BY RANGE (event_day);

-- Items without a plausible time; cleaned by arrival, in small deletes.
CREATE TABLE seen_default PARTITION OF seen DEFAULT;
CREATE INDEX seen_default_by_arrival ON seen_default (arrive_time);

-- One guest of one number. `due_time` says when somebody should look at it,
-- NULL when nothing waits; `lease_until` until when it is left to its holder;
-- `lease_number` tells holders apart; `arrivals` grows with everything that
-- comes for it, so that a holder who lets go notices what came meanwhile.
-- The ids are what WhatsApp wrote last: this is where a guest is written to.
CREATE TABLE mailbox (
    mailbox_id      bigint      NOT NULL CONSTRAINT mailbox_key PRIMARY KEY,
    phone_number_id text        NOT NULL,
    whatsapp_id     bytea,
    user_id         bytea,
    due_time        timestamptz,
    lease_until     timestamptz NOT NULL DEFAULT '-infinity',
    lease_number    bigint      NOT NULL DEFAULT 0,
    arrivals        bigint      NOT NULL DEFAULT 0,
    last_order_time timestamptz NOT NULL DEFAULT 'epoch'
) WITH (fillfactor = 70);
CREATE INDEX mailbox_due ON mailbox (phone_number_id, due_time) WHERE due_time IS NOT NULL;

-- The names a guest is known by: 'u:' and the business-scoped user id, 'p:' and
-- the WhatsApp id. Either may be missing, and both lead to one mailbox.
CREATE TABLE mailbox_alias (
    phone_number_id text   NOT NULL,
    alias           bytea  NOT NULL,
    mailbox_id      bigint NOT NULL,
    CONSTRAINT mailbox_alias_once PRIMARY KEY (phone_number_id, alias)
);

-- A batch of at most 1,000 items takes one step of it and numbers its items from there.
CREATE SEQUENCE inbox_number INCREMENT BY 1024;

-- What came in. `tenant_id` is known from the step on. `order_time` is Meta's
-- timestamp where it is plausible, else the arrival.
CREATE TABLE inbox (
    inbox_id        bigint      NOT NULL CONSTRAINT inbox_key PRIMARY KEY,
    mailbox_id      bigint,
    phone_number_id text        NOT NULL,
    account_id      text        NOT NULL,
    tenant_id       text,
    kind            text        NOT NULL,
    order_time      timestamptz NOT NULL,
    receive_time    timestamptz,
    arrive_time     timestamptz NOT NULL DEFAULT now(),
    traceparent     text        NOT NULL,
    event           bytea       NOT NULL,
    state           text        NOT NULL,
    attempt_count   smallint    NOT NULL DEFAULT 0,
    late            boolean     NOT NULL DEFAULT false,
    step_time       timestamptz,
    done_time       timestamptz,
    reads           bytea[],
    failure         text,
    CONSTRAINT inbox_state_known CHECK (state IN ('PENDING', 'DONE', 'DEAD')),
    CONSTRAINT inbox_pending_has_mailbox CHECK (state <> 'PENDING' OR mailbox_id IS NOT NULL)
);
CREATE INDEX inbox_pending ON inbox (mailbox_id, order_time, inbox_id) WHERE state = 'PENDING';

-- Items that belong to no hotel, or that cannot be read or stored.
CREATE TABLE quarantine (
    quarantine_id   bigint      NOT NULL GENERATED ALWAYS AS IDENTITY
                                CONSTRAINT quarantine_key PRIMARY KEY,
    inbox_id        bigint      NOT NULL,
    reason          text        NOT NULL,
    phone_number_id text        NOT NULL,
    account_id      text        NOT NULL,
    arrive_time     timestamptz NOT NULL DEFAULT now(),
    traceparent     text        NOT NULL,
    event           bytea       NOT NULL
);

-- Where a guest's talk with a hotel stands. `unanswered` are the inbox items
-- whose answer waits for an effect.
CREATE TABLE conversation (
    tenant_id   text        NOT NULL,
    mailbox_id  bigint      NOT NULL,
    state       bytea       NOT NULL,
    unanswered  bigint[]    NOT NULL DEFAULT '{}',
    update_time timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT conversation_key PRIMARY KEY (tenant_id, mailbox_id)
);

-- Commands for other services: exactly these bytes are sent until there is a
-- final answer, which becomes the conversation's next event.
CREATE TABLE effect (
    tenant_id         text        NOT NULL,
    request_id        uuid        NOT NULL,
    effect_number     bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    mailbox_id        bigint      NOT NULL,
    command_number    integer     NOT NULL,
    method            text        NOT NULL,
    request           bytea       NOT NULL,
    inbox_ids         bigint[]    NOT NULL,
    traceparent       text        NOT NULL,
    state             text        NOT NULL DEFAULT 'OPEN',
    attempt_count     integer     NOT NULL DEFAULT 0,
    due_time          timestamptz NOT NULL DEFAULT now(),
    create_time       timestamptz NOT NULL DEFAULT now(),
    send_time         timestamptz,
    answer_time       timestamptz,
    answer_ok         boolean,
    answer            bytea,
    confirmation_code text,
    step_time         timestamptz,
    step_count        smallint    NOT NULL DEFAULT 0,
    done_time         timestamptz,
    reads             bytea[],
    failure           text,
    CONSTRAINT effect_key PRIMARY KEY (tenant_id, request_id),
    CONSTRAINT effect_state_known CHECK (state IN ('OPEN', 'ANSWERED', 'DONE', 'DEAD')),
    CONSTRAINT effect_answered_has_answer CHECK (state = 'OPEN' OR answer IS NOT NULL)
);
CREATE INDEX effect_by_mailbox ON effect (tenant_id, mailbox_id, effect_number);
CREATE INDEX effect_open ON effect (tenant_id, due_time) WHERE state = 'OPEN';
CREATE INDEX effect_by_code ON effect (confirmation_code) WHERE confirmation_code IS NOT NULL;

-- What goes out. `body` is the exact JSON of the Graph API without the
-- recipient, which stays in the mailbox. PENDING -> SENDING (committed before
-- the request leaves) -> SENT | REJECTED | UNKNOWN. An unknown one holds back
-- what follows until `block_until`, and is looked at again at `settle_time`;
-- without that it waits for a person.
CREATE TABLE outbox (
    tenant_id       text        NOT NULL,
    outbox_id       uuid        NOT NULL,
    outbox_number   bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    mailbox_id      bigint      NOT NULL,
    phone_number_id text        NOT NULL,
    kind            text        NOT NULL,
    body            bytea       NOT NULL,
    answers         bigint[]    NOT NULL,
    hold_for_person boolean     NOT NULL,
    traceparent     text        NOT NULL,
    state           text        NOT NULL DEFAULT 'PENDING',
    due_time        timestamptz NOT NULL DEFAULT now(),
    attempt_count   integer     NOT NULL DEFAULT 0,
    resend_count    smallint    NOT NULL DEFAULT 0,
    lease_until     timestamptz,
    create_time     timestamptz NOT NULL DEFAULT now(),
    send_time       timestamptz,
    accept_time     timestamptz,
    block_until     timestamptz,
    settle_time     timestamptz,
    wamid           bytea,
    delivery        smallint    NOT NULL DEFAULT 0,
    error_code      integer,
    error_detail    text,
    CONSTRAINT outbox_key PRIMARY KEY (tenant_id, outbox_id),
    CONSTRAINT outbox_state_known
        CHECK (state IN ('PENDING', 'SENDING', 'SENT', 'REJECTED', 'UNKNOWN')),
    CONSTRAINT outbox_sending_has_lease CHECK (state <> 'SENDING' OR lease_until IS NOT NULL)
) WITH (fillfactor = 80);
CREATE INDEX outbox_by_mailbox ON outbox (tenant_id, mailbox_id, outbox_number);
CREATE INDEX outbox_open ON outbox (tenant_id, mailbox_id, outbox_number)
    WHERE state IN ('PENDING', 'SENDING', 'UNKNOWN');
CREATE INDEX outbox_pending ON outbox (tenant_id, due_time) WHERE state = 'PENDING';
CREATE INDEX outbox_settling ON outbox (settle_time)
    WHERE state = 'UNKNOWN' AND settle_time IS NOT NULL;
-- The second wall behind the claim: never two under way to one guest.
CREATE UNIQUE INDEX outbox_one_under_way ON outbox (tenant_id, mailbox_id) WHERE state = 'SENDING';
-- A status that lost our id names nothing but the wamid.
CREATE INDEX outbox_by_wamid ON outbox (wamid) WHERE wamid IS NOT NULL;

-- What WhatsApp says about what we sent. Tenant and message are filled in where
-- the status names one of ours.
CREATE TABLE delivery_status (
    inbox_id        bigint      NOT NULL CONSTRAINT delivery_status_key PRIMARY KEY,
    phone_number_id text        NOT NULL,
    account_id      text        NOT NULL,
    tenant_id       text,
    outbox_id       uuid,
    delivery        smallint    NOT NULL,
    order_time      timestamptz NOT NULL,
    receive_time    timestamptz,
    arrive_time     timestamptz NOT NULL DEFAULT now(),
    event           bytea       NOT NULL
);
CREATE INDEX delivery_status_by_message ON delivery_status (tenant_id, outbox_id)
    WHERE outbox_id IS NOT NULL;
CREATE INDEX delivery_status_by_number ON delivery_status (phone_number_id, arrive_time);

-- A number that must not send for a while: bad credentials, throttling.
CREATE TABLE number_pause (
    phone_number_id text        NOT NULL CONSTRAINT number_pause_key PRIMARY KEY,
    pause_until     timestamptz NOT NULL,
    error_code      integer     NOT NULL
);

-- Stores a batch of items in one call: deduplicates, finds or makes the
-- mailboxes, fills inbox, quarantine and delivery statuses, and moves the
-- messages that the statuses are about. Every set of rows is written in the
-- order of its key, so that two batches wait for each other at most one way.
-- Answers the positions (from 1) of the items that were new.
--
-- All arrays have one entry for each item; the last four speak of statuses and
-- may be NULL as a whole. Sequential scans are off because the plans are made
-- while the tables are small and kept when they are not any more.
CREATE FUNCTION ingest(
    p_number text[], p_account text[], p_key bytea[], p_day integer[],
    p_order bigint[], p_receive bigint[], p_kind text[], p_event bytea[], p_trace text[],
    p_user bytea[], p_phone bytea[],
    p_tenant text[], p_outbox uuid[], p_wamid bytea[], p_delivery smallint[]
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
           (array_agg(substr(item.phone, 3) ORDER BY item.at DESC)
               FILTER (WHERE item.phone IS NOT NULL))[1],
           -- A change of number names the old one here.
           (array_agg(substr(item.usr, 3) ORDER BY item.at DESC)
               FILTER (WHERE substr(item.usr, 1, 2) = 'u:'))[1],
           now(), count(*)
    FROM unnest(p_number, p_user, p_phone, boxes, is_new)
         WITH ORDINALITY AS item(number, usr, phone, box, is_new, at)
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

-- Statuses: found by our own id first, else by the wamid. Whatever names a
-- message of ours proves that WhatsApp took it. `delivery` only ever grows:
-- sent 1, delivered 2, read 3, played 4, failed 9; 0 says nothing about it.
CREATE FUNCTION take_statuses(
    base bigint, p_is_new boolean[], p_number text[], p_account text[], p_order bigint[],
    p_receive bigint[], p_kind text[], p_event bytea[],
    p_tenant text[], p_outbox uuid[], p_wamid bytea[], p_delivery smallint[]
) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    WITH status AS MATERIALIZED (
        SELECT base + item.at AS inbox_id, item.number, item.account, item.ordered, item.received,
               item.event, item.wamid, item.delivery,
               coalesce(own.tenant_id, other.tenant_id) AS tenant_id,
               coalesce(own.outbox_id, other.outbox_id) AS outbox_id
        FROM unnest(p_is_new, p_number, p_account, p_order, p_receive, p_kind, p_event,
                    p_tenant, p_outbox, p_wamid, p_delivery) WITH ORDINALITY
             AS item(is_new, number, account, ordered, received, kind, event,
                     tenant, outbox, wamid, delivery, at)
        LEFT JOIN LATERAL (
            SELECT o.tenant_id, o.outbox_id FROM outbox o
            WHERE o.tenant_id = item.tenant AND o.outbox_id = item.outbox
              AND o.phone_number_id = item.number) AS own ON true
        LEFT JOIN LATERAL (
            SELECT o.tenant_id, o.outbox_id FROM outbox o
            WHERE own.outbox_id IS NULL AND o.wamid = item.wamid
              AND o.phone_number_id = item.number
            ORDER BY o.outbox_number LIMIT 1) AS other ON true
        WHERE item.is_new AND item.kind = 'status'
    ), kept AS (
        INSERT INTO delivery_status (inbox_id, phone_number_id, account_id, tenant_id, outbox_id,
                                     delivery, order_time, receive_time, event)
        SELECT inbox_id, number, account, tenant_id, outbox_id, delivery,
               timestamptz 'epoch' + ordered * interval '1 microsecond',
               timestamptz 'epoch' + received * interval '1 microsecond', event
        FROM status
    ), news AS (
        SELECT tenant_id, outbox_id, max(delivery) AS delivery, (array_agg(wamid))[1] AS wamid
        FROM status WHERE outbox_id IS NOT NULL GROUP BY tenant_id, outbox_id
    ), locked AS MATERIALIZED (
        SELECT o.tenant_id, o.outbox_id, news.delivery, news.wamid
        FROM news JOIN outbox o ON o.tenant_id = news.tenant_id AND o.outbox_id = news.outbox_id
        ORDER BY o.tenant_id, o.outbox_id FOR NO KEY UPDATE OF o
    )
    UPDATE outbox o SET
        state = 'SENT',
        delivery = greatest(o.delivery, locked.delivery),
        wamid = coalesce(o.wamid, locked.wamid),
        accept_time = coalesce(o.accept_time, now()),
        lease_until = NULL
    FROM locked WHERE o.tenant_id = locked.tenant_id AND o.outbox_id = locked.outbox_id;
END $$;

-- Keeps the partitions of `seen`: made from 9 days back to 3 ahead, dropped
-- when older. It runs with the owner's rights, for the service has none over
-- tables.
CREATE FUNCTION keep_partitions(p_today date) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    day    date;
    part   text;
    change integer := 0;
BEGIN
    SET LOCAL lock_timeout = '1s';
    -- Replicas look at the same time; one works.
    IF NOT pg_try_advisory_xact_lock(hashtext('conserje.messaging.keep_partitions')) THEN
        RETURN 0;
    END IF;
    FOR day IN SELECT p_today + step FROM generate_series(-9, 3) AS step LOOP
        part := 'seen_' || to_char(day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass(part) IS NOT NULL;
        EXECUTE format('CREATE TABLE %I (LIKE seen INCLUDING DEFAULTS)', part);
        -- What came before its day had a partition lies in the default one.
        EXECUTE 'LOCK TABLE seen_default IN ACCESS EXCLUSIVE MODE';
        EXECUTE format('WITH moved AS (DELETE FROM seen_default WHERE event_day = $1 RETURNING '
                       'item_key, phone_number_id, event_day, inbox_id, arrive_time) '
                       'INSERT INTO %I (item_key, phone_number_id, event_day, inbox_id, arrive_time) '
                       'SELECT item_key, phone_number_id, event_day, inbox_id, arrive_time FROM moved',
                       part) USING day;
        EXECUTE format('ALTER TABLE seen ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                       part, day, day + 1);
        change := change + 1;
    END LOOP;
    FOR part IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'seen'::regclass AND c.relname ~ '^seen_[0-9]{8}$'
          AND c.relname < 'seen_' || to_char(p_today - 9, 'YYYYMMDD')
    LOOP
        EXECUTE format('DROP TABLE %I', part);
        change := change + 1;
    END LOOP;
    RETURN change;
END $$;

SELECT keep_partitions((now() AT TIME ZONE 'UTC')::date);
