"""What Meta tells of tokens, accounts and numbers, for whoever checks how they are set up."""

import hmac
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from sandbox.graph.errors import TOKEN_INVALID, TOKEN_MISSING, GraphError
from sandbox.graph.settings import Number
from sandbox.graph.world import World

WORLD = web.AppKey("world", World)
SCOPES = ("whatsapp_business_management", "whatsapp_business_messaging", "public_profile")


def routes(version: str) -> list[web.RouteDef]:
    """Everything about tokens and accounts under `version`."""
    return [
        web.get(version + "/debug_token", token),
        web.get(version + "/{waba_id}/phone_numbers", phone_numbers),
        web.get(version + "/{waba_id}/subscribed_apps", subscribed_apps),
        web.post(version + "/{waba_id}/subscribed_apps", subscribe),
        web.delete(version + "/{waba_id}/subscribed_apps", unsubscribe),
    ]


def check_token(request: web.Request, world: World, number: Number | None = None) -> None:
    """A number takes its own token, where it has one; what is no number's takes anybody's."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise GraphError(TOKEN_MISSING)
    common = world.settings.access_token
    if number is None:
        good = {common, *(one.access_token for one in world.numbers.values())} - {""}
    else:
        good = {number.access_token or common}
    if not any(hmac.compare_digest(token.encode(), one.encode()) for one in good):
        raise GraphError(TOKEN_INVALID)


async def token(request: web.Request) -> web.StreamResponse:
    """What the token may do, and for how long."""
    world = request.app[WORLD]
    check_token(request, world)
    tokens = {world.settings.access_token, *(one.access_token for one in world.numbers.values())}
    valid = request.query.get("input_token") in tokens - {""}
    facts: dict[str, Any] = {"app_id": world.settings.app_id, "is_valid": valid}
    if valid:
        facts |= {"expires_at": 0, "scopes": list(SCOPES), "type": "SYSTEM_USER"}
    return web.json_response({"data": facts})


async def phone_numbers(request: web.Request) -> web.StreamResponse:
    """The numbers under an account."""
    world, account = _account(request)
    mine = [one for one in world.numbers.values() if one.waba_id == account]
    return web.json_response({"data": [{"id": one.phone_number_id} for one in mine]})


async def subscribed_apps(request: web.Request) -> web.StreamResponse:
    """The apps that hear of an account: ours, unless it was unsubscribed."""
    world, account = _account(request)
    app = {"id": world.settings.app_id, "name": "sandbox"}
    data = [] if account in world.unsubscribed else [{"whatsapp_business_api_data": app}]
    return web.json_response({"data": data})


async def subscribe(request: web.Request) -> web.StreamResponse:
    """The app hears of the account from now on."""
    world, account = _account(request)
    world.unsubscribed.discard(account)
    return web.json_response({"success": True})


async def unsubscribe(request: web.Request) -> web.StreamResponse:
    """The app hears of the account no more; what it was told stays told."""
    world, account = _account(request)
    world.unsubscribed.add(account)
    return web.json_response({"success": True})


def number_facts(world: World, number: Number, query: Mapping[str, str]) -> dict[str, Any]:
    """What is known of a number: its id, and the fields that are asked for."""
    facts = {
        "display_phone_number": number.display_phone_number,
        "verified_name": "Sandbox",
        "quality_rating": "GREEN",
        "code_verification_status": "VERIFIED",
        "webhook_configuration": {"application": world.courier.webhook_url},
    }
    fields = (query.get("fields") or "display_phone_number").split(",")
    return {"id": number.phone_number_id} | {key: facts[key] for key in fields if key in facts}


def _account(request: web.Request) -> tuple[World, str]:
    world = request.app[WORLD]
    check_token(request, world)
    account = request.match_info["waba_id"]
    world.account_number(account)
    return world, account
