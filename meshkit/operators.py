"""Who changes something by hand, for the log that every database keeps of it.

The server notes the operator of a call; every connection that is lent during the call tells
the database, and triggers that `audit.watch` put on a table write down each row as it was and
as it is, in the transaction that changes it. The service's own role may read that log and can
do nothing else to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass

ACTOR_KEY = "conserje-actor"
"""The metadata in which a person's name comes with a call."""
UNNAMED = "unnamed"
_ODD = re.compile(r"[^\w.@+ -]")

SCHEMA = """
CREATE SCHEMA IF NOT EXISTS audit;
CREATE TABLE IF NOT EXISTS audit.operator_change (
  change_number bigint GENERATED ALWAYS AS IDENTITY
    CONSTRAINT operator_change_number PRIMARY KEY,
  change_time timestamptz NOT NULL DEFAULT clock_timestamp(),
  actor text NOT NULL,
  method text NOT NULL,
  -- Empty for what belongs to no hotel.
  tenant_id text NOT NULL,
  table_name text NOT NULL,
  -- Without the columns that hold secrets or what guests wrote; NULL for a row that was not there.
  before jsonb,
  after jsonb
);
CREATE INDEX IF NOT EXISTS operator_change_by_tenant
  ON audit.operator_change (tenant_id, change_number);
-- Rows show as those of hotels do (`meshkit/tenancy.py`), and all of them to who names everyone.
DO $$
BEGIN
  IF NOT (SELECT relforcerowsecurity FROM pg_class
          WHERE oid = 'audit.operator_change'::regclass) THEN
    ALTER TABLE audit.operator_change ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
    CREATE POLICY tenants ON audit.operator_change FOR SELECT USING (
      ARRAY[tenant_id, '*'] && (
        SELECT string_to_array(current_setting('app.tenants', true), ','))::text[]);
    CREATE POLICY owner ON audit.operator_change TO CURRENT_USER USING (true);
  END IF;
END
$$;

-- The owner's rights: the role of the service has none to write here.
CREATE OR REPLACE FUNCTION audit.record() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  hidden text[] := coalesce(TG_ARGV[0]::text[], '{}');
  was jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) - hidden END;
  now jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) - hidden END;
BEGIN
  INSERT INTO audit.operator_change (actor, method, tenant_id, table_name, before, after)
  VALUES (
    current_setting('app.operator'), current_setting('app.method'),
    coalesce(now ->> 'tenant_id', was ->> 'tenant_id', ''), TG_TABLE_NAME, was, now
  );
  RETURN NULL;
END
$$;

-- Has the changes of operators to a table of `public` recorded, without the columns named.
CREATE OR REPLACE FUNCTION audit.watch(watched text, VARIADIC hidden text[] DEFAULT '{}')
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format(
    'CREATE TRIGGER operator_change AFTER INSERT OR UPDATE OR DELETE ON public.%I FOR EACH ROW'
    ' WHEN (coalesce(current_setting(''app.operator'', true), '''') <> '''')'
    ' EXECUTE FUNCTION audit.record(%L)', watched, hidden
  );
END
$$;
REVOKE ALL ON FUNCTION audit.record(), audit.watch(text, text[]) FROM PUBLIC;
"""
GRANTS = """
REVOKE ALL ON SCHEMA audit FROM PUBLIC;
REVOKE ALL ON audit.operator_change FROM PUBLIC;
GRANT USAGE ON SCHEMA audit TO {role};
GRANT SELECT ON audit.operator_change TO {role}
"""
TELL = "SELECT set_config('app.operator', $1, true), set_config('app.method', $2, true)"


@dataclass(frozen=True, slots=True)
class Operator:
    """The person behind a call, as far as the caller says, and the method."""

    actor: str
    method: str


_operator: ContextVar[Operator | None] = ContextVar("operator", default=None)


def current() -> Operator | None:
    """The operator of the call under way; None for programs and guests."""
    return _operator.get()


def note(operator: Operator | None) -> None:
    """Say whose call this task serves."""
    _operator.set(operator)


def named(metadata: Iterable[tuple[str, str | bytes]]) -> str | None:
    """The name in a call's metadata, at most 64 plain characters; None when there is none."""
    for key, value in metadata:
        if key == ACTOR_KEY and isinstance(value, str):
            return _ODD.sub("?", value)[:64] or UNNAMED
    return None
