"""The adapter for every system that implements `openapi.yaml`, the document beside it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

import orjson
from yarl import URL

from meshkit.money import in_coins
from services.booking.pms.http import (
    Answer,
    Hosts,
    Request,
    garbled,
    json_headers,
    refused,
)
from services.booking.pms.port import (
    SOLD_OUT,
    Capabilities,
    Changes,
    Endpoint,
    Free,
    Outcome,
    PmsAvailability,
    PmsBooking,
    PmsOrder,
    PmsQuote,
    PmsRoomType,
    TypeNight,
    Verdict,
    sentence,
)

T = TypeVar("T")

NOT_DECIDED = frozenset({401, 403, 404, 408, 425, 429})
"""Statuses of a write that say nothing about the booking: a wrong secret, a wrong address, no
time. It was not made by this request, but the next one may be."""


class GenericPms:
    """One hotel behind our own document."""

    def __init__(self, hosts: Hosts, endpoint: Endpoint) -> None:
        self._hosts = hosts
        base = URL(endpoint.base_url.rstrip("/"))
        self._base = base / "v1" / "properties" / endpoint.property_id
        self._headers = json_headers(f"Bearer {endpoint.secret}")

    async def capabilities(self) -> Capabilities:
        """What it can do, as it says itself."""
        return await self._read(self._base, _capabilities)

    async def room_types(self) -> list[PmsRoomType]:
        """What it sells."""
        return await self._read(
            self._base / "room-types", lambda told: [_room_type(one) for one in told["room_types"]]
        )

    async def availability(self, first_night: dt.date, departure: dt.date) -> PmsAvailability:
        """What is free."""
        query = {"first_night": str(first_night), "departure": str(departure)}
        return await self._read((self._base / "availability").with_query(query), _availability)

    async def quote(self, order: PmsOrder) -> PmsQuote:
        """What a booking would cost there."""
        request = Request(
            "POST", self._base / "quotes", self._headers, orjson.dumps(_wanted(order))
        )
        answer = await self._hosts.read(request)
        return _parsed(
            answer, lambda told: PmsQuote(Decimal(told["total"]), str(told["currency_code"]))
        )

    async def create(self, order: PmsOrder) -> Outcome:
        """Book under our key, which the system keeps and looks up itself."""
        body = {"key": order.key, "confirmation_code": order.code, **_wanted(order)}
        return await self._write("POST", self._base / "bookings", body)

    async def find(self, key: str) -> list[PmsBooking]:
        """Every booking with our key."""
        return await self._read(
            (self._base / "bookings").with_query({"key": key}),
            lambda told: [_booking(one) for one in told["bookings"]],
        )

    async def modify(self, booking_id: str, order: PmsOrder) -> Outcome:
        """Other dates or rooms."""
        return await self._write("PUT", self._base / "bookings" / booking_id, _wanted(order))

    async def cancel(self, booking_id: str) -> Outcome:
        """Cancel."""
        return await self._write("POST", self._base / "bookings" / booking_id / "cancel", {})

    async def changes(self, cursor: str) -> Changes:
        """What changed since a cursor."""
        query = {"cursor": cursor} if cursor else {}
        return await self._read(
            (self._base / "changes").with_query(query), lambda told: _changes(told, cursor)
        )

    async def _read(self, url: URL, parse: Callable[[Any], T]) -> T:
        return _parsed(await self._hosts.read(Request("GET", url, self._headers)), parse)

    async def _write(self, method: str, url: URL, body: dict[str, Any]) -> Outcome:
        request = Request(method, url, self._headers, orjson.dumps(body))
        return _outcome(await self._hosts.write(request))


def _parsed(answer: Answer, parse: Callable[[Any], T]) -> T:
    if answer.status != 200:
        raise refused(answer, _reason(answer))
    try:
        return parse(orjson.loads(answer.body))
    except (KeyError, TypeError, ValueError, InvalidOperation) as error:
        raise garbled(type(error).__name__) from None


def _outcome(answer: Answer | str) -> Outcome:
    """2xx done, 409 sold out, other refusals final; whatever says nothing is unknown."""
    if isinstance(answer, str):
        return Outcome(Verdict.UNKNOWN, answer)
    if answer.status in (200, 201):
        try:
            return Outcome(Verdict.CONFIRMED, "", str(orjson.loads(answer.body)["booking_id"]))
        except (KeyError, TypeError, ValueError):
            return Outcome(Verdict.UNKNOWN, "unreadable")
    if answer.status in NOT_DECIDED or not 400 <= answer.status < 500:
        return Outcome(Verdict.UNKNOWN, f"HTTP {answer.status}")
    reason = _reason(answer) or f"HTTP {answer.status}"
    return Outcome(Verdict.REJECTED, reason, words=sentence(_error(answer).get("message")))


def _reason(answer: Answer) -> str:
    """The document's word for a refusal; nothing else of a foreign text is let in."""
    error = _error(answer)
    if "reason" not in error:
        return SOLD_OUT if answer.status == 409 else ""
    told = error["reason"]
    known = isinstance(told, str) and told.isidentifier() and len(told) <= 64
    return told if known else ""


