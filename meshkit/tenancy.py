"""Whose rows a statement may see: the second wall behind the tenant filter.

Every table with a `tenant_id` has a policy that shows the rows of the hotels named in
`app.tenants`, and with none named no row at all. A name holds until the transaction ends.

- `postgres.of(tenant_id)` names hotels, at no further round trip: a query does it before it reads,
  a transaction as it begins.
- A function in the database may do it itself, by `PERFORM tenancy.act_for(…)` as its first line.
- What looks over all hotels (claims, sweeps, the load of a directory) runs as the finder, a role
  that may only execute functions of the schema `finder`, which tell ids and versions:
  `postgres.finder`. The rows are then read in the name of their hotels.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
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

-- Puts the wall before a table of `public`, or puts it there anew. Rows without a hotel show to
-- who names the unresolved. An index serves what a statement asks for, never the policy, hence
-- `coalesce` everywhere: as a condition of an index the names would be sorted, and looked for one
-- by one, at each look-up. The owner, who migrates and runs the finder's functions, has a policy
-- of its own.
CREATE OR REPLACE FUNCTION tenancy.wall(walled text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY',
    walled);
  EXECUTE format('DROP POLICY IF EXISTS tenants ON public.%I', walled);
  EXECUTE format('DROP POLICY IF EXISTS owner ON public.%I', walled);
  EXECUTE format(
    'CREATE POLICY tenants ON public.%I USING (coalesce(tenant_id, ''-'') = ANY (('
    'SELECT string_to_array(current_setting(''app.tenants'', true), '',''))::text[]))', walled);
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

# The names are set before the query reads: it runs once for the one row that sets them, and what a
# policy compares with is looked up when the first row is.
QUERY = """
SELECT it.* FROM (SELECT set_config('app.tenants', ${place}, true) AS names OFFSET 0) named
CROSS JOIN LATERAL (SELECT it.* FROM ({sql}) it WHERE named.names IS NOT NULL OFFSET 0) it
"""
READS = re.compile(r"\s*(SELECT|WITH)\b(?!.*\b(INSERT|UPDATE|DELETE)\b)", re.DOTALL)

BECOME_FINDER = "SELECT set_config('role', session_user || '_finder', false)"


def finder_of(app_role: str) -> str:
    """The role that finds work for `app_role`, over all hotels."""
    return f"{app_role}_finder"


def names(tenants: Iterable[str]) -> str:
    """As `app.tenants` has them; what cannot be a hotel's id names nobody."""
    return ",".join(one for one in tenants if "," not in one)


def beginning(named: str) -> str:
    """What a transaction of these hotels begins with."""
    quoted = named.replace("'", "''")
    return f"SELECT set_config('app.tenants', '{quoted}', true);"


@functools.lru_cache(1000)
def naming_query(sql: str, place: int) -> str | None:
    """The query with the names of its hotels in a parameter; None for what may change rows."""
    return QUERY.format(place=place, sql=sql) if READS.match(sql) else None


async def act_for(connection: Connection, *tenants: str) -> None:
    """Name hotels until the transaction under way ends, instead of those named before."""
    await connection.execute(ACT_FOR, tenants)
