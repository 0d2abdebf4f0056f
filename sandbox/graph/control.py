"""The part that Meta does not have: the guests' phones, failures on demand, bookkeeping.

POST   /control/guests/{wa_id}/send   {"phone_number_id", "text" | "tap" | "message", …}
GET    /control/messages              ?after=&to=&phone_number_id=&wait=   what guests see
GET    /control/accepted              ?after=                              all accepted sends
GET    /control/marks                                                      read and typing
POST   /control/faults                see `sandbox.graph.faults`
DELETE /control/faults
POST   /control/media                 ?phone_number_id=&mime_type=  a file of a guest, raw
PUT    /control/numbers               [{"phone_number_id", "waba_id", "display_phone_number",
                                        "access_token"}]   the last may be left out
PUT    /control/templates/{waba_id}            [{"name", "language", "body", "status", …}]
POST   /control/templates/{waba_id}/{name}     {"language", "status" | "quality" | "category"}
PUT    /control/settings              {"webhook_url", "pair_limit"}
GET    /control/report                counters, and why the last webhook was refused
"""

import asyncio
import time
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from sandbox.graph.accounts import WORLD
from sandbox.graph.errors import GraphError
from sandbox.graph.records import Accepted
from sandbox.graph.settings import Number
from sandbox.graph.webhooks import Guest, user_id_of
from sandbox.graph.world import World

MAX_WAIT = 60.0
MAX_ANSWER = 10_000


def routes() -> list[web.RouteDef]:
    """Everything under `/control/`."""
    return [
        web.post("/control/guests/{wa_id}/send", guest_sends),
        web.get("/control/messages", messages),
        web.get("/control/accepted", accepted),
        web.get("/control/marks", marks),
        web.post("/control/faults", add_fault),
        web.delete("/control/faults", clear_faults),
        web.post("/control/media", add_media),
        web.put("/control/numbers", set_numbers),
        web.put("/control/templates/{waba_id}", set_templates),
        web.post("/control/templates/{waba_id}/{name}", change_template),
        web.put("/control/settings", change_settings),
        web.get("/control/report", report),
    ]


async def guest_sends(request: web.Request) -> web.Response:
    """A guest types or taps; `wait` seconds are given to the gateway to take it.

    The answer is `{"id": wamid, "delivered": bool}`.
    """
    world = request.app[WORLD]
    asked = await _json(request, dict)
    number = _number(world, str(asked.get("phone_number_id") or ""))
    guest = _guest(request.match_info["wa_id"], number, asked)
    item = world.guest_sends(number, guest, _content(asked))
    delivered = world.courier.put(item)
    await _wait(delivered, float(asked.get("wait", 0)))
    return web.json_response({"id": item.content["id"], "delivered": delivered.is_set()})


async def messages(request: web.Request) -> web.Response:
    """What phones have received since `after`, at once or after up to `wait` seconds.

    The answer is `{"messages": […], "next": n}`; `next` is the following `after`.
    """
    ledger = request.app[WORLD].accepted
    after = int(request.query.get("after", 0))
    until = time.monotonic() + min(float(request.query.get("wait", 0)), MAX_WAIT)
    while True:
        total = ledger.total
        found = [sent for sent in ledger.after(after) if _is_for(sent, request.query)]
        left = until - time.monotonic()
        if found or left <= 0 or not await ledger.more(left):
            return _listing(found, total)
        after = total


async def accepted(request: web.Request) -> web.Response:
    """Every accepted send since `after`, as `{"messages": […], "next": n, "total": n}`."""
    ledger = request.app[WORLD].accepted
    return _listing(ledger.after(int(request.query.get("after", 0))), ledger.total)


async def marks(request: web.Request) -> web.Response:
    """Which messages were marked as read or answered with a typing indicator, newest last."""
    return web.json_response({"marks": list(request.app[WORLD].marks)})


async def add_fault(request: web.Request) -> web.Response:
    """Queues one fault or a list of them."""
    asked = await _json(request, (dict, list))
    try:
        for fields in asked if isinstance(asked, list) else [asked]:
            request.app[WORLD].faults.add(fields)
    except (TypeError, ValueError) as error:
        raise web.HTTPBadRequest(text=str(error)) from error
    return web.json_response({})


async def clear_faults(request: web.Request) -> web.Response:
    """From now on everything works."""
    request.app[WORLD].calm()
    return web.json_response({})


