"""How fast Meta lets a number send, and how often to one guest.

Source: "Throughput" and "Pair rate limits" of the Cloud API documentation: 80
messages a second for a number (1,000 once Meta has upgraded it, 20 while it is
also used in the Business app), one in 6 s to one guest with a burst of 45 that
is borrowed. Asking first is cheaper than 130429 and 131056.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from conserje.tenant.v1.tenant_pb2 import (
    THROUGHPUT_TIER_COEXISTENCE,
    THROUGHPUT_TIER_HIGH,
    THROUGHPUT_TIER_STANDARD,
)

from copies.directory import Directory
from meshkit.rate_limit import Bucket, Limit, RateLimiter

if TYPE_CHECKING:
    from services.messaging.store.outbox import Sending

PAIR_LIMIT = Limit(1 / 6, 45)
TIERS = {
    THROUGHPUT_TIER_STANDARD: 80.0,
    THROUGHPUT_TIER_HIGH: 1000.0,
    THROUGHPUT_TIER_COEXISTENCE: 20.0,
}
"""Messages a second."""


class SendRates:
    """Says which of the claimed messages may leave now, and when the others."""

    def __init__(self, limiter: RateLimiter, directory: Directory, per_second: float) -> None:
        """`per_second`: what a number may send when the directory tells no tier of it."""
        self._limiter = limiter
        self._directory = directory
        self._untold = _number(per_second)
        self._of_tier = {tier: _number(told) for tier, told in TIERS.items()}

    async def waits(self, messages: Sequence[Sending]) -> list[float]:
        """For each message the seconds it has to wait; 0: it may leave, and is counted."""
        places: dict[str, list[int]] = defaultdict(list)
        for place, message in enumerate(messages):
            places[message.phone_number_id].append(place)
        waits = [0.0] * len(messages)

        async def of_number(number: str, mine: list[int]) -> None:
            bucket = self._bucket(number)
            asks = [(bucket, _pair(messages[place])) for place in mine]
            for place, wait in zip(mine, await self._limiter.take(number, asks), strict=True):
                waits[place] = wait

        await asyncio.gather(*(of_number(*one) for one in places.items()))
        return waits

    async def slow_number(self, message: Sending, seconds: float) -> None:
        """Meta has said that the number sends too fast: all replicas pause it."""
        number = message.phone_number_id
        await self._limiter.hold(number, self._bucket(number), seconds)

    async def slow_pair(self, message: Sending, seconds: float) -> None:
        """Meta has said that this guest gets too much."""
        await self._limiter.hold(message.phone_number_id, _pair(message), seconds)

    def _bucket(self, number: str) -> Bucket:
        record = self._directory.find(number)
        return self._of_tier.get(record.throughput_tier, self._untold) if record else self._untold


def _number(per_second: float) -> Bucket:
    # A tenth of a second's worth at once, so that a second never holds much more than it may.
    return Bucket("number", Limit(per_second, max(1.0, per_second / 10)))


def _pair(message: Sending) -> Bucket:
    """A mailbox is one guest of one number, and its id tells no phone number."""
    return Bucket(f"pair:{message.mailbox_id}", PAIR_LIMIT)
