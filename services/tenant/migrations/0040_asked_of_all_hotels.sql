-- What is looked for over all hotels, by the owner's rights: the finder names none, and is told
-- ids, versions and the directory, never what a hotel has decided or keeps secret.

-- One statement, so that hotels, what they are found by and the version are of
-- one moment: those that have changed after a version, or all. The joins keep
-- the one row of `directory` when there is no hotel, and a hotel that is found
-- by nothing. A number that is the hotel's has no `until_time`; other identifiers
-- have a `kind`. It is looked up hotel by hotel, so a few that have changed cost
-- a few lookups, whatever the planner believes. Versions are raised under a lock,
-- so none is committed after a higher one.
CREATE FUNCTION finder.directory_after(after_version bigint) RETURNS TABLE (
  directory_version bigint, read_time timestamptz, active_tenant_count bigint,
  tenant_id text, state text, display_name text, time_zone text, default_language_code text,
  language_codes text[], currency_code text, version bigint,
  kind text, value text, whatsapp_business_account_id text, shared boolean,
  since_time timestamptz, until_time timestamptz, throughput_tier text, graph_version text
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT directory.version, statement_timestamp(),
         (SELECT count(*) FROM tenant AS any_tenant WHERE any_tenant.state = 'ACTIVE'),
         tenant.tenant_id, tenant.state, tenant.display_name, tenant.time_zone,
         tenant.default_language_code, tenant.language_codes, tenant.currency_code,
         tenant.version,
         found.kind, found.value, found.whatsapp_business_account_id, found.shared,
         found.since_time, found.until_time, found.throughput_tier, found.graph_version
  FROM directory
  LEFT JOIN tenant ON tenant.version > after_version
  LEFT JOIN LATERAL (
    SELECT NULL AS kind, own.phone_number_id AS value, own.whatsapp_business_account_id,
           own.shared,
           (SELECT max(past.until_time) FROM past_number AS past
            WHERE past.phone_number_id = own.phone_number_id) AS since_time,
           NULL::timestamptz AS until_time, own.throughput_tier, own.graph_version
    FROM whatsapp_number AS own
    WHERE own.tenant_id = tenant.tenant_id
    UNION ALL
    SELECT NULL, had.phone_number_id, had.whatsapp_business_account_id, had.shared,
           (SELECT max(earlier.until_time) FROM past_number AS earlier
            WHERE earlier.phone_number_id = had.phone_number_id
              AND earlier.until_time < had.until_time),
           had.until_time, '', ''
    FROM past_number AS had
    WHERE had.tenant_id = tenant.tenant_id
    UNION ALL
    SELECT identifier.kind, identifier.value, '', false, NULL, NULL, '', ''
    FROM identifier
    WHERE identifier.tenant_id = tenant.tenant_id
  ) AS found ON true
$$;

-- Pages of all hotels: their ids.
CREATE FUNCTION finder.tenant_ids_after(after_id text, most integer) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT tenant.tenant_id FROM tenant WHERE tenant.tenant_id > after_id
  ORDER BY tenant.tenant_id LIMIT most
$$;

-- Whose a number is that somebody else wants; nobody's: no row.
CREATE FUNCTION finder.number_owners(phone_number_ids text[])
RETURNS TABLE (phone_number_id text, tenant_id text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT own.phone_number_id, own.tenant_id FROM whatsapp_number AS own
  WHERE own.phone_number_id = ANY (phone_number_ids)
$$;

CREATE FUNCTION finder.identifier_owners(kinds text[], wanted_values text[])
RETURNS TABLE (kind text, value text, tenant_id text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT found.kind, found.value, found.tenant_id
  FROM unnest(kinds, wanted_values) AS wanted (kind, value)
  JOIN identifier AS found ON found.kind = wanted.kind AND found.value = wanted.value
$$;

-- Which secrets were set or erased after a version, and that version of now.
CREATE FUNCTION finder.credential_changes_after(after_version bigint, most integer) RETURNS TABLE (
  newest bigint, version bigint, tenant_id text, app_name text, kind text, name text
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT credential_version.version, change.version, coalesce(change.tenant_id, ''),
         coalesce(change.app_name, ''), change.kind, change.name
  FROM credential_version LEFT JOIN (
    SELECT secret.version, secret.tenant_id, secret.app_name, secret.kind, secret.name
    FROM credential AS secret WHERE secret.version > after_version
    UNION ALL
    SELECT app.version, NULL, app.app_name, 'APP_SECRET', ''
    FROM meta_app AS app WHERE app.version > after_version
  ) AS change ON true
  ORDER BY change.version LIMIT most
$$;

-- Pages of all secrets that are there, and of those that are under another key than the newest;
-- an app's is nobody's (`meshkit.tenancy.UNRESOLVED`).
CREATE FUNCTION finder.credential_ids_after(after_id bigint, most integer, not_under text DEFAULT '')
RETURNS TABLE (credential_id bigint, tenant_id text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT secret.credential_id, coalesce(secret.tenant_id, '-') FROM credential AS secret
  WHERE secret.key_id IS NOT NULL AND secret.key_id <> not_under
    AND secret.credential_id > after_id
  ORDER BY secret.credential_id LIMIT most
$$;

CREATE FUNCTION finder.credentials_by_key() RETURNS TABLE (key_id text, secret_count bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT secret.key_id, count(*) FROM credential AS secret
  WHERE secret.key_id IS NOT NULL GROUP BY secret.key_id
$$;