def _error(answer: Answer) -> dict[str, Any]:
    """What a refusal says; empty when it does not say it as the document has it."""
    try:
        error = orjson.loads(answer.body)["error"]
    except (KeyError, TypeError, ValueError):
        return {}
    return error if isinstance(error, dict) else {}


def _wanted(order: PmsOrder) -> dict[str, Any]:
    return {
        "check_in": str(order.check_in),
        "check_out": str(order.check_out),
        "currency_code": order.currency_code,
        "total": str(in_coins(order.total, order.currency_code)),
        "rooms": [
            {
                "room_type_id": room.type_id,
                "adult_count": room.adult_count,
                "child_count": room.child_count,
                "price": str(in_coins(room.price, order.currency_code)),
            }
            for room in order.rooms
        ],
    }


def _capabilities(told: Any) -> Capabilities:
    given = told["capabilities"]
    return Capabilities(
        system=str(told["name"]),
        currency_code=str(told.get("currency_code", "")),
        has_holds=bool(given["has_holds"]),
        has_idempotency=bool(given["has_idempotency"]),
        has_webhooks=bool(given["has_webhooks"]),
        may_oversell=bool(given["may_oversell"]),
        parallel_writes=bool(given["parallel_writes"]),
        requests_per_second=float(given["requests_per_second"]),
    )


def _room_type(told: Any) -> PmsRoomType:
    return PmsRoomType(
        type_id=str(told["room_type_id"]),
        name=str(told["name"]),
        max_guest_count=int(told["max_guest_count"]),
        room_count=int(told["room_count"]),
    )


def _availability(told: Any) -> PmsAvailability:
    nights = {
        TypeNight(str(one["room_type_id"]), dt.date.fromisoformat(one["night"])): Free(
            int(one["free_count"]), None if one["price"] is None else Decimal(one["price"])
        )
        for one in told["nights"]
    }
    as_of = dt.datetime.fromisoformat(told["as_of"])
    if as_of.tzinfo is None:
        raise ValueError("as_of without a zone")
    return PmsAvailability(as_of, nights)


def _booking(told: Any) -> PmsBooking:
    return PmsBooking(
        booking_id=str(told["booking_id"]),
        key=str(told["key"]),
        check_in=dt.date.fromisoformat(told["check_in"]),
        check_out=dt.date.fromisoformat(told["check_out"]),
        type_ids=tuple(str(room["room_type_id"]) for room in told["rooms"]),
        active=told["state"] == "booked",
    )


def _changes(told: Any, cursor: str) -> Changes:
    return Changes(
        bookings=tuple(_booking(one) for one in told["bookings"]),
        cursor=str(told["cursor"]),
        complete=not cursor and not told["more"],
        more=bool(told["more"]),
    )
