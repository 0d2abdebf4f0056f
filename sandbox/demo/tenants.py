"""The two demo hotels, as the tenant service knows them."""

from __future__ import annotations

import json

import asyncpg

from sandbox.demo.hotels import HOTELS, DemoHotel
from sandbox.demo.settings import SETTINGS

UPSERT_TENANT = """
INSERT INTO tenant (
  tenant_id, display_name, time_zone, default_language_code, language_codes, currency_code,
  settings
) VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb)
ON CONFLICT (tenant_id) DO UPDATE SET settings = EXCLUDED.settings WHERE tenant.settings = '{}'
"""
UPSERT_NUMBER = """
INSERT INTO whatsapp_number (
  tenant_id, phone_number_id, whatsapp_business_account_id, display_phone_number
) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, phone_number_id) DO NOTHING
"""


async def load_tenants(owner_url: str) -> None:
    """Put the demo hotels into the database of the tenant service; what is there stays.

    Those of before there were settings get theirs.
    """
    connection = await asyncpg.connect(owner_url)
    try:
        async with connection.transaction():
            for hotel in HOTELS:
                await _load(connection, hotel)
    finally:
        await connection.close()


async def _load(connection: asyncpg.Connection[asyncpg.Record], hotel: DemoHotel) -> None:
    await connection.execute(
        UPSERT_TENANT,
        hotel.tenant_id,
        hotel.display_name,
        hotel.time_zone,
        hotel.language_codes[0],
        list(hotel.language_codes),
        hotel.currency_code,
        json.dumps(SETTINGS[hotel.tenant_id], ensure_ascii=False),
    )
    await connection.execute(
        UPSERT_NUMBER,
        hotel.tenant_id,
        hotel.phone_number_id,
        hotel.whatsapp_business_account_id,
        hotel.display_phone_number,
    )
