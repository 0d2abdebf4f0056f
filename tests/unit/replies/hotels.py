"""Hotels to speak for in tests."""

from datetime import UTC, datetime

from services.messaging.conversation.hotel import Hotel

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


def mirador(**changes: object) -> Hotel:
    """Madrid, euros, Spanish first."""
    fields: dict[str, object] = {
        "tenant_id": "hotel-mirador",
        "display_name": "Hotel Mirador",
        "time_zone": "Europe/Madrid",
        "default_language": "es",
        "languages": ("es", "en"),
        "currency": "EUR",
        "now": NOW,
    }
    return Hotel(**{**fields, **changes})  # type: ignore[arg-type]
