"""QloApps 1.6.1 as it was met: its answers, its traps, and the race for its last rooms."""

import asyncio
import base64
import binascii
import datetime as dt
import hmac
import json
from typing import Any
from xml.etree import ElementTree as ET

from aiohttp import web

from sandbox.pms.api import Doing, Handler, with_fault
from sandbox.pms.faults import CHANGE, CREATE, READ, Fault
from sandbox.pms.hotel import Booking, Hotel, Refusal, nights
from sandbox.pms.world import WORLD

THINKING = 0.02
"""Seconds between looking for a room and taking it: who comes in between finds it free, too."""
RESOURCES = (
    *("hotels", "hotel_room_types", "room_types", "hotel_rooms", "room_bookings", "bookings"),
    *("hotel_ari", "orders", "customers", "order_states", "currencies", "taxes"),
)
CANCELLED, AWAITING = 4, 1


def routes() -> list[web.RouteDef]:
    """Everything under `/api`."""
    return [
        web.get("/api", _served(READ, resources)),
        web.get("/api/hotels", _served(READ, hotels)),
        web.get("/api/hotel_room_types", _served(READ, hotel_room_types)),
        web.get("/api/room_types/{id}", _served(READ, room_type)),
        web.post("/api/hotel_ari", _served(READ, hotel_ari)),
        web.get("/api/customers", _served(READ, customers)),
        web.get("/api/customers/{id}", _served(READ, customer)),
        web.get("/api/orders", _served(READ, orders)),
        web.get("/api/orders/{id}", _served(READ, order)),
        web.get("/api/room_bookings", _served(READ, room_bookings)),
        web.post("/api/bookings", _served(CREATE, create)),
        web.put("/api/bookings", _served(CHANGE, cancel)),
    ]


def _served(operation: str, doing: Doing) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        hotel = _hotel(request)
        if hotel is None:
            return _errors(401, 16, "Invalid authentication key format")
        try:
            return await with_fault(request, hotel, operation, doing)
        except Refusal as refusal:
            sold_out = refusal.reason == "SOLD_OUT"
            words = "Requested room(s) not available." if sold_out else refusal.message
            return _errors(400, 404, words)

    return handle


async def resources(request: web.Request, _: Hotel, __: Fault | None) -> web.Response:
    """What the key may use; up to 1.6 there is `qlo`, up to 1.5 no bookings."""
    version = request.app[WORLD].qloapps_version
    names = [*RESOURCES, *(["qlo"] if version < "1.7" else [])]
    if version < "1.6":
        names = [one for one in names if one not in ("bookings", "hotel_ari")]
    root = ET.Element("qloapps")
    api = ET.SubElement(root, "api", shopName="Hotel")
    for name in names:
        ET.SubElement(api, name, get="true")
    return _xml(root)


async def hotels(_: web.Request, hotel: Hotel, __: Fault | None) -> web.Response:
    """The hotels of the installation."""
    return web.json_response({"hotels": [{"id": hotel.property_id, "hotel_name": hotel.name}]})


async def hotel_room_types(_: web.Request, hotel: Hotel, __: Fault | None) -> web.Response:
    """What a hotel sells; `id` is of no use, `id_product` is what bookings ask for."""
    told = [
        {
            "id": place,
            "id_product": one.room_type_id,
            "id_hotel": hotel.property_id,
            "max_guests": str(one.max_guest_count),
            "associations": {"hotel_rooms": [{"id": n} for n in range(one.room_count)]},
        }
        for place, one in enumerate(hotel.room_types.values(), start=900)
    ]
    return web.json_response({"hotel_room_types": told})


async def room_type(request: web.Request, hotel: Hotel, _: Fault | None) -> web.Response:
    """A name, once for each language."""
    one = hotel.room_types.get(request.match_info["id"])
    if one is None:
        return web.Response(status=404)
    told = {"id": one.room_type_id, "name": [{"id": "1", "value": one.name}]}
    return web.json_response({"room_type": told})


