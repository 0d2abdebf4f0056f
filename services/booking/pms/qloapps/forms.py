"""What QloApps is sent and what it answers, as text: XML for availability, JSON for the rest."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

from meshkit.money import in_coins
from services.booking.pms.port import PmsBooking, PmsOrder, PmsRoom

NEW, CANCELLED = 1, 3
"""`booking_status` of a request."""
AWAITING_PAYMENT = 3
"""`payment_status` of a request: the guest pays at the hotel."""
DEAD_ORDERS = frozenset({4, 5, 6})
"""Order states of bookings that are none: cancelled, refunded, error."""
NOT_AVAILABLE = 404
"""The code in an answer of 400 that no room is left, or that something is wrong."""
GUESTS = "guests.example.com"
"""Domain of the addresses our bookings are found by; mail to it goes nowhere, on purpose."""


def address_of(key: str) -> str:
    """The e-mail address that stands for a key: the one field that can be searched for."""
    return f"{key.replace(':', '-')}@{GUESTS}"


def key_of(address: str) -> str:
    """The key behind an address of ours; empty for anybody else's."""
    name, _, domain = address.partition("@")
    return name.replace("-", ":", 1) if domain == GUESTS else ""


def ari_request(property_id: str, first: dt.date, departure: dt.date, *, by_day: bool) -> bytes:
    """A question about availability; a JSON body would be refused with code 85."""
    root = ET.Element("qloapps")
    ari = ET.SubElement(root, "hotel_ari")
    fields = {
        "id_hotel": property_id,
        "date_from": first,
        "date_to": departure,
        "get_available_rooms": 1,
        "get_booked_rooms": 0,
        "get_partial_available_rooms": 0,
        "get_unavailable_rooms": 0,
        "date_wise_breakdown": int(by_day),
    }
    for name, value in fields.items():
        ET.SubElement(ari, name).text = str(value)
    body: bytes = ET.tostring(root, encoding="utf-8")
    return body


def parse(body: bytes) -> ET.Element:
    """An answer in XML; ValueError for what is none, or brings definitions of its own."""
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise ValueError("an answer with definitions")
    try:
        return ET.fromstring(body)  # noqa: S314 - without definitions nothing expands
    except ET.ParseError as error:
        raise ValueError("no XML") from error


def days_of(root: ET.Element) -> Iterator[tuple[dt.date, str, int]]:
    """Each day and type with the rooms that are free: only the lists of rooms are true.

    The totals for booked and unavailable rooms are made up from the available ones.
    """
    for ari in root.iter("hotel_ari"):
        day = dt.date.fromisoformat((ari.findtext("date_from") or "")[:10])
        for kind in _types_in(ari):
            available = kind.find("rooms/available")
            rooms = () if available is None else tuple(available.iter("id_room"))
            yield day, str(kind.findtext("id_room_type")), len(rooms)


def totals_of(root: ET.Element) -> dict[str, tuple[str, str]]:
    """For each type the price of the whole stay with tax, and the currency."""
    told = {}
    for ari in root.iter("hotel_ari"):
        currency = ari.findtext("currency") or ""
        for kind in _types_in(ari):
            total = kind.findtext("total_price_with_tax") or ""
            told[str(kind.findtext("id_room_type"))] = (total, currency)
    return told


def resources_of(root: ET.Element) -> frozenset[str]:
    """What the key may use."""
    return frozenset(child.tag for api in root.iter("api") for child in api)


def create_request(order: PmsOrder, property_id: str, tax_group: int) -> dict[str, Any]:
    """A booking whose total is pinned, for a customer who is its key."""
    return {
        "booking": {
            "id_property": number(property_id),
            "currency": order.currency_code,
            "booking_status": NEW,
            "payment_status": AWAITING_PAYMENT,
            "source": "conserje",
            "remark": order.key,
            "associations": {
                "customer_detail": {
                    "firstname": "WhatsApp",
                    "lastname": "".join(c if c.isalpha() else "X" for c in order.code),
                    "email": address_of(order.key),
                    "phone": "0000000000",
                },
                # Without it a booking costs what it likes: services are left out of the sum.
                "price_details": {
                    "total_paid": 0,
                    "total_price_with_tax": str(in_coins(order.total, order.currency_code)),
                },
                "payment_detail": {
                    "payment_type": "pay at hotel",
                    "payment_method": "pay at hotel",
                    "transaction_id": order.code,
                },
                "room_types": _room_types(order, tax_group),
            },
        }
    }


