"""Two hotels to try the product with, and what they sell."""

from collections.abc import Mapping

from sandbox.databases import DatabaseUrls
from sandbox.demo import inventory
from sandbox.demo.hotels import HOTELS, DemoHotel
from sandbox.demo.tenants import load_tenants
from sandbox.graph.settings import Number

__all__ = ["HOTELS", "NUMBERS", "DemoHotel", "load"]

NUMBERS = tuple(
    Number(hotel.phone_number_id, hotel.whatsapp_business_account_id, hotel.display_phone_number)
    for hotel in HOTELS
)


async def load(databases: Mapping[str, DatabaseUrls]) -> None:
    """Puts the hotels and what they sell into migrated databases; what is there stays."""
    await load_tenants(databases["tenant"].owner_url)
    await inventory.load(databases["booking"].owner_url)