async def hotel_ari(request: web.Request, hotel: Hotel, fault: Fault | None) -> web.Response:
    """Availability, for XML alone; the totals beside the lists of rooms are made up."""
    try:
        asked = ET.fromstring(await request.read()).find("hotel_ari")  # noqa: S314 - our own
    except ET.ParseError:
        return _errors(400, 85, "XML error")
    assert asked is not None
    first, end = (dt.date.fromisoformat(asked.findtext(d) or "") for d in ("date_from", "date_to"))
    ago = fault.seconds if fault is not None and fault.kind == "stale" else 0.0
    root = ET.Element("qloapps")
    if asked.findtext("date_wise_breakdown") == "1":
        root = ET.SubElement(top := ET.Element("qloapps"), "hotel_aris")
        for day in nights(first, end):
            _ari(root, hotel, day, day + dt.timedelta(days=1), ago)
        return _xml(top)
    _ari(root, hotel, first, end, ago)
    return _xml(root)


def _ari(root: ET.Element, hotel: Hotel, first: dt.date, end: dt.date, ago: float) -> None:
    ari = ET.SubElement(root, "hotel_ari")
    for name, value in (
        ("id_hotel", hotel.property_id),
        ("date_from", first),
        ("date_to", end),
        ("currency", hotel.currency_code),
        ("total_booked_rooms", 19),
        ("total_unavailable_rooms", 19),
    ):
        ET.SubElement(ari, name).text = str(value)
    kinds = ET.SubElement(ari, "room_types")
    for one in hotel.room_types.values():
        free = min(hotel.free(one.room_type_id, day, ago) for day in nights(first, end))
        kind = ET.SubElement(kinds, "room_type")
        ET.SubElement(kind, "id_room_type").text = one.room_type_id
        price = float(one.price) * len(nights(first, end))
        ET.SubElement(kind, "total_price_with_tax").text = f"{price:.2f}"
        available = ET.SubElement(ET.SubElement(kind, "rooms"), "available")
        for number in range(max(free, 0)):
            ET.SubElement(ET.SubElement(available, "room"), "id_room").text = str(number)


async def customers(request: web.Request, hotel: Hotel, fault: Fault | None) -> web.Response:
    """Customers by their address, whole (`[x]`) or in part (`%[x]%`)."""
    wanted = request.query.get("filter[email]", "")
    inner, part = wanted.strip("%[]"), wanted.startswith("%")
    told = [
        {"id": one.booking_id, "email": one.email}
        for one in _bookings(hotel, fault)
        if (inner in one.email if part else inner == one.email)
    ]
    return web.json_response({"customers": told} if told else [])


async def customer(request: web.Request, hotel: Hotel, _: Fault | None) -> web.Response:
    """One customer."""
    one = hotel.booking(request.match_info["id"])
    return web.json_response({"customer": {"id": one.booking_id, "email": one.email}})


async def orders(request: web.Request, hotel: Hotel, fault: Fault | None) -> web.Response:
    """The orders of a customer; here each booking has a customer of its own."""
    wanted = request.query.get("filter[id_customer]", "").strip("[]")
    told = [_order(one) for one in _bookings(hotel, fault) if one.booking_id == wanted]
    return web.json_response({"orders": told} if told else [])


async def order(request: web.Request, hotel: Hotel, _: Fault | None) -> web.Response:
    """One order."""
    return web.json_response({"order": _order(hotel.booking(request.match_info["id"]))})


async def room_bookings(request: web.Request, hotel: Hotel, fault: Fault | None) -> web.Response:
    """The rooms of bookings, by order or by departure."""
    wanted = request.query.get("filter[id_order]", "").strip("[]")
    span = request.query.get("filter[date_to]", "").strip("[]")
    first, _, last = span.partition(",")
    told = [
        row
        for one in _bookings(hotel, fault)
        if wanted in ("", one.booking_id) and (not span or first <= str(one.check_out) <= last)
        for row in _rows(hotel, one)
    ]
    return web.json_response({"room_bookings": told} if told else [])


