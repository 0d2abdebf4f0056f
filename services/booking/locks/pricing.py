"""What a lock would cost, and whether its stay is sold at all: found out before it is decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Any

import orjson

from meshkit.errors import FailedPrecondition, NotFound
from meshkit.money import Money
from services.booking import quotes
from services.booking.domain import MOST_QUOTES, LockRequest, Quote, refusal
from services.booking.inventory.book import Page
from services.booking.inventory.pricing import Rate

PRICE_CHANGED = "PRICE_CHANGED"
NO_VERSION = -1
"""Of no property: what was found out without an inventory never holds."""


@dataclass(frozen=True, slots=True)
class Priced:
    """A quote, or why there is none, from one version of the inventory."""

    version: int = NO_VERSION
    reason: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    notice_days: int = 0
    quote: Quote | None = None
    row: str = "{}"
    """What is in the quote beside the nightly prices, as rows keep it."""


def priced(request: LockRequest, page: Page | None) -> Priced:
    """What the request would cost, by a page of the price book."""
    if page is None:
        return Priced()
    try:
        rate = page.rate(request.room_type_id, request.rate_plan_id)
    except NotFound as unknown:
        if unknown.reason == "RATE_PLAN_UNKNOWN":
            return Priced(page.version, unknown.reason)
        return Priced()
    return _priced(request, page, rate)


def _priced(request: LockRequest, page: Page, rate: Rate) -> Priced:
    refused = rate.why_not(request.stay, request.guests)
    if refused is not None:
        return Priced(page.version, refused.reason, refused.facts)
    quote = rate.quote(request.stay, request.guests)
    facts: Mapping[str, Any] = {}
    try:
        refuse_dearer(request.accepted_total, [quote])
    except FailedPrecondition as changed:
        facts = changed.metadata
    return Priced(
        version=page.version,
        reason=PRICE_CHANGED if facts else "",
        facts=facts,
        notice_days=rate.notice_days(request.stay.check_in),
        quote=quote,
        row=quotes.to_json(quote, page.terms_json(request.rate_plan_id)),
    )


def refuse_dearer(accepted: Money | None, quotes: Sequence[Quote]) -> None:
    """Raises `PRICE_CHANGED` when rooms cost more than was agreed to for all of them."""
    if accepted is None:
        return
    total = sum((one.total_price for one in quotes), Decimal())
    currency = quotes[0].currency_code
    if accepted.currency == currency and accepted.amount >= total:
        return
    raise refusal(PRICE_CHANGED, {"total_price": total, "currency_code": currency})


def price_columns(found: Sequence[Priced]) -> tuple[list[Any], ...]:
    """The arguments of the function that takes locks, one list for each."""
    return (
        [one.version for one in found],
        [one.reason for one in found],
        [orjson.dumps(one.facts, default=str).decode() if one.facts else "{}" for one in found],
        [one.notice_days for one in found],
        [_array(one.quote) if one.quote else "{}" for one in found],
        [one.row for one in found],
    )


@lru_cache(maxsize=MOST_QUOTES)
def _array(quote: Quote) -> str:
    """The nightly prices as Postgres writes an array."""
    return f"{{{','.join(map(str, quote.nightly_prices))}}}"
