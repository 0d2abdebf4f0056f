"""SQL of the list of a hotel's conversations."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from services.messaging.store.window import SELECT_WINDOW, WindowRow

if TYPE_CHECKING:
    from meshkit.postgres import Postgres


@dataclass(frozen=True, slots=True)
class ConversationRow(WindowRow):
    """A conversation, its state as it is stored, and the end of a name of its guest."""

    update_time: datetime
    state: bytes
    guest_end: bytes


_CONVERSATION = (
    SELECT_WINDOW
    + """,
       c.update_time, c.state,
       substr(name.whole, greatest(length(name.whole) - 3, 1)) AS guest_end
"""
)

_ITS_MAILBOX = """
JOIN mailbox m ON m.mailbox_id = c.mailbox_id
CROSS JOIN LATERAL (SELECT coalesce(m.whatsapp_id, m.user_id, '') AS whole) AS name
"""

PAGE = (
    _CONVERSATION
    + "FROM conversation c"
    + _ITS_MAILBOX
    + """
WHERE c.tenant_id = $1 AND (c.update_time, c.mailbox_id) < ($2, $3)
ORDER BY c.update_time DESC, c.mailbox_id DESC LIMIT $4
"""
)

OF_GUEST = (
    _CONVERSATION
    + """
FROM mailbox_alias a JOIN conversation c ON c.tenant_id = $1 AND c.mailbox_id = a.mailbox_id
"""
    + _ITS_MAILBOX
    + "WHERE a.phone_number_id = $2 AND a.alias = $3"
)


class ConversationStore:
    """The conversations of hotels."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def page(
        self, tenant_id: str, *, until: tuple[datetime, int], limit: int
    ) -> list[ConversationRow]:
        """A page of a hotel's conversations that were led on before `until`, the newest first."""
        rows = await self._postgres.of(tenant_id).fetch(PAGE, tenant_id, *until, limit)
        return [ConversationRow(**dict(row)) for row in rows]

    async def of_guest(
        self, tenant_id: str, phone_number_id: str, alias: bytes
    ) -> list[ConversationRow]:
        """That of one guest, if there is one, by a name of his: `u:` or `p:` and the id."""
        rows = await self._postgres.of(tenant_id).fetch(OF_GUEST, tenant_id, phone_number_id, alias)
        return [ConversationRow(**dict(row)) for row in rows]
