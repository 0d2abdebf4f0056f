-- Whose traces were erased at a hotel, and how much there was. It names nobody: the conversation it
-- speaks of is no more.
CREATE TABLE guest_erasure (
    tenant_id     text        NOT NULL,
    mailbox_id    bigint      NOT NULL,
    item_count    integer     NOT NULL,
    message_count integer     NOT NULL,
    erase_time    timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT guest_erasure_key PRIMARY KEY (tenant_id, mailbox_id, erase_time)
);
SELECT tenancy.wall('guest_erasure');

-- Erases what a hotel has of one guest: what he wrote and its archive, what he was sent and what
-- WhatsApp said of it, commands, the conversation and what it can be led over again by. His names
-- go as well, unless another hotel has talked with him under the same number: to see that, this
-- runs with the owner's rights, and every statement says which hotel's rows it takes. `outcome`:
-- `erased`; `unknown` when the hotel has not talked with him; `busy` while a command is under way,
-- whose answer would be nobody's: nothing is erased then.
-- Files are ended here and removed by who keeps them.
CREATE FUNCTION erase_guest(
    p_tenant text, p_mailbox bigint, OUT outcome text, OUT item_count integer,
    OUT message_count integer
) LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
    operator text := coalesce(current_setting('app.operator', true), '');
    boxes    bigint[];
    sent     uuid[];
    items    bigint[];
BEGIN
    IF NOT EXISTS (SELECT FROM conversation WHERE tenant_id = p_tenant AND mailbox_id = p_mailbox)
    THEN
        outcome := 'unknown';
        RETURN;
    END IF;
    -- Those that became part of it are the same guest.
    WITH RECURSIVE own AS (
        SELECT p_mailbox AS box
        UNION
        SELECT m.from_mailbox_id FROM own JOIN mailbox_merge m ON m.into_mailbox_id = own.box
        WHERE m.done_time IS NOT NULL
    )
    SELECT array_agg(own.box) INTO boxes FROM own;
    -- Whoever leads one of them finds the lease gone at the commit, and throws the step away.
    PERFORM FROM mailbox WHERE mailbox_id = ANY (boxes) ORDER BY mailbox_id FOR UPDATE;
    IF EXISTS (SELECT FROM effect WHERE tenant_id = p_tenant AND mailbox_id = ANY (boxes)
               AND state IN ('OPEN', 'ANSWERED'))
    THEN
        outcome := 'busy';
        RETURN;
    END IF;
    outcome := 'erased';
    UPDATE mailbox SET lease_number = lease_number + 1 WHERE mailbox_id = ANY (boxes);

    SELECT coalesce(array_agg(o.outbox_id), '{}') INTO sent FROM outbox o
    WHERE o.tenant_id = p_tenant AND o.mailbox_id = ANY (boxes);
    -- Every item waits, or was given up, or is named by its answer or by what it led to.
    SELECT coalesce(array_agg(DISTINCT named.item), '{}') INTO items FROM (
        SELECT i.inbox_id AS item FROM inbox i
        WHERE i.mailbox_id = ANY (boxes) AND i.state = 'PENDING'
        UNION ALL SELECT i.inbox_id FROM inbox i
        WHERE i.tenant_id = p_tenant AND i.state = 'DEAD' AND i.mailbox_id = ANY (boxes)
        UNION ALL SELECT unnest(o.answers) FROM outbox o
        WHERE o.tenant_id = p_tenant AND o.mailbox_id = ANY (boxes)
        UNION ALL SELECT unnest(e.inbox_ids) FROM effect e
        WHERE e.tenant_id = p_tenant AND e.mailbox_id = ANY (boxes)
        UNION ALL SELECT unnest(s.inbox_ids) FROM conversation_step s
        WHERE s.tenant_id = p_tenant AND s.mailbox_id = ANY (boxes)
        UNION ALL SELECT a.inbox_id FROM archive a
        WHERE a.mailbox_id = ANY (boxes) AND (a.tenant_id = p_tenant OR a.tenant_id IS NULL)
    ) AS named;
    item_count := cardinality(items);
    message_count := cardinality(sent);

    INSERT INTO guest_erasure (tenant_id, mailbox_id, item_count, message_count)
    VALUES (p_tenant, p_mailbox, erase_guest.item_count, erase_guest.message_count);
    -- The log tells who erased, and takes over nothing of what is erased.
    PERFORM set_config('app.operator', '', true);

    UPDATE media SET expire_time = now(),
        state = CASE state WHEN 'WAITING' THEN 'DEAD' ELSE state END,
        failure = CASE state WHEN 'WAITING' THEN 'ERASED' ELSE failure END
    WHERE media_key = ANY (items) AND (tenant_id = p_tenant OR tenant_id IS NULL);
    DELETE FROM archive WHERE inbox_id = ANY (items);
    DELETE FROM archive a USING delivery_status d
    WHERE d.tenant_id = p_tenant AND d.outbox_id = ANY (sent) AND a.inbox_id = d.inbox_id;
    DELETE FROM delivery_status WHERE tenant_id = p_tenant AND outbox_id = ANY (sent);
    DELETE FROM send_settlement WHERE tenant_id = p_tenant AND outbox_id = ANY (sent);
    DELETE FROM outbox WHERE tenant_id = p_tenant AND outbox_id = ANY (sent);
    DELETE FROM effect WHERE tenant_id = p_tenant AND mailbox_id = ANY (boxes);
    DELETE FROM inbox
    WHERE inbox_id = ANY (items) AND (tenant_id = p_tenant OR tenant_id IS NULL);
    DELETE FROM conversation_step WHERE tenant_id = p_tenant AND mailbox_id = ANY (boxes);
    DELETE FROM conversation WHERE tenant_id = p_tenant AND mailbox_id = ANY (boxes);

    IF NOT EXISTS (SELECT FROM conversation WHERE mailbox_id = ANY (boxes)) THEN
        DELETE FROM quarantine q USING mailbox m
        WHERE m.mailbox_id = ANY (boxes) AND q.phone_number_id = m.phone_number_id
          AND q.mailbox_id = m.mailbox_id;
        DELETE FROM mailbox_alias a USING mailbox m
        WHERE m.mailbox_id = ANY (boxes) AND a.phone_number_id = m.phone_number_id
          AND a.mailbox_id = m.mailbox_id;
        DELETE FROM mailbox_merge WHERE into_mailbox_id = ANY (boxes);
        DELETE FROM mailbox WHERE mailbox_id = ANY (boxes);
    END IF;
    PERFORM set_config('app.operator', operator, true);
END $$;
