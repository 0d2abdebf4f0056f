"""Whose rows a statement may see: the second wall behind the tenant filter.

Every table with a `tenant_id` has a policy that shows the rows of the hotels named in
`app.tenants`, and with none named no row at all. A name holds until the transaction ends.

- `postgres.of(tenant_id)` names hotels for statements that are not hot.
- A hot statement is a function in the database whose first line is
  `PERFORM tenancy.act_for(…)`: it costs no round trip.
- What looks over all hotels (claims, sweeps, the load of a directory) runs as the finder, a role
  that may only execute functions of the schema `finder`, which tell ids and versions:
  `postgres.finder`. The rows are then read in the name of their hotels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from meshkit.postgres import Connection

UNRESOLVED = "-"
"""Names the rows whose hotel is not known yet. No hotel can have this id."""
EVERYONE = "*"
"""Names all rows of the log of operators' changes, and of no other table."""

ACT_FOR = "SELECT tenancy.act_for($1::text[])"

SCHEMA = """
CREATE SCHEMA IF NOT EXISTS tenancy;
CREATE SCHEMA IF NOT EXISTS finder;

-- Names hotels until the transaction ends. What cannot be a hotel's id names nobody.
CREATE OR REPLACE FUNCTION tenancy.act_for(tenants text[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('app.tenants', array_to_string(
    ARRAY(SELECT DISTINCT one FROM unnest(tenants) AS one WHERE strpos(one, ',') = 0), ','), true);
END
$$;

-- Puts the wall before a table of `public`. Rows without a hotel show to who names the
-- unresolved. The owner, who migrates and runs the finder's functions, has a policy of its own.
CREATE OR REPLACE FUNCTION tenancy.wall(walled text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  whose text := CASE WHEN (
    SELECT attnotnull FROM pg_attribute
    WHERE attrelid = format('public.%I', walled)::regclass AND attname = 'tenant_id'
  ) THEN 'tenant_id' ELSE 'coalesce(tenant_id, ''-'')' END;
BEGIN
  EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY',
    walled);
  EXECUTE format(
    'CREATE POLICY tenants ON public.%I USING (%s = ANY (('
    'SELECT string_to_array(current_setting(''app.tenants'', true), '',''))::text[]))',
    walled, whose);
  EXECUTE format('CREATE POLICY owner ON public.%I TO CURRENT_USER USING (true)', walled);
END
$$;
REVOKE ALL ON FUNCTION tenancy.wall(text) FROM PUBLIC;
"""

FINDER_MISSING = """
SELECT NOT EXISTS (
  SELECT FROM pg_auth_members m
  JOIN pg_roles finder ON finder.oid = m.roleid JOIN pg_roles app ON app.oid = m.member
  WHERE finder.rolname = $1 || '_finder' AND app.rolname = $1)
"""
GRANTS = """
REVOKE ALL ON SCHEMA public FROM PUBLIC;
REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA finder FROM PUBLIC;
GRANT USAGE ON SCHEMA tenancy TO {role};
GRANT USAGE ON SCHEMA finder TO {finder};
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA finder TO {finder}
"""

BECOME_FINDER = "SELECT set_config('role', session_user || '_finder', false)"


def finder_of(app_role: str) -> str:
    """The role that finds work for `app_role`, over all hotels."""
    return f"{app_role}_finder"


async def act_for(connection: Connection, *tenants: str) -> None:
    """Name hotels until the transaction under way ends, instead of those named before."""
    await connection.execute(ACT_FOR, tenants)
