-- What a hotel has decided about itself: the settings of the contract's `Tenant` as JSON, by
-- the names of their fields. Read as a whole and by this hotel's id only, so one column; the
-- directory does not select it. The service checks every bound, SQL those that others rely on.
ALTER TABLE tenant
  ADD COLUMN settings jsonb NOT NULL DEFAULT '{}'
    CONSTRAINT tenant_settings_object CHECK (jsonb_typeof(settings) = 'object')
    CONSTRAINT tenant_settings_size CHECK (octet_length(settings::text) <= 262144)
    CONSTRAINT tenant_settings_lock_period CHECK (
      rtrim(coalesce(settings ->> 'lock_period', '1200s'), 's')::numeric BETWEEN 300 AND 3600
    )
    CONSTRAINT tenant_settings_times CHECK (
      coalesce(settings ->> 'check_in_time', '15:00') ~ '^([01][0-9]|2[0-3]):[0-5][0-9]$'
      AND coalesce(settings ->> 'check_out_time', '11:00') ~ '^([01][0-9]|2[0-3]):[0-5][0-9]$'
    );
