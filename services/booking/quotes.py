"""What rows keep of a quote beside its nightly prices: taxes and fees, the plan, the terms."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

import orjson

from services.booking.domain import MOST_QUOTES, Quote, QuoteLine


@lru_cache(maxsize=MOST_QUOTES)
def to_json(quote: Quote, terms: str) -> str:
    """For a row; `terms` are JSON as they were shown."""
    document: dict[str, Any] = {"terms": orjson.Fragment(terms)}
    if quote.rate_plan_id:
        document["rate_plan_id"] = quote.rate_plan_id
    if quote.lines:
        document["lines"] = [
            {
                "levy_id": line.levy_id,
                "display_names": line.display_names,
                "amount": str(line.amount),
                "included": line.included,
            }
            for line in quote.lines
        ]
    return orjson.dumps(document).decode()


def from_row(nightly_prices: Sequence[Decimal], currency_code: str, text: str) -> Quote:
    """The quote in a row."""
    document = orjson.loads(text)
    lines = tuple(
        QuoteLine(
            one["levy_id"], one["display_names"], Decimal(one["amount"]), bool(one["included"])
        )
        for one in document.get("lines", ())
    )
    plan = document.get("rate_plan_id", "")
    return Quote(tuple(nightly_prices), currency_code, lines, plan)
