"""SQL of the windows of guests, of what is held for them, and of the hotels' templates for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from meshkit.postgres import Postgres


@dataclass(frozen=True, slots=True)
class WindowRow:
    """When a guest was last heard of, and when WhatsApp last refused a free reply since."""

    mailbox_id: int
    phone_number_id: str
    inbound_time: datetime | None
    refused_time: datetime | None
    close_time: datetime | None
    open: bool


@dataclass(frozen=True, slots=True)
class HeldRow:
    """A message that waits for its guest to write, or for a template."""

    outbox_id: UUID
    outbox_number: int
    mailbox_id: int
    kind: str
    create_time: datetime
    error_code: int
    reason: str


@dataclass(frozen=True, slots=True)
class WindowTemplate:
    """The template of a hotel for guests whose window is shut; `parameters` are JSON."""

    name: str
    language_code: str
    parameters: bytes


SELECT_WINDOW = """
SELECT m.mailbox_id, m.phone_number_id, nullif(m.inbound_time, '-infinity') AS inbound_time,
       m.window_refused_time AS refused_time,
       nullif(CASE WHEN m.window_refused_time IS NULL THEN m.inbound_time + interval '24 hours'
       ELSE m.window_refused_time END, '-infinity') AS close_time,
       m.window_refused_time IS NULL
           AND coalesce(m.inbound_time > now() - interval '24 hours', false) AS open
"""

# A guest is a hotel's when it has talked with the guest.
WINDOW_OF_CONVERSATION = (
    SELECT_WINDOW
    + """
FROM conversation c JOIN mailbox m ON m.mailbox_id = c.mailbox_id
WHERE c.tenant_id = $1 AND c.mailbox_id = $2
"""
)

WINDOW_OF_GUEST = (
    SELECT_WINDOW
    + """
FROM mailbox_alias a
JOIN conversation c ON c.tenant_id = $1 AND c.mailbox_id = a.mailbox_id
JOIN mailbox m ON m.mailbox_id = a.mailbox_id
WHERE a.phone_number_id = $2 AND a.alias = $3
"""
)

HELD = """
SELECT outbox_id, outbox_number, mailbox_id, kind, create_time,
       coalesce(error_code, 0) AS error_code, coalesce(error_detail, '') AS reason
FROM outbox WHERE tenant_id = $1 AND state = 'HELD' AND outbox_number > $2
ORDER BY outbox_number LIMIT $3
"""

DROP_HELD = """
UPDATE outbox SET state = 'REJECTED'
WHERE tenant_id = $1 AND outbox_id = $2 AND state = 'HELD' RETURNING true
"""

STATE = "SELECT state FROM outbox WHERE tenant_id = $1 AND outbox_id = $2"

TEMPLATE = "SELECT name, language_code, parameters FROM window_template WHERE tenant_id = $1"

# What is held may have a form now. It is looked at again, and held again if not.
SET_TEMPLATE = """
WITH stored AS (
    INSERT INTO window_template (tenant_id, name, language_code, parameters)
    VALUES ($1, $2, $3, $4)
    ON CONFLICT (tenant_id) DO UPDATE SET name = excluded.name,
        language_code = excluded.language_code, parameters = excluded.parameters,
        update_time = now()
)
UPDATE outbox SET state = 'PENDING', due_time = now() WHERE tenant_id = $1 AND state = 'HELD'
"""

CLEAR_TEMPLATE = "DELETE FROM window_template WHERE tenant_id = $1"


class WindowStore:
    """Windows, and what waits for them to open."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def of_conversation(self, tenant_id: str, mailbox_id: int) -> WindowRow | None:
        """The window of a hotel's guest; None when the hotel has no such conversation."""
        row = await self._postgres.of(tenant_id).fetchrow(
            WINDOW_OF_CONVERSATION, tenant_id, mailbox_id
        )
        return WindowRow(**dict(row)) if row is not None else None

    async def of_guest(
        self, tenant_id: str, phone_number_id: str, alias: bytes
    ) -> WindowRow | None:
        """The same by a name of the guest: `u:` or `p:` and the id."""
        row = await self._postgres.of(tenant_id).fetchrow(
            WINDOW_OF_GUEST, tenant_id, phone_number_id, alias
        )
        return WindowRow(**dict(row)) if row is not None else None

    async def held(self, tenant_id: str, *, after: int, limit: int) -> list[HeldRow]:
        """A page of what a hotel's guests have not been told yet, the oldest first."""
        rows = await self._postgres.of(tenant_id).fetch(HELD, tenant_id, after, limit)
        return [HeldRow(**dict(row)) for row in rows]

    async def drop_held(self, tenant_id: str, outbox_id: UUID) -> bool:
        """Give a held message up; False when it is not held."""
        return bool(await self._postgres.of(tenant_id).fetchval(DROP_HELD, tenant_id, outbox_id))

    async def state(self, tenant_id: str, outbox_id: UUID) -> str | None:
        """Where a message stands; None when the hotel has no such message."""
        state: str | None = await self._postgres.of(tenant_id).fetchval(STATE, tenant_id, outbox_id)
        return state

    async def template(self, tenant_id: str) -> WindowTemplate | None:
        """What a hotel sends to guests whose window is shut."""
        row = await self._postgres.of(tenant_id).fetchrow(TEMPLATE, tenant_id)
        return WindowTemplate(**dict(row)) if row is not None else None

    async def set_template(self, tenant_id: str, template: WindowTemplate | None) -> None:
        """Choose it, or none; what is held is looked at again."""
        if template is None:
            await self._postgres.of(tenant_id).execute(CLEAR_TEMPLATE, tenant_id)
            return
        await self._postgres.of(tenant_id).execute(
            SET_TEMPLATE,
            *(tenant_id, template.name, template.language_code, template.parameters),
        )
