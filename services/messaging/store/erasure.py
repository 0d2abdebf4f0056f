"""SQL of the erasure of a guest; what goes and what stays is said where it is done."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from meshkit.postgres import Postgres


@dataclass(frozen=True, slots=True)
class Erased:
    """How much was erased: what a guest wrote, and what he was sent."""

    item_count: int
    message_count: int


class NotErased(Enum):
    """Why nothing was."""

    UNKNOWN = "unknown"
    """The hotel has not talked with the guest."""
    BUSY = "busy"
    """A command of the guest is under way."""


ERASE = "SELECT outcome, item_count, message_count FROM erase_guest($1, $2)"


class ErasureStore:
    """Guests who are to be forgotten."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def erase(self, tenant_id: str, mailbox_id: int) -> Erased | NotErased:
        """Erase what a hotel has of a guest, or nothing of it."""
        row = await self._postgres.fetchrow(ERASE, tenant_id, mailbox_id)
        assert row is not None
        if row["outcome"] != "erased":
            return NotErased(row["outcome"])
        return Erased(row["item_count"], row["message_count"])
