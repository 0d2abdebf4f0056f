"""Our own document, served: `services/booking/pms/generic/openapi.yaml`."""

import asyncio
import datetime as dt
import hmac
import json
import re
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from aiohttp import web

from sandbox.pms.faults import CHANGE, CREATE, READ, Fault
from sandbox.pms.hotel import Hotel, Refusal, nights
from sandbox.pms.world import WORLD

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Doing = Callable[[web.Request, Hotel, Fault | None], Awaitable[web.Response]]

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
KEY = re.compile(r"[A-Za-z0-9:-]{1,64}")
CODE = re.compile(r"[A-Z0-9]{1,16}")
DATE = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}")
AMOUNT = re.compile(r"[0-9]{1,12}(\.[0-9]{1,4})?")
CURRENCY = re.compile(r"[A-Z]{3}")
CURSOR = re.compile(r"[0-9]{1,18}")

ROOM = {"room_type_id": ID, "adult_count": (1, 40), "child_count": (0, 40), "price": AMOUNT}
WANTED = {"check_in": DATE, "check_out": DATE, "currency_code": CURRENCY, "total": AMOUNT}
ORDER = {"key": KEY, "confirmation_code": CODE, **WANTED}


def routes() -> list[web.RouteDef]:
    """Everything under `/v1/`."""
    hotel = "/v1/properties/{property_id}"
    booking = hotel + "/bookings/{booking_id}"
    return [
        web.get(hotel, _served(READ, get_property), allow_head=False),
        web.get(hotel + "/room-types", _served(READ, room_types), allow_head=False),
        web.get(hotel + "/availability", _served(READ, availability), allow_head=False),
        web.post(hotel + "/quotes", _served(READ, quote)),
        web.get(hotel + "/bookings", _served(READ, find), allow_head=False),
        web.post(hotel + "/bookings", _served(CREATE, create)),
        web.put(booking, _served(CHANGE, modify)),
        web.post(booking + "/cancel", _served(CHANGE, cancel)),
        web.get(hotel + "/changes", _served(READ, changes), allow_head=False),
    ]


def _served(operation: str, doing: Doing) -> Handler:
    """Secret first, then what goes wrong, then what was asked for."""

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            hotel = _hotel(request)
            return await with_fault(request, hotel, operation, doing)
        except Refusal as refusal:
            return refuse(refusal.status, refusal.reason, refusal.message)

    return handle


async def with_fault(
    request: web.Request, hotel: Hotel, operation: str, doing: Doing
) -> web.StreamResponse:
    """Do what was asked for, as well as the next fault allows."""
    world = request.app[WORLD]
    world.calls[hotel.property_id, operation] += 1
    fault = world.faults.take(hotel.property_id, operation)
    if fault is None:
        return await doing(request, hotel, None)
    world.hit[fault.kind] += 1
    if fault.kind == "refuse":
        return refuse(503, "AWAY")
    if fault.kind == "throttle":
        return refuse(429, "TOO_FAST", headers={"Retry-After": f"{fault.seconds:g}"})
    if fault.kind == "hang_up":
        return _hang_up(request)
    if fault.kind == "late":
        await request.read()
        late = asyncio.create_task(_later(doing(request, hotel, None), fault.seconds))
        late.add_done_callback(lambda _: None)
        return refuse(504, "LATE")
    if fault.kind == "slow":
        await asyncio.sleep(fault.seconds)
    answer = await doing(request, hotel, fault)
    if fault.kind == "lose_answer":
        return _hang_up(request)
    if fault.kind == "done_then_500":
        return refuse(500, "BROKEN")
    return answer


async def get_property(_: web.Request, hotel: Hotel, __: Fault | None) -> web.Response:
    """The hotel."""
    told = {
        "has_holds": False,
        "has_idempotency": hotel.idempotent,
        "has_webhooks": bool(hotel.notices_url),
        "may_oversell": False,
        "parallel_writes": True,
        "requests_per_second": hotel.requests_per_second,
    }
    return web.json_response(
        {
            "property_id": hotel.property_id,
            "name": hotel.name,
            "currency_code": hotel.currency_code,
            "capabilities": told,
        }
    )


async def room_types(_: web.Request, hotel: Hotel, __: Fault | None) -> web.Response:
    """What it sells."""
    told = [
        {
            "room_type_id": one.room_type_id,
            "name": one.name,
            "max_guest_count": one.max_guest_count,
            "room_count": one.room_count,
        }
        for one in hotel.room_types.values()
    ]
    return web.json_response({"room_types": told})


async def availability(request: web.Request, hotel: Hotel, fault: Fault | None) -> web.Response:
    """What is free."""
    first, departure = (_date(request.query, name) for name in ("first_night", "departure"))
    if not 1 <= (departure - first).days <= 400:
        raise Refusal(422, "BAD_DATES", "departure must be 1 to 400 days after first_night")
    ago = _ago(fault)
    told = [
        {
            "room_type_id": one.room_type_id,
            "night": str(night),
            "free_count": hotel.free(one.room_type_id, night, ago),
            "price": one.price,
        }
        for one in hotel.room_types.values()
        for night in nights(first, departure)
    ]
    return web.json_response({"as_of": dt.datetime.now(dt.UTC).isoformat(), "nights": told})


