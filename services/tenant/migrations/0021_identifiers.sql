-- What else a hotel is found by; values are normalised (services/tenant/identifiers/domain.py).
CREATE TABLE identifier (
  tenant_id text NOT NULL CONSTRAINT identifier_tenant REFERENCES tenant,
  kind text NOT NULL,
  value text NOT NULL,
  create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT identifier_key PRIMARY KEY (tenant_id, kind, value),
  -- What makes resolution an answer and not a guess.
  CONSTRAINT identifier_has_one_owner UNIQUE (kind, value),
  CONSTRAINT identifier_format CHECK (CASE kind
    WHEN 'WHATSAPP_PHONE' THEN value ~ '^\+[0-9]{5,15}$'
    WHEN 'GUEST_PHONE' THEN value ~ '^\+[0-9]{5,15}$'
    WHEN 'WHATSAPP_BUSINESS_ACCOUNT' THEN value ~ '^[0-9]{1,32}$'
    WHEN 'EMAIL' THEN value ~ '^[^@\sA-Z]+@[^@\sA-Z]+$' AND length(value) <= 254
    ELSE false
  END)
);

CREATE TRIGGER identifier_touch AFTER INSERT OR UPDATE OR DELETE ON identifier
  FOR EACH ROW EXECUTE FUNCTION touch_owner();

-- Whether several hotels are written to at a number; the guests among the identifiers say which.
ALTER TABLE whatsapp_number ADD COLUMN shared boolean NOT NULL DEFAULT false;