def cancel_request(booking_id: str, email: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """A cancellation: the id in the body, and all that was booked once more."""
    return {
        "booking": {
            "id": number(booking_id),
            "booking_status": CANCELLED,
            "associations": {
                "customer_detail": {"email": email},
                "room_types": _booked(rows),
            },
        }
    }


def booking_of(order_id: str, key: str, state: int, rows: list[dict[str, Any]]) -> PmsBooking:
    """A booking as its rooms have it: an answer of 200 may have been cancelled silently."""
    live = [row for row in rows if is_live(row)] if state not in DEAD_ORDERS else []
    shown = live or rows
    return PmsBooking(
        booking_id=order_id,
        key=key,
        check_in=min(_day(row["date_from"]) for row in shown),
        check_out=max(_day(row["date_to"]) for row in shown),
        type_ids=tuple(str(row["id_product"]) for row in shown),
        active=bool(live) and len(live) == len(rows),
    )


def is_live(row: dict[str, Any]) -> bool:
    """Whether a room of a booking is really kept."""
    return not any(
        str(row.get(flag, 0)) == "1" for flag in ("is_cancelled", "is_refunded", "is_back_order")
    )


def is_cancelled(order: dict[str, Any], rows: list[dict[str, Any]]) -> bool:
    """Whether a booking is gone on both sides: its order, and every room of it."""
    return int(order["current_state"]) in DEAD_ORDERS and not any(map(is_live, rows))


def says_sold_out(code: int, message: str) -> bool:
    """Whether a refusal is for want of a room: whatever is wrong with a request has that code."""
    return code == NOT_AVAILABLE and message.startswith("Requested room")


def number(identifier: str) -> int | str:
    """Ids are numbers there."""
    return int(identifier) if identifier.isdecimal() else identifier


def text_of(value: Any) -> str:
    """A text, which may come once for each language."""
    if isinstance(value, list):
        value = next((one.get("value", "") for one in value if isinstance(one, dict)), "")
    return str(value or "")


def _booked(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was booked, each type and its dates once."""
    grouped: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in rows:
        place = (str(row["id_product"]), str(row["date_from"])[:10], str(row["date_to"])[:10])
        room = {"id_hotel_booking": row["id"], "id_room": row.get("id_room")}
        grouped.setdefault(place, []).append(room)
    return [_kind(*place, rooms) for place, rooms in grouped.items()]


def _room_types(order: PmsOrder, tax_group: int) -> list[dict[str, Any]]:
    """Each type once: of a type that is named twice it keeps the rooms of the last one only."""
    rooms: dict[str, list[dict[str, Any]]] = {}
    for room in order.rooms:
        rooms.setdefault(room.type_id, []).append(_room(room, tax_group))
    dates = str(order.check_in), str(order.check_out)
    return [_kind(type_id, *dates, of_type) for type_id, of_type in rooms.items()]


def _kind(
    type_id: str, check_in: str, check_out: str, rooms: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "id_room_type": number(type_id),
        "checkin_date": check_in,
        "checkout_date": check_out,
        "number_of_rooms": len(rooms),
        "rooms": rooms,
    }


def _room(room: PmsRoom, tax_group: int) -> dict[str, Any]:
    return {
        # `adults` is documented, `adult` is read.
        "adult": room.adult_count,
        "adults": room.adult_count,
        "child": room.child_count,
        "children": room.child_count,
        # Left out they raise warnings; a tax of 0 would be added twice.
        "id_tax_rules_group": tax_group,
        "total_tax": 0.01,
    }


def _types_in(ari: ET.Element) -> list[ET.Element]:
    return [one for one in ari.iter() if one.find("id_room_type") is not None and one is not ari]


def _day(value: Any) -> dt.date:
    return dt.date.fromisoformat(str(value)[:10])
