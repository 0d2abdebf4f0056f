-- The walls anew: the names of hotels are compared with rows, not looked for in indexes, which cost
-- more than what was read. See `meshkit/tenancy.py`.
SELECT tenancy.wall(tablename) FROM pg_policies
WHERE schemaname = 'public' AND policyname = 'tenants';
