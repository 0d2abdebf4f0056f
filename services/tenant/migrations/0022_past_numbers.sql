-- Whose a number was before, and until when: what has arrived by then stays his. Written by a
-- trigger, so that no writer can forget to. A hotel that is erased takes its past along.
CREATE TABLE past_number (
  tenant_id text NOT NULL CONSTRAINT past_number_tenant REFERENCES tenant ON DELETE CASCADE,
  phone_number_id text NOT NULL,
  whatsapp_business_account_id text NOT NULL,
  shared boolean NOT NULL,
  until_time timestamptz NOT NULL,
  CONSTRAINT past_number_key PRIMARY KEY (tenant_id, phone_number_id, until_time)
);

CREATE FUNCTION keep_past_number() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO past_number
    (tenant_id, phone_number_id, whatsapp_business_account_id, shared, until_time)
  VALUES (OLD.tenant_id, OLD.phone_number_id, OLD.whatsapp_business_account_id, OLD.shared,
          clock_timestamp());
  RETURN NULL;
END
$$;

CREATE TRIGGER whatsapp_number_gone AFTER DELETE ON whatsapp_number
  FOR EACH ROW EXECUTE FUNCTION keep_past_number();
CREATE TRIGGER whatsapp_number_moved AFTER UPDATE ON whatsapp_number
  FOR EACH ROW
  WHEN ((OLD.tenant_id, OLD.phone_number_id, OLD.whatsapp_business_account_id, OLD.shared)
        IS DISTINCT FROM
        (NEW.tenant_id, NEW.phone_number_id, NEW.whatsapp_business_account_id, NEW.shared))
  EXECUTE FUNCTION keep_past_number();
