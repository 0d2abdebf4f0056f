-- The second wall: rows show to who has named their hotel, see `meshkit/tenancy.py`. Secrets of
-- apps are no hotel's; what has no `tenant_id` is the installation's own.
SELECT tenancy.wall('tenant'), tenancy.wall('whatsapp_number'), tenancy.wall('past_number'),
       tenancy.wall('identifier'), tenancy.wall('credential');
