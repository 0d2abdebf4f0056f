-- Which business accounts there are, whose they are, and by which app their webhooks come.

CREATE TABLE portfolio (
  portfolio_id text CONSTRAINT portfolio_id PRIMARY KEY
    CONSTRAINT portfolio_id_format CHECK (portfolio_id ~ '^[0-9]{1,32}$'),
  display_name text NOT NULL DEFAULT ''
    CONSTRAINT portfolio_display_name CHECK (length(display_name) <= 200),
  create_time timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE business_account (
  whatsapp_business_account_id text CONSTRAINT business_account_id PRIMARY KEY
    CONSTRAINT business_account_id_format CHECK (whatsapp_business_account_id ~ '^[0-9]{1,32}$'),
  app_name text CONSTRAINT business_account_app REFERENCES meta_app ON DELETE SET NULL,
  portfolio_id text CONSTRAINT business_account_portfolio REFERENCES portfolio,
  create_time timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX business_account_of_app ON business_account (app_name);
CREATE INDEX business_account_of_portfolio ON business_account (portfolio_id);

-- What is told of an app is a change like that of a secret, under the same count.
ALTER TABLE meta_app ADD COLUMN version bigint NOT NULL DEFAULT 0;

CREATE FUNCTION stamp_app() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  UPDATE credential_version SET version = version + 1 RETURNING version INTO NEW.version;
  RETURN NEW;
END
$$;

CREATE TRIGGER meta_app_stamp BEFORE INSERT OR UPDATE ON meta_app
  FOR EACH ROW EXECUTE FUNCTION stamp_app();

-- Nothing is left that could tell which one it was: whoever follows reads all anew.
CREATE FUNCTION raise_credential_version() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  UPDATE credential_version SET version = version + 1;
  RETURN NULL;
END
$$;

CREATE TRIGGER meta_app_gone AFTER DELETE ON meta_app
  FOR EACH STATEMENT EXECUTE FUNCTION raise_credential_version();

-- An account that comes to an app, or leaves it, is a change of the app.
CREATE FUNCTION touch_app() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    UPDATE meta_app SET app_id = app_id WHERE app_name = OLD.app_name;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    UPDATE meta_app SET app_id = app_id WHERE app_name = NEW.app_name;
  END IF;
  RETURN NULL;
END
$$;

CREATE TRIGGER business_account_touch AFTER INSERT OR UPDATE OR DELETE ON business_account
  FOR EACH ROW EXECUTE FUNCTION touch_app();
