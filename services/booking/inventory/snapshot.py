"""What decides prices beside the nightly ones as JSON, as rows keep it.

Whoever adds a field gives it a default: what was written before has to be read.
"""

from __future__ import annotations

from pydantic import TypeAdapter

from services.booking.inventory.catalogue import House, TypeDetails

_HOUSE = TypeAdapter(House)
_DETAILS = TypeAdapter(TypeDetails)


def house_to_json(house: House) -> str:
    """What holds for all types."""
    return _HOUSE.dump_json(house).decode()


def house_from_json(text: str) -> House:
    """What holds for all types, as it was written."""
    return _HOUSE.validate_json(text)


def details_to_json(details: TypeDetails) -> str:
    """What a type is like."""
    return _DETAILS.dump_json(details).decode()


def details_from_json(text: str) -> TypeDetails:
    """What a type is like, as it was written."""
    return _DETAILS.validate_json(text)