async def add_media(request: web.Request) -> web.Response:
    """Keeps the raw body as a guest's file; the answer has what a message needs of it."""
    world = request.app[WORLD]
    number = _number(world, request.query.get("phone_number_id", ""))
    mime_type = request.query.get("mime_type", "image/jpeg")
    try:
        media = world.media.add(number.phone_number_id, mime_type, await request.read())
    except GraphError as error:
        raise web.HTTPBadRequest(text=error.details) from error
    answer = {"id": media.media_id, "mime_type": mime_type, "sha256": media.sha256}
    return web.json_response(answer)


async def set_numbers(request: web.Request) -> web.Response:
    """Adds business numbers, or changes them."""
    for fields in await _json(request, list):
        number = Number(**fields)
        request.app[WORLD].numbers[number.phone_number_id] = number
    return web.json_response({})


async def set_templates(request: web.Request) -> web.Response:
    """The templates of an account, each with a `name` and what is not as usual."""
    world = request.app[WORLD]
    world.templates.set(request.match_info["waba_id"], await _json(request, list))
    return web.json_response({})


async def change_template(request: web.Request) -> web.Response:
    """Changes one, and tells the gateway."""
    world = request.app[WORLD]
    account, name = request.match_info["waba_id"], request.match_info["name"]
    asked = await _json(request, dict)
    for field, value in world.templates.change(account, name, asked.pop("language", "es"), asked):
        world.account_changes(account, field, value)
    return web.json_response({})


async def change_settings(request: web.Request) -> web.Response:
    """Where webhooks go, and whether the pair limit holds."""
    world = request.app[WORLD]
    asked = await _json(request, dict)
    world.courier.webhook_url = asked.get("webhook_url", world.courier.webhook_url)
    world.pairs.enabled = bool(asked.get("pair_limit", world.pairs.enabled))
    return web.json_response({})


async def report(request: web.Request) -> web.Response:
    """Counters."""
    return web.json_response(request.app[WORLD].report())


async def _json(request: web.Request, kind: type | tuple[type, ...]) -> Any:
    try:
        body = await request.json()
    except ValueError:
        raise web.HTTPBadRequest(text="the body is not JSON") from None
    if not isinstance(body, kind):
        raise web.HTTPBadRequest(text="the body is not of the JSON type that this needs")
    return body


async def _wait(event: asyncio.Event, seconds: float) -> None:
    if seconds > 0:
        try:
            await asyncio.wait_for(event.wait(), min(seconds, MAX_WAIT))
        except TimeoutError:
            return


def _number(world: World, phone_number_id: str) -> Number:
    if not phone_number_id and len(world.numbers) == 1:
        return next(iter(world.numbers.values()))
    if phone_number_id not in world.numbers:
        known = ", ".join(sorted(world.numbers)) or "none"
        raise web.HTTPBadRequest(text=f"phone_number_id is not known; known: {known}")
    return world.numbers[phone_number_id]


def _guest(wa_id: str, number: Number, asked: dict[str, Any]) -> Guest:
    return Guest(
        wa_id=wa_id,
        user_id=str(asked.get("user_id") or user_id_of(number, wa_id)),
        name=str(asked.get("name", "")),
        hides_phone=bool(asked.get("hides_phone")),
    )


def _content(asked: dict[str, Any]) -> dict[str, Any]:
    """The inner part of a webhook message from what the caller gave."""
    if "message" in asked:
        content = dict(asked["message"])
    elif "tap" in asked:
        content = _tap(dict(asked["tap"]))
    elif isinstance(asked.get("text"), str):
        content = {"type": "text", "text": {"body": asked["text"]}}
    else:
        raise web.HTTPBadRequest(text="one of text, tap and message is needed")
    return content


def _tap(tap: dict[str, Any]) -> dict[str, Any]:
    context = tap.pop("context", None)
    kind = "list_reply" if tap.pop("kind", "button") == "list" else "button_reply"
    content = {"type": "interactive", "interactive": {"type": kind, kind: tap}}
    return {**content, "context": {"id": context}} if context else content


def _is_for(sent: Accepted, query: Any) -> bool:
    to = query.get("to", "")
    number = query.get("phone_number_id", "")
    return to in ("", sent.to, sent.user_id) and number in ("", sent.phone_number_id)


def _listing(found: Iterable[Accepted], total: int) -> web.Response:
    entries = [sent.to_json() for sent, _ in zip(found, range(MAX_ANSWER), strict=False)]
    last = entries[-1]["number"] if len(entries) == MAX_ANSWER else total
    return web.json_response({"messages": entries, "next": last, "total": total})
