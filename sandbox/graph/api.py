"""The part that Meta documents: sends, marks, media, templates."""

import asyncio
import json
from typing import Any

import orjson
from aiohttp import BodyPartReader, web

from sandbox.graph import accounts
from sandbox.graph.accounts import WORLD, check_token
from sandbox.graph.errors import (
    PARAMETER_INVALID,
    GraphError,
    no_such_object,
)
from sandbox.graph.faults import Fault
from sandbox.graph.limits import check_send, recipient_of
from sandbox.graph.media import MAX_BYTES, Media
from sandbox.graph.records import Accepted

MAX_BODY = max(MAX_BYTES.values()) + 1024 * 1024
_ACCEPTED_FAULTS = ("lose_answer", "accept_then_500", "no_statuses", "fail_status", "delay")


def routes() -> list[web.RouteDef]:
    """Everything under `/{version}/`."""
    version = r"/{version:v[0-9]+\.[0-9]+}"
    return [
        web.post(version + "/{number_id}/messages", send),
        web.post(version + "/{number_id}/media", upload),
        web.get(version + "/{waba_id}/message_templates", templates),
        *accounts.routes(version),
        web.get(version + "/{object_id}", describe),
        web.delete(version + "/{object_id}", delete),
        web.get("/whatsapp_business/attachments/{name}", download),
    ]


@web.middleware
async def peers(request: web.Request, handler: Any) -> web.StreamResponse:
    """Notes what each request came over: whoever pools connections opens few."""
    if request.transport is not None:
        request.app[WORLD].peers.add(request.transport.get_extra_info("peername"))
    response: web.StreamResponse = await handler(request)
    return response


@web.middleware
async def errors(request: web.Request, handler: Any) -> web.StreamResponse:
    """Every refusal in Meta's shape."""
    try:
        response: web.StreamResponse = await handler(request)
    except GraphError as error:
        response = web.json_response(error.body(), status=error.status)
    return response


async def send(request: web.Request) -> web.StreamResponse:
    """Accepts a message, or marks one as read."""
    world = request.app[WORLD]
    number = world.numbers.get(request.match_info["number_id"])
    check_token(request, world, number)
    if number is None:
        raise no_such_object(request.match_info["number_id"])
    body = _object(await request.read())
    if body.get("status") == "read":
        world.mark(number.phone_number_id, body)
        return web.json_response({"success": True})
    check_send(body)
    if "template" in body:
        world.templates.check(number.waba_id, body["template"])
    guest = "".join(recipient_of(body))
    await world.chaos.take_time()
    fault = world.fault(number.phone_number_id, guest)
    if fault and fault.kind not in _ACCEPTED_FAULTS:
        return _refuse(request, fault)
    world.check_pair(number.phone_number_id, guest)
    sent = world.accept(number, body, request.headers.get("traceparent", ""), fault)
    return await _answer(request, sent, fault)


async def upload(request: web.Request) -> web.StreamResponse:
    """Keeps a file to be sent by id."""
    world = request.app[WORLD]
    number = world.numbers.get(request.match_info["number_id"])
    check_token(request, world, number)
    if number is None:
        raise no_such_object(request.match_info["number_id"])
    fields: dict[str, str] = {}
    content, mime_type = b"", ""
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader)
        if part.name == "file":
            content = bytes(await part.read())
            mime_type = part.headers.get("Content-Type", "")
        else:
            fields[part.name or ""] = await part.text()
    if fields.get("messaging_product") != "whatsapp":
        raise GraphError(PARAMETER_INVALID, "messaging_product must be one of whatsapp")
    media = world.media.add(number.phone_number_id, fields.get("type") or mime_type, content)
    world.media.uploaded += 1
    return web.json_response({"id": media.media_id})


async def describe(request: web.Request) -> web.StreamResponse:
    """A medium with an address that is valid for five minutes, or a business number."""
    world = request.app[WORLD]
    object_id = request.match_info["object_id"]
    number = world.numbers.get(object_id)
    check_token(request, world, number)
    if number:
        return web.json_response(accounts.number_facts(world, number, request.query))
    media = world.media.get(object_id, request.query.get("phone_number_id", ""))
    return web.json_response(_description(request, media))


async def templates(request: web.Request) -> web.StreamResponse:
    """A page of a business account's templates."""
    world = request.app[WORLD]
    check_token(request, world)
    waba_id = request.match_info["waba_id"]
    world.account_number(waba_id)
    address = str(request.url.with_query(None))
    return web.json_response(world.templates.page(waba_id, request.query, address))


async def delete(request: web.Request) -> web.StreamResponse:
    """Forgets a medium."""
    world = request.app[WORLD]
    check_token(request, world)
    media = world.media.get(
        request.match_info["object_id"], request.query.get("phone_number_id", "")
    )
    world.media.remove(media.media_id)
    return web.json_response({"success": True})


async def download(request: web.Request) -> web.StreamResponse:
    """The bytes of a medium; needs the bearer token as well as the address."""
    world = request.app[WORLD]
    check_token(request, world)
    media = world.media.open(request.match_info["name"])
    if media is None:
        raise web.HTTPNotFound
    return web.Response(body=media.content, content_type=media.mime_type.split(";")[0])


def _object(raw: bytes) -> dict[str, Any]:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise GraphError(PARAMETER_INVALID, "The request body is not a JSON object")
    return body


def _refuse(request: web.Request, fault: Fault) -> web.StreamResponse:
    if fault.kind == "hang_up":
        return _hang_up(request)
    raise GraphError(fault.code, fault.details or "On demand", status=fault.status)


async def _answer(request: web.Request, sent: Accepted, fault: Fault | None) -> web.StreamResponse:
    if fault and fault.kind == "lose_answer":
        return _hang_up(request)
    if fault and fault.kind == "accept_then_500":
        raise GraphError(fault.code, fault.details or "On demand", status=500)
    if fault and fault.kind == "delay":
        await asyncio.sleep(fault.seconds)
    contact = {"input": sent.body.get("to") or sent.body.get("recipient")}
    contact |= {"wa_id": sent.to} if sent.to else {"user_id": sent.user_id}
    answer = {
        "messaging_product": "whatsapp",
        "contacts": [contact],
        "messages": [{"id": sent.wamid}],
    }
    return web.Response(body=json.dumps(answer).encode(), content_type="application/json")


def _hang_up(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _description(request: web.Request, media: Media) -> dict[str, Any]:
    name = request.app[WORLD].media.link(media)
    return {
        "messaging_product": "whatsapp",
        "url": str(request.url.origin() / "whatsapp_business/attachments" / name),
        "mime_type": media.mime_type,
        "sha256": media.sha256,
        "file_size": len(media.content),
        "id": media.media_id,
    }
