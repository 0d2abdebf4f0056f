"""SQL of the erasure of a guest; what goes and what stays is said where it is done."""

from __future__ import annotations

from collections.abc import Callable
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


@dataclass(frozen=True, slots=True)
class Awaiting:
    """Nothing was, for the guest is still to be told what becomes of these reservations."""

    codes: tuple[str, ...]


Awaited = Callable[[bytes], tuple[str, ...]]
"""The codes of such reservations in the stored state of a conversation."""


def nothing(_state: bytes) -> tuple[str, ...]:
    """Whatever a guest awaits, he is erased."""
    return ()


# Whoever leads the conversation waits, so that its state is that which is erased.
HOLD = "SELECT mailbox_id FROM mailbox WHERE mailbox_id = $1 FOR UPDATE"

STATE = "SELECT state FROM conversation WHERE tenant_id = $1 AND mailbox_id = $2"

ERASE = "SELECT outcome, item_count, message_count FROM erase_guest($1, $2)"


class ErasureStore:
    """Guests who are to be forgotten."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def erase(
        self, tenant_id: str, mailbox_id: int, awaited: Awaited = nothing
    ) -> Erased | NotErased | Awaiting:
        """Erase what a hotel has of a guest, or nothing of it."""
        async with self._postgres.of(tenant_id).acquire() as connection:
            await connection.fetchval(HOLD, mailbox_id)
            state = await connection.fetchval(STATE, tenant_id, mailbox_id)
            if codes := awaited(state or b""):
                return Awaiting(codes)
            row = await connection.fetchrow(ERASE, tenant_id, mailbox_id)
        assert row is not None
        if row["outcome"] != "erased":
            return NotErased(row["outcome"])
        return Erased(row["item_count"], row["message_count"])