async def create(request: web.Request, hotel: Hotel, fault: Fault | None) -> web.Response:
    """A booking; who comes while another one is being made may get the same room."""
    told = json.loads(await request.read())["booking"]
    wanted = _wanted(told)
    hotel.check(wanted)
    await asyncio.sleep(THINKING)
    made = hotel.write(wanted)
    if fault is not None and fault.kind == "double_create":
        hotel.write(wanted)
    if any(hotel.free(str(room["room_type_id"]), made.check_in) < -1 for room in made.rooms):
        # Two in a room it does not see; beyond that it cancels, and still answers 200.
        hotel.cancel(made.booking_id)
    rooms = [{"id_room": 1, "id_hotel_booking": made.booking_id}]
    kinds = [{"rooms": rooms} for _ in made.rooms]
    return web.json_response({"booking": {"id": made.booking_id, "room_types": kinds}})


async def cancel(request: web.Request, hotel: Hotel, _: Fault | None) -> web.Response:
    """A cancellation: the id is in the body, and all rooms are named once more."""
    told = json.loads(await request.read())["booking"]
    had = hotel.booking(str(told["id"]))
    named = told["associations"]
    whole = sum(len(kind["rooms"]) for kind in _kinds(named["room_types"])) == len(had.rooms)
    if told["booking_status"] == 3 and whole and named["customer_detail"]["email"] == had.email:
        hotel.cancel(had.booking_id)
    return web.json_response({"booking": {"id": had.booking_id}})


def _wanted(told: dict[str, Any]) -> dict[str, Any]:
    linked = told["associations"]
    rooms, tax = [], 0.0
    for kind in _kinds(linked["room_types"]):
        for room in kind["rooms"]:
            if "adult" not in room:
                raise Refusal(400, "ADULT", "adult is missing")
            if not room["total_tax"]:
                tax += 160.0
            rooms.append(
                {
                    "room_type_id": str(kind["id_room_type"]),
                    "adult_count": room["adult"],
                    "child_count": room.get("child", 0),
                    "price": "0",
                }
            )
    pinned = linked.get("price_details", {}).get("total_price_with_tax")
    first = linked["room_types"][0]
    return {
        "key": told["remark"],
        "email": linked["customer_detail"]["email"],
        "confirmation_code": "",
        "check_in": first["checkin_date"],
        "check_out": first["checkout_date"],
        "rooms": rooms,
        "total": f"{2080.0 if pinned is None else float(pinned) + tax:.2f}",
        "currency_code": told["currency"],
    }


def _kinds(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of a type that is named twice for the same dates, the rooms of the last one are kept."""
    last = {(one["id_room_type"], one["checkin_date"], one["checkout_date"]): one for one in told}
    return list(last.values())


def _bookings(hotel: Hotel, fault: Fault | None) -> list[Booking]:
    stale = fault is not None and fault.kind == "stale"
    return hotel.bookings(fault.seconds if fault is not None and stale else 0.0)


def _order(one: Booking) -> dict[str, Any]:
    state = AWAITING if one.state == "booked" else CANCELLED
    return {"id": one.booking_id, "id_customer": one.booking_id, "current_state": str(state)}


def _rows(hotel: Hotel, one: Booking) -> list[dict[str, Any]]:
    gone = str(int(one.state != "booked"))
    return [
        {
            "id": f"{one.booking_id}-{place}",
            "id_order": one.booking_id,
            "id_customer": one.booking_id,
            "id_hotel": hotel.property_id,
            "id_product": room["room_type_id"],
            "id_room": place,
            "date_from": f"{one.check_in} 00:00:00",
            "date_to": f"{one.check_out} 00:00:00",
            "is_cancelled": gone,
            "is_refunded": gone,
            "is_back_order": gone,
        }
        for place, room in enumerate(one.rooms)
    ]


def _hotel(request: web.Request) -> Hotel | None:
    """The hotel whose key it is; the password is empty."""
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    try:
        key = base64.b64decode(given).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return None
    known = request.app[WORLD].hotels.values()
    return next(
        (
            one
            for one in known
            if scheme == "Basic" and hmac.compare_digest(one.secret.encode(), key.encode())
        ),
        None,
    )


def _errors(status: int, code: int, message: str) -> web.Response:
    return web.json_response({"errors": [{"code": code, "message": message}]}, status=status)


def _xml(root: ET.Element) -> web.Response:
    return web.Response(body=ET.tostring(root, encoding="utf-8"), content_type="text/xml")
