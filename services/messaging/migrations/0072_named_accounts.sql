-- As in the file before: accounts, prices, traces.

-- These are all accounts that hotels have. What was read once stays.
CREATE FUNCTION finder.enrol_accounts(p_tenant text[], p_account text[], p_number text[])
RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH known AS (
        SELECT * FROM unnest(p_tenant, p_account, p_number)
            AS one(tenant_id, account_id, phone_number_id)
    ), gone AS (
        DELETE FROM template_account a WHERE NOT EXISTS (
            SELECT FROM known
            WHERE known.tenant_id = a.tenant_id AND known.account_id = a.account_id)
    )
    INSERT INTO template_account (tenant_id, account_id, phone_number_id)
    SELECT tenant_id, account_id, phone_number_id FROM known ORDER BY tenant_id, account_id
    ON CONFLICT DO NOTHING;
$$;

-- An account to be read now; nobody else takes it up for `p_seconds`.
CREATE FUNCTION finder.due_account(p_seconds float8)
RETURNS TABLE (tenant_id text, account_id text, phone_number_id text)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE template_account a SET due_time = now() + p_seconds * interval '1 second'
    FROM (SELECT tenant_id, account_id FROM template_account WHERE due_time <= now()
          ORDER BY due_time LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED) AS due
    WHERE a.tenant_id = due.tenant_id AND a.account_id = due.account_id
    RETURNING a.tenant_id, a.account_id, a.phone_number_id;
$$;

-- Webhooks name an account and no hotel.
CREATE FUNCTION finder.tenants_of_accounts(p_account text[]) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT tenant_id FROM template WHERE account_id = ANY(p_account)
    UNION SELECT tenant_id FROM template_account WHERE account_id = ANY(p_account);
$$;

-- Statuses that may hold a price and that nobody has looked at yet; without a hotel where the
-- status is gone.
CREATE FUNCTION finder.priced_statuses(p_limit bigint)
RETURNS TABLE (inbox_id bigint, tenant_id text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT w.inbox_id, d.tenant_id
    FROM (SELECT inbox_id FROM usage_work ORDER BY inbox_id LIMIT p_limit) AS w
    LEFT JOIN delivery_status d ON d.inbox_id = w.inbox_id ORDER BY w.inbox_id;
$$;

-- How many hotels are above their caps. Months of different zones begin within a day of each other.
CREATE FUNCTION finder.caps_passed() RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT count(*) FROM usage_plan
    WHERE passed_month = date_trunc('month', now() AT TIME ZONE time_zone)::date;
$$;

-- The message, ours or a guest's, of a wamid; `p_key` are the keys that ingest may have given it.
CREATE FUNCTION finder.trace_by_wamid(p_key bytea[], p_wamid bytea)
RETURNS TABLE (tenant_id text, mailbox_id bigint, inbox_ids bigint[], traceparent text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT coalesce(i.tenant_id, ''),
           coalesce((SELECT b.merged_into FROM mailbox b WHERE b.mailbox_id = i.mailbox_id),
                    i.mailbox_id), ARRAY[i.inbox_id], i.traceparent
    FROM seen s JOIN inbox i ON i.inbox_id = s.inbox_id
    WHERE s.item_key = ANY(p_key) AND i.mailbox_id IS NOT NULL
    UNION ALL
    SELECT o.tenant_id, o.mailbox_id, o.answers, o.traceparent FROM outbox o
    WHERE o.wamid = p_wamid
    LIMIT 1;
$$;

-- The message that led to the reservation of a code.
CREATE FUNCTION finder.trace_by_code(p_code text)
RETURNS TABLE (tenant_id text, mailbox_id bigint, inbox_ids bigint[], traceparent text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT e.tenant_id, e.mailbox_id, e.inbox_ids, e.traceparent
    FROM effect e WHERE e.confirmation_code = p_code ORDER BY e.create_time LIMIT 1;
$$;
