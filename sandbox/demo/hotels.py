"""Who the demo hotels are. Their ids and numbers are invented; Meta gives out no such."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DemoHotel:
    """A hotel to try the product with."""

    tenant_id: str
    display_name: str
    time_zone: str
    language_codes: tuple[str, ...]
    """The first one is used until a guest shows another."""
    currency_code: str
    phone_number_id: str
    whatsapp_business_account_id: str
    display_phone_number: str


HOTELS = (
    DemoHotel(
        tenant_id="hotel-mirador",
        display_name="Hotel Mirador",
        time_zone="Europe/Madrid",
        language_codes=("es", "en"),
        currency_code="EUR",
        phone_number_id="100000000000001",
        whatsapp_business_account_id="200000000000001",
        display_phone_number="+34 910 000 001",
    ),
    DemoHotel(
        tenant_id="posada-luna",
        display_name="Posada Luna",
        time_zone="America/Mexico_City",
        language_codes=("es", "en"),
        currency_code="MXN",
        phone_number_id="100000000000002",
        whatsapp_business_account_id="200000000000002",
        display_phone_number="+52 55 0000 0002",
    ),
)
