-- The second wall: rows show to who has named their hotel, see `meshkit/tenancy.py`. What waits for
-- its step has no hotel yet, also where an earlier try has noted one.
UPDATE inbox SET tenant_id = NULL WHERE state = 'PENDING' AND tenant_id IS NOT NULL;
SELECT tenancy.wall('inbox'), tenancy.wall('conversation'), tenancy.wall('effect'),
       tenancy.wall('outbox'), tenancy.wall('delivery_status'), tenancy.wall('send_settlement'),
       tenancy.wall('window_template'), tenancy.wall('template'), tenancy.wall('template_account'),
       tenancy.wall('mailbox_merge'), tenancy.wall('usage_month'), tenancy.wall('usage_plan');
