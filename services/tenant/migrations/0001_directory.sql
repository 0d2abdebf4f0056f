-- Who the hotels are and which WhatsApp numbers are theirs.

-- One row: the version of everything below. Raising it locks the row until the
-- change commits, so versions become visible in the order of their numbers.
CREATE TABLE directory (
  singleton boolean CONSTRAINT directory_singleton PRIMARY KEY DEFAULT true
    CONSTRAINT directory_is_one_row CHECK (singleton),
  version bigint NOT NULL DEFAULT 0
);
INSERT INTO directory DEFAULT VALUES;

CREATE FUNCTION raise_directory_version() RETURNS bigint
LANGUAGE sql VOLATILE AS $$
  UPDATE directory SET version = version + 1 RETURNING version
$$;

CREATE TABLE tenant (
  tenant_id text CONSTRAINT tenant_id PRIMARY KEY
    CONSTRAINT tenant_id_format CHECK (tenant_id ~ '^[a-z0-9][a-z0-9-]{0,63}$'),
  state text NOT NULL DEFAULT 'ACTIVE'
    CONSTRAINT tenant_state CHECK (state IN ('ACTIVE', 'SUSPENDED', 'DELETED')),
  display_name text NOT NULL
    CONSTRAINT tenant_display_name CHECK (length(display_name) BETWEEN 1 AND 200),
  time_zone text NOT NULL
    CONSTRAINT tenant_time_zone CHECK (length(time_zone) BETWEEN 1 AND 64),
  default_language_code text NOT NULL,
  language_codes text[] NOT NULL
    CONSTRAINT tenant_language_codes CHECK (
      cardinality(language_codes) BETWEEN 1 AND 50
      AND default_language_code = ANY (language_codes)
    ),
  currency_code char(3) NOT NULL
    CONSTRAINT tenant_currency_code CHECK (currency_code ~ '^[A-Z]{3}$'),
  -- The directory's version at the last change of the hotel or of its numbers.
  version bigint NOT NULL DEFAULT 0,
  create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
  update_time timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE whatsapp_number (
  tenant_id text NOT NULL CONSTRAINT whatsapp_number_tenant REFERENCES tenant,
  phone_number_id text NOT NULL
    CONSTRAINT whatsapp_number_id_format CHECK (phone_number_id ~ '^[0-9]{1,32}$'),
  whatsapp_business_account_id text NOT NULL
    CONSTRAINT whatsapp_number_account_format CHECK (whatsapp_business_account_id ~ '^[0-9]{1,32}$'),
  -- As the hotel prints it.
  display_phone_number text NOT NULL DEFAULT ''
    CONSTRAINT whatsapp_number_display CHECK (length(display_phone_number) <= 32),
  create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT whatsapp_number_id PRIMARY KEY (tenant_id, phone_number_id),
  -- What makes resolution an answer and not a guess.
  CONSTRAINT whatsapp_number_has_one_owner UNIQUE (phone_number_id)
);

CREATE FUNCTION stamp_tenant() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  NEW.version := raise_directory_version();
  NEW.update_time := clock_timestamp();
  RETURN NEW;
END
$$;

CREATE TRIGGER tenant_stamp BEFORE INSERT OR UPDATE ON tenant
  FOR EACH ROW EXECUTE FUNCTION stamp_tenant();

CREATE FUNCTION erase_tenant() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM raise_directory_version();
  RETURN NULL;
END
$$;

CREATE TRIGGER tenant_erase AFTER DELETE ON tenant
  FOR EACH STATEMENT EXECUTE FUNCTION erase_tenant();

-- A number that comes, changes or goes is a change of its hotel, and of both
-- hotels when it moves.
CREATE FUNCTION touch_owner() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    UPDATE tenant SET update_time = update_time WHERE tenant_id = OLD.tenant_id;
  END IF;
  IF TG_OP = 'INSERT' OR (TG_OP = 'UPDATE' AND NEW.tenant_id <> OLD.tenant_id) THEN
    UPDATE tenant SET update_time = update_time WHERE tenant_id = NEW.tenant_id;
  END IF;
  RETURN NULL;
END
$$;

CREATE TRIGGER whatsapp_number_touch AFTER INSERT OR UPDATE OR DELETE ON whatsapp_number
  FOR EACH ROW EXECUTE FUNCTION touch_owner();
