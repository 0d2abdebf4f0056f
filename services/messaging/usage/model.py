"""What a month's messages are to Meta: free or billable.

Source: "Pricing" of the WhatsApp Business Platform and its page on non-template
messages: bill from type and category; of a number's service messages the first
1,000 of a month are free, the month being one of the account's time zone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

FREE_MESSAGES = 1000
REGULAR = "regular"
SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Count:
    """So many messages of a number, of one category and type of pricing."""

    phone_number_id: str
    category: str
    pricing_type: str
    message_count: int


def month_of(time: datetime, zone: str) -> date:
    """The first day of Meta's month that a moment belongs to."""
    return time.astimezone(ZoneInfo(zone)).date().replace(day=1)


def billable(counts: Iterable[Count]) -> int:
    """How many of one number's messages of a month Meta bills."""
    regular = [one for one in counts if one.pricing_type == REGULAR]
    service = sum(one.message_count for one in regular if one.category == SERVICE)
    rest = sum(one.message_count for one in regular if one.category != SERVICE)
    return max(0, service - FREE_MESSAGES) + rest
