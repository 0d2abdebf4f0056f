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

from meshkit.rate_limit import Bucket, Limit, RateLimiter

if TYPE_CHECKING:
    from services.messaging.store.outbox import Sending

PAIR_LIMIT = Limit(1 / 6, 45)


class SendRates:
    """Says which of the claimed messages may leave now, and when the others."""

    def __init__(self, limiter: RateLimiter, per_second: float) -> None:
        """`per_second`: what a number may send when nothing else is known of it."""
        self._limiter = limiter
        self._number = _number(per_second)

    async def waits(self, messages: Sequence[Sending]) -> list[float]:
        """For each message the seconds it has to wait; 0: it may leave, and is counted."""
        places: dict[str, list[int]] = defaultdict(list)
        for place, message in enumerate(messages):
            places[message.phone_number_id].append(place)
        waits = [0.0] * len(messages)

        async def of_number(number: str, mine: list[int]) -> None:
            asks = [(self._number, _pair(messages[place])) for place in mine]
            for place, wait in zip(mine, await self._limiter.take(number, asks), strict=True):
                waits[place] = wait

        await asyncio.gather(*(of_number(*one) for one in places.items()))
        return waits

    async def slow_number(self, message: Sending, seconds: float) -> None:
        """Meta has said that the number sends too fast: all replicas pause it."""
        await self._limiter.hold(message.phone_number_id, self._number, seconds)

    async def slow_pair(self, message: Sending, seconds: float) -> None:
        """Meta has said that this guest gets too much."""
        await self._limiter.hold(message.phone_number_id, _pair(message), seconds)


def _number(per_second: float) -> Bucket:
    # A tenth of a second's worth at once, so that a second never holds much more than it may.
    return Bucket("number", Limit(per_second, max(1.0, per_second / 10)))


def _pair(message: Sending) -> Bucket:
    """A mailbox is one guest of one number, and its id tells no phone number."""
    return Bucket(f"pair:{message.mailbox_id}", PAIR_LIMIT)
