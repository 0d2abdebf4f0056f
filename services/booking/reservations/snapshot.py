"""A reservation and its terms as JSON, as events and rows keep them.

Whoever adds a field gives it a default: what was written before has to be read.
"""

from __future__ import annotations

from pydantic import TypeAdapter

from services.booking.domain import Reservation
from services.booking.reservations.terms import Terms

_RESERVATION = TypeAdapter(Reservation)
_TERMS = TypeAdapter(Terms)


def reservation_to_json(reservation: Reservation) -> str:
    """The whole reservation."""
    return _RESERVATION.dump_json(reservation).decode()


def reservation_from_json(text: str) -> Reservation:
    """The reservation as it was written."""
    return _RESERVATION.validate_json(text)


def terms_to_json(terms: Terms) -> str:
    """The terms, defaults included."""
    return _TERMS.dump_json(terms).decode()


def terms_from_json(text: str) -> Terms:
    """The terms; what is missing is free."""
    return _TERMS.validate_json(text)
