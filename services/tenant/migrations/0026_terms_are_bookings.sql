-- What a hotel asks for, its hours of arrival and its own system are the booking service's.
ALTER TABLE tenant
  DROP CONSTRAINT tenant_settings_lock_period,
  DROP CONSTRAINT tenant_settings_times;

UPDATE tenant
SET settings = settings - ARRAY[
  'check_in_time', 'check_out_time', 'cancellation_policy', 'deposit_rule',
  'late_checkout_rule', 'lock_period', 'pms_connection'
]
WHERE settings ?| ARRAY[
  'check_in_time', 'check_out_time', 'cancellation_policy', 'deposit_rule',
  'late_checkout_rule', 'lock_period', 'pms_connection'
];
