"""The part that no system has: hotels on demand, failures on demand, bookkeeping.

PUT    /control/properties   [{"property_id", "secret", "room_types": [{"room_type_id", …}], …}]
POST   /control/bookings     {"property_id", "room_type_id", "check_in", "check_out"}: at the desk
DELETE /control/bookings     ?property_id=&booking_id=   cancelled at the desk
GET    /control/bookings     ?property_id=   every booking as it is
GET    /control/history      ?property_id=   every booking as it ever was, with the time of that
POST   /control/faults       see `sandbox.pms.faults`: one or a list
PUT    /control/faults       {"share", "kinds", "seconds", "seed"}: at random from now on
DELETE /control/faults       everything works again
PUT    /control/mode         {"mode": "up" | "down" | "half_down", "qloapps_version"}
POST   /control/restart      {"seconds"}: refuses connections for so long, and has kept everything
GET    /control/report       requests by hotel and operation, faults by kind, notices by answer
"""

import itertools
import time
from operator import itemgetter
from typing import Any

from aiohttp import web

from sandbox.pms.api import Handler
from sandbox.pms.faults import KINDS, MODES
from sandbox.pms.hotel import Hotel, Refusal, hotel_from
from sandbox.pms.world import WORLD, World


def routes() -> list[web.RouteDef]:
    """Everything under `/control/`."""
    return [
        web.put("/control/properties", set_properties),
        web.post("/control/bookings", book_at_desk),
        web.delete("/control/bookings", cancel_at_desk),
        web.get("/control/bookings", bookings),
        web.get("/control/history", history),
        web.post("/control/faults", add_faults),
        web.put("/control/faults", faults_by_chance),
        web.delete("/control/faults", clear_faults),
        web.put("/control/mode", set_mode),
        web.post("/control/restart", restart),
        web.get("/control/report", report),
    ]


@web.middleware
async def understood(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What is asked in another form than it should be is refused, and told why."""
    try:
        return await handler(request)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise web.HTTPBadRequest(
            text=f"not as it should be: {type(error).__name__}: {error}"
        ) from error


async def set_properties(request: web.Request) -> web.Response:
    """Adds hotels, or begins them anew."""
    world = request.app[WORLD]
    for one in [hotel_from(fields) for fields in await request.json()]:
        world.add(one)
    return web.json_response({})


async def book_at_desk(request: web.Request) -> web.Response:
    """A booking that Conserje knows nothing of; `force` oversells."""
    asked = await request.json()
    hotel = _hotel(request.app[WORLD], asked.pop("property_id", ""))
    room = {
        "room_type_id": asked.pop("room_type_id"),
        "adult_count": 1,
        "child_count": 0,
        "price": "1",
    }
    wanted = {
        "key": asked.pop("key", ""),
        "rooms": [room],
        "total": "1",
        "currency_code": hotel.currency_code,
        **asked,
    }
    kind = hotel.room_types[str(room["room_type_id"])]
    force = bool(wanted.pop("force", False))
    try:
        if force:
            hotel.room_types[kind.room_type_id] = type(kind)(**{**vars(kind), "room_count": 10_000})
        made, _ = hotel.create(wanted, again=True)
    except Refusal as refusal:
        raise web.HTTPConflict(text=refusal.reason) from refusal
    finally:
        hotel.room_types[kind.room_type_id] = kind
    return web.json_response(made.to_json())


async def cancel_at_desk(request: web.Request) -> web.Response:
    """The desk cancels."""
    hotel = _hotel(request.app[WORLD], request.query.get("property_id", ""))
    return web.json_response(hotel.cancel(request.query["booking_id"]).to_json())


async def bookings(request: web.Request) -> web.Response:
    """Every booking, the cancelled ones included."""
    hotel = _hotel(request.app[WORLD], request.query.get("property_id", ""))
    return web.json_response({"bookings": [one.to_json() for one in hotel.bookings()]})


async def history(request: web.Request) -> web.Response:
    """Every version of every booking, oldest first; times are seconds since 1970."""
    hotel = _hotel(request.app[WORLD], request.query.get("property_id", ""))
    began = time.time() - time.monotonic()
    versions = sorted(itertools.chain(*hotel.past.values()), key=itemgetter(1))
    told = [{"time": began + when, "booking": one.to_json()} for when, _, one in versions]
    return web.json_response({"versions": told})


async def add_faults(request: web.Request) -> web.Response:
    """Queues one fault or a list of them."""
    asked = await request.json()
    for fields in asked if isinstance(asked, list) else [asked]:
        request.app[WORLD].faults.add(fields)
    return web.json_response({})


async def faults_by_chance(request: web.Request) -> web.Response:
    """A share of all requests goes wrong."""
    asked = await request.json()
    request.app[WORLD].faults.by_chance(
        float(asked["share"]),
        list(asked.get("kinds", KINDS)),
        float(asked.get("seconds", 0.2)),
        int(asked.get("seed", 0)),
    )
    return web.json_response({})


async def clear_faults(request: web.Request) -> web.Response:
    """Everything works."""
    request.app[WORLD].faults.clear()
    return web.json_response({})


async def set_mode(request: web.Request) -> web.Response:
    """Up, down, or able to read only."""
    asked = await request.json()
    world = request.app[WORLD]
    world.qloapps_version = str(asked.get("qloapps_version", world.qloapps_version))
    mode = asked.get("mode", world.faults.mode)
    if mode not in MODES:
        raise web.HTTPBadRequest(text=f"mode must be one of {', '.join(MODES)}")
    world.faults.mode = mode
    return web.json_response({})


async def restart(request: web.Request) -> web.Response:
    """Goes away and comes back with everything it had acknowledged."""
    again = request.app[WORLD].restart
    if again is None:
        raise web.HTTPConflict(text="this one cannot be restarted")
    await again(float((await request.json()).get("seconds", 0.5)))
    return web.json_response({})


async def report(request: web.Request) -> web.Response:
    """Counters."""
    world = request.app[WORLD]
    calls: dict[str, dict[str, int]] = {}
    for (property_id, operation), count in world.calls.items():
        calls.setdefault(property_id, {})[operation] = count
    told: dict[str, Any] = {
        "calls": calls,
        "faults": dict(world.hit),
        "notices": dict(world.teller.told),
    }
    return web.json_response(told)


def _hotel(world: World, property_id: str) -> Hotel:
    if property_id not in world.hotels:
        raise web.HTTPNotFound(text=f"known: {', '.join(sorted(world.hotels)) or 'none'}")
    return world.hotels[property_id]
