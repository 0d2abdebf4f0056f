"""Very many hotels, for what must not be slower because of them."""

from __future__ import annotations

import random

import asyncpg

HOTELS = 10_000
NUMBERS = 100_000

_ADD_HOTELS = """
INSERT INTO tenant
  (tenant_id, display_name, time_zone, default_language_code, language_codes, currency_code)
SELECT 'bench-' || n, 'Hotel of the bench ' || n, 'America/Mexico_City', 'es', '{es,en}', 'MXN'
FROM generate_series(0, $1::int - 1) AS n
"""
_ADD_NUMBERS = """
INSERT INTO whatsapp_number (tenant_id, phone_number_id, whatsapp_business_account_id)
SELECT 'bench-' || n % $1::int, (300000000000000 + n)::text, (400000000000000 + n % $1::int)::text
FROM generate_series(0, $2::int - 1) AS n
"""


def tenant_id(number: int) -> str:
    """The hotel of a number."""
    return f"bench-{number % HOTELS}"


def phone_number_id(number: int) -> str:
    """What Meta calls it."""
    return str(300_000_000_000_000 + number)


def account_id(number: int) -> str:
    """The business account it is under."""
    return str(400_000_000_000_000 + number % HOTELS)


def in_any_order() -> list[int]:
    """All numbers, neighbours far from each other."""
    numbers = list(range(NUMBERS))
    random.Random(1).shuffle(numbers)
    return numbers


async def load(owner_url: str) -> None:
    """Put them into a migrated database of the tenant service."""
    connection = await asyncpg.connect(owner_url)
    try:
        async with connection.transaction():
            # It would touch each hotel ten times, which takes minutes.
            await connection.execute("ALTER TABLE whatsapp_number DISABLE TRIGGER USER")
            await connection.execute(_ADD_HOTELS, HOTELS)
            await connection.execute(_ADD_NUMBERS, HOTELS, NUMBERS)
            await connection.execute("ALTER TABLE whatsapp_number ENABLE TRIGGER USER")
        await connection.execute("ANALYZE tenant, whatsapp_number")
    finally:
        await connection.close()
