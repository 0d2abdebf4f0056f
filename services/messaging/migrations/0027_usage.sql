-- What Meta says that each message is billed as, counted once for a message.
ALTER TABLE outbox ADD COLUMN priced_time timestamptz;

-- Messages that reached their guests, by Meta's month: a month of the account's
-- time zone.
CREATE TABLE usage_month (
    tenant_id       text   NOT NULL,
    month           date   NOT NULL,
    phone_number_id text   NOT NULL,
    category        text   NOT NULL,
    pricing_type    text   NOT NULL,
    message_count   bigint NOT NULL,
    CONSTRAINT usage_month_key
        PRIMARY KEY (tenant_id, month, phone_number_id, category, pricing_type)
);

-- How many billable messages a hotel expects in a month at most, and in which
-- time zone Meta counts, where that is not the hotel's. `passed_month`: in which
-- month somebody was last told that it were more.
CREATE TABLE usage_plan (
    tenant_id    text   NOT NULL CONSTRAINT usage_plan_key PRIMARY KEY,
    cap_count    bigint,
    time_zone    text   NOT NULL,
    passed_month date,
    CONSTRAINT usage_plan_cap CHECK (cap_count > 0)
);

-- Statuses that may hold a price and that nobody has looked at yet. Meta bills
-- what was delivered; what was read at once was delivered too.
CREATE TABLE usage_work (
    inbox_id bigint NOT NULL CONSTRAINT usage_work_key PRIMARY KEY
);

CREATE FUNCTION remember_price() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO usage_work (inbox_id) VALUES (NEW.inbox_id);
    RETURN NULL;
END $$;

CREATE TRIGGER delivery_status_price AFTER INSERT ON delivery_status FOR EACH ROW
    WHEN (NEW.delivery IN (2, 3) AND NEW.tenant_id IS NOT NULL) EXECUTE FUNCTION remember_price();
