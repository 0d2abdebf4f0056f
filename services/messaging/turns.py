"""Whose turn it is in a mailbox: one guest of one number, which may have moved between hotels."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from copies.directory import Directory
from services.messaging.directory import Owner, Owners, Standing, owner_of
from services.messaging.store.inbox import Answered, Lease, PendingItem


@dataclass(frozen=True, slots=True)
class Turn:
    """An owner, and the lease with nothing in it but what is his."""

    owner: Owner
    lease: Lease


class Turns:
    """Says who goes on with a mailbox."""

    def __init__(self, directory: Directory, owners: Owners) -> None:
        self._directory = directory
        self._owners = owners

    @property
    def loaded(self) -> asyncio.Event:
        """Set once it is known whose the numbers are."""
        return self._directory.loaded

    async def next(self, lease: Lease) -> Turn:
        """The hotel that waits for an answer, else the one of the first item.

        Hotels that lost the number while suspended wait behind the others: those are not to wait
        for their return. Raises when it must be asked whose something is, and nobody answers.
        """
        if lease.answered is not None:
            owner = await self._owner(lease, lease.answered)
            if owner.standing is Standing.ACTIVE and owner.tenant_id == lease.answered.tenant_id:
                return _turn(lease, owner, _leading(lease.items, lease.answered, owner))
        rest = lease.items
        while rest:
            owner = await self._owner(lease, rest[0])
            mine = (rest[0], *_leading(rest[1:], rest[0], owner))
            rest = rest[len(mine) :]
            is_former = owner.until_time is not None
            if not (rest and is_former and owner.standing is Standing.SUSPENDED):
                return _turn(lease, owner, mine)
        return Turn(owner_of(self._directory, lease.phone_number_id, ""), lease)

    async def _owner(self, lease: Lease, came: PendingItem | Answered) -> Owner:
        return await self._owners.owner(
            lease.phone_number_id, came.account_id, came.arrive_time, lease.whatsapp_id or b""
        )


def _leading(
    items: Sequence[PendingItem], came: PendingItem | Answered, owner: Owner
) -> tuple[PendingItem, ...]:
    """What stands first and is the owner's, under the same account."""
    return tuple(
        takewhile(
            lambda item: item.account_id == came.account_id and owner.was_at(item.arrive_time),
            items,
        )
    )


def _turn(lease: Lease, owner: Owner, items: tuple[PendingItem, ...]) -> Turn:
    more = lease.more or len(items) < len(lease.items)
    return Turn(owner, replace(lease, items=items, more=more))