async def quote(request: web.Request, hotel: Hotel, _: Fault | None) -> web.Response:
    """What it costs."""
    wanted = await _body(request, WANTED)
    check_in, check_out = (dt.date.fromisoformat(wanted[d]) for d in ("check_in", "check_out"))
    if not 1 <= (check_out - check_in).days <= 400:
        raise Refusal(422, "BAD_DATES")
    kinds = [hotel.room_types.get(room["room_type_id"]) for room in wanted["rooms"]]
    if None in kinds:
        raise Refusal(422, "ROOM_TYPE_UNKNOWN")
    nightly = sum((Decimal(kind.price) for kind in kinds if kind), Decimal())
    total = str(nightly * (check_out - check_in).days)
    return web.json_response({"total": total, "currency_code": hotel.currency_code})


async def find(request: web.Request, hotel: Hotel, fault: Fault | None) -> web.Response:
    """Every booking with a key."""
    key = _matching(request.query.get("key"), KEY, "key")
    found = [one.to_json() for one in hotel.bookings(_ago(fault)) if one.key == key]
    return web.json_response({"bookings": found})


async def create(request: web.Request, hotel: Hotel, fault: Fault | None) -> web.Response:
    """Book."""
    wanted = await _body(request, ORDER)
    made, new = hotel.create(wanted)
    if fault is not None and fault.kind == "double_create":
        try:
            hotel.create(wanted, again=True)
        except Refusal:
            return web.json_response(made.to_json(), status=201)
    return web.json_response(made.to_json(), status=201 if new else 200)


async def modify(request: web.Request, hotel: Hotel, _: Fault | None) -> web.Response:
    """Other dates or rooms."""
    wanted = await _body(request, WANTED)
    return web.json_response(hotel.modify(_booking_id(request), wanted).to_json())


async def cancel(request: web.Request, hotel: Hotel, _: Fault | None) -> web.Response:
    """Cancel."""
    return web.json_response(hotel.cancel(_booking_id(request)).to_json())


async def changes(request: web.Request, hotel: Hotel, _: Fault | None) -> web.Response:
    """What changed."""
    cursor = request.query.get("cursor")
    after = None if cursor is None else int(_matching(cursor, CURSOR, "cursor"))
    told = [one.to_json() for one in hotel.since(after, dt.datetime.now(dt.UTC).date())]
    return web.json_response({"bookings": told, "cursor": str(hotel.changed), "more": False})


def refuse(
    status: int, reason: str, message: str = "", headers: dict[str, str] | None = None
) -> web.Response:
    """A refusal as the document has it."""
    error = {"reason": reason, "message": message or reason}
    return web.json_response({"error": error}, status=status, headers=headers)


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What the framework refuses is told in the words of the document."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if request.path.startswith("/control/"):
            raise
        allow = error.headers.get("Allow")
        return refuse(
            error.status,
            (error.reason or "ERROR").upper(),
            headers={"Allow": allow} if allow else None,
        )


def _hotel(request: web.Request) -> Hotel:
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    hotel = request.app[WORLD].hotels.get(request.match_info["property_id"])
    expected = hotel.secret if hotel else ""
    given = secret.strip().encode()
    if (
        scheme != "Bearer"
        or (not secret and (expected or not hotel))
        or (hotel and not hmac.compare_digest(given, expected.encode()))
    ):
        raise Refusal(401, "WRONG_SECRET")
    if hotel is None:
        raise Refusal(404, "PROPERTY_UNKNOWN")
    return hotel


def _booking_id(request: web.Request) -> str:
    return request.match_info["booking_id"]


def _date(fields: Any, name: str) -> dt.date:
    try:
        return dt.date.fromisoformat(_matching(fields.get(name), DATE, name))
    except ValueError:
        raise Refusal(422, "BAD_DATE", f"{name} is no date") from None


def _matching(value: Any, pattern: "re.Pattern[str]", name: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise Refusal(422, "BAD_REQUEST", f"{name} is missing or malformed")
    return value


async def _body(request: web.Request, fields: dict[str, Any]) -> dict[str, Any]:
    try:
        told = json.loads(await request.read())
    except (ValueError, RecursionError):
        raise Refusal(400, "NOT_JSON") from None
    _check_object(told, fields, {"rooms"}, "body")
    rooms = told["rooms"]
    if not isinstance(rooms, list) or not 1 <= len(rooms) <= 9:
        raise Refusal(422, "BAD_REQUEST", "rooms must be a list of 1 to 9")
    for room in rooms:
        _check_object(room, ROOM, set(), "room")
    for name in ("check_in", "check_out"):
        _date(told, name)
    checked: dict[str, Any] = told
    return checked


def _check_object(told: Any, fields: dict[str, Any], more: set[str], name: str) -> None:
    if not isinstance(told, dict) or set(told) != set(fields) | more:
        raise Refusal(422, "BAD_REQUEST", f"{name} must have exactly {sorted(set(fields) | more)}")
    for key, rule in fields.items():
        if isinstance(rule, tuple):
            value = told[key]
            whole = isinstance(value, int) and not isinstance(value, bool)
            if not whole or not rule[0] <= value <= rule[1]:
                raise Refusal(422, "BAD_REQUEST", f"{key} must be {rule[0]} to {rule[1]}")
        else:
            _matching(told[key], rule, key)


def _ago(fault: Fault | None) -> float:
    return fault.seconds if fault is not None and fault.kind == "stale" else 0.0


def _hang_up(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    raise ConnectionResetError("hung up on purpose")


async def _later(doing: Awaitable[object], seconds: float) -> None:
    await asyncio.sleep(seconds)
    try:
        await doing
    except Refusal:
        return
