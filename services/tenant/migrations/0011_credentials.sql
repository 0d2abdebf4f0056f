-- The secrets of hotels and of Meta apps, encrypted before they come here.

-- One row: raised by every secret that is set or erased. Raising it locks the
-- row until the change commits, so versions become visible in their order.
CREATE TABLE credential_version (
  singleton boolean CONSTRAINT credential_version_singleton PRIMARY KEY DEFAULT true
    CONSTRAINT credential_version_is_one_row CHECK (singleton),
  version bigint NOT NULL DEFAULT 0
);
INSERT INTO credential_version DEFAULT VALUES;

CREATE TABLE meta_app (
  app_name text CONSTRAINT meta_app_name PRIMARY KEY
    CONSTRAINT meta_app_name_format CHECK (app_name ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
  app_id text NOT NULL DEFAULT ''
    CONSTRAINT meta_app_id_format CHECK (app_id ~ '^[0-9]{0,32}$'),
  create_time timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE credential (
  credential_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT credential_id PRIMARY KEY,
  tenant_id text CONSTRAINT credential_tenant REFERENCES tenant,
  app_name text,
  kind text NOT NULL
    CONSTRAINT credential_kind
      CHECK (kind IN ('APP_SECRET', 'VERIFY_TOKEN', 'ACCESS_TOKEN', 'PMS')),
  name text NOT NULL
    CONSTRAINT credential_name_format CHECK (name ~ '^([a-z0-9][a-z0-9-]{0,62})?$'),
  -- Both empty once it is erased; the row stays to tell that it is gone.
  key_id text,
  ciphertext bytea,
  version bigint NOT NULL DEFAULT 0,
  set_time timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT credential_has_one_owner CHECK (
    CASE WHEN kind IN ('APP_SECRET', 'VERIFY_TOKEN')
      THEN app_name IS NOT NULL AND tenant_id IS NULL
      ELSE app_name IS NULL AND tenant_id IS NOT NULL
    END
  ),
  CONSTRAINT credential_is_under_a_key CHECK ((key_id IS NULL) = (ciphertext IS NULL))
);
CREATE UNIQUE INDEX credential_is_one
  ON credential (coalesce(tenant_id, ''), coalesce(app_name, ''), kind, name);
CREATE INDEX credential_of_tenant ON credential (tenant_id);
CREATE INDEX credential_of_app ON credential (app_name);
CREATE INDEX credential_by_version ON credential (version);

CREATE FUNCTION stamp_credential() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  UPDATE credential_version SET version = version + 1 RETURNING version INTO NEW.version;
  NEW.set_time := clock_timestamp();
  RETURN NEW;
END
$$;

CREATE TRIGGER credential_stamp_new BEFORE INSERT ON credential
  FOR EACH ROW EXECUTE FUNCTION stamp_credential();

-- Encrypted under another key it is the same secret, and nobody needs to hear
-- of it: only who sets or erases one names `set_time`.
CREATE TRIGGER credential_stamp BEFORE UPDATE OF set_time ON credential
  FOR EACH ROW EXECUTE FUNCTION stamp_credential();

-- Told on the channel of the directory, which all replicas listen to anyway.
CREATE FUNCTION tell_credential_version() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('directory', '');
  RETURN NULL;
END
$$;

CREATE TRIGGER credential_tell AFTER UPDATE ON credential_version
  FOR EACH STATEMENT EXECUTE FUNCTION tell_credential_version();
