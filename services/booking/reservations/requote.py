"""What a lock that ran out would cost now: had again at its price, or the new one is told."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from meshkit.errors import MeshError, NotFound
from services.booking import quotes
from services.booking.domain import Guests, Quote, Stay, refusal
from services.booking.inventory.book import Page, PriceBook
from services.booking.reservations.domain import Order

if TYPE_CHECKING:
    import asyncpg

    from meshkit.postgres import Connection

SELECT_LAPSED = """
SELECT lock_id, room_type_id, check_in, check_out, adult_count, child_count, nightly_prices,
    currency_code, quote
FROM lapsed_quotes($1, $2, $3, $4, $5)
"""
ACCEPT_QUOTES = """
UPDATE room_lock SET inventory_version = $3 WHERE tenant_id = $1 AND lock_id = ANY ($2)
"""
# Counted by night: several rooms of the lock may be of one type.
SELECT_LEFT = """
SELECT bool_and(n.held + n.sold + w.rooms <= n.sellable + n.debt)
FROM (
    SELECT l.room_type_id, l.check_in + d.day AS night, count(*) AS rooms
    FROM lock_with_parts($1, $2) l
    CROSS JOIN generate_series(0, l.check_out - l.check_in - 1) AS d (day)
    GROUP BY 1, 2
) w
JOIN night_inventory n
    ON n.tenant_id = $1 AND n.room_type_id = w.room_type_id AND n.night = w.night
"""


async def quote_again(
    connection: Connection, book: PriceBook, order: Order, lock: tuple[UUID, str, int]
) -> MeshError | None:
    """Why a lock cannot be had as it was quoted; None: it can, and the lock says so.

    One that is in its time, or is from the prices of now, keeps its quote unasked.
    """
    rows = await connection.fetch(SELECT_LAPSED, order.tenant_id, order.request_id, *lock)
    if not rows:
        return None
    page = await book.current(connection, order.tenant_id)
    now = [_quote(page, row) for row in rows]
    sold = [one for one in now if one is not None]
    if len(sold) < len(now):
        return refusal("LOCK_EXPIRED")
    if sold != [_quoted(row) for row in rows]:
        if not await connection.fetchval(SELECT_LEFT, order.tenant_id, lock[0]):
            return refusal("LOCK_EXPIRED")  # Nobody is told the price of what is gone.
        total = _total(sold)
        return refusal(
            "PRICE_CHANGED", {"total_price": total, "currency_code": sold[0].currency_code}
        )
    ids = [row["lock_id"] for row in rows]
    await connection.execute(ACCEPT_QUOTES, order.tenant_id, ids, page.version)
    return None


def _quoted(row: asyncpg.Record) -> Quote:
    return quotes.from_row(row["nightly_prices"], row["currency_code"], row["quote"])


def _quote(page: Page, row: asyncpg.Record) -> Quote | None:
    """What a room of the lock costs now; None when it is not sold."""
    stay = Stay(row["check_in"], row["check_out"])
    guests = Guests(row["adult_count"], row["child_count"])
    try:
        rate = page.rate(row["room_type_id"], _quoted(row).rate_plan_id)
    except NotFound:
        return None
    return None if rate.why_not(stay, guests) else rate.quote(stay, guests)


def _total(found: Iterable[Quote]) -> Decimal:
    return sum((one.total_price for one in found), Decimal())
