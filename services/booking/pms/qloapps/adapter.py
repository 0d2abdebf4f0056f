"""One hotel in QloApps; every habit of it that was seen is named where it is met.

It has no idempotency, double-books its last rooms when written to in parallel,
and answers 200 for bookings that it cancels silently. So writes take turns (see
`guard`), our key is the customer's address and the remark, and a booking is what
`room_bookings` says, never what an answer said.
"""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson
from yarl import URL

from meshkit.errors import FailedPrecondition
from services.booking.pms.http import Answer, Hosts, Request, garbled, refused
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
from services.booking.pms.qloapps import forms

NEEDED = (
    *("hotels", "hotel_room_types", "room_types", "room_bookings", "bookings", "hotel_ari"),
    *("orders", "customers"),
)
CHUNK = dt.timedelta(days=32)
"""Thirty nights day by day take it a second; more at once would run into the deadline."""
TAX_GROUP = 1
NOT_DECIDED = frozenset({401, 403, 408, 429})
LOOK_AHEAD = dt.timedelta(days=540)


class QloAppsPms:
    """One hotel behind `/api`."""

    def __init__(self, hosts: Hosts, endpoint: Endpoint) -> None:
        self._hosts = hosts
        self._base = URL(endpoint.base_url.rstrip("/")) / "api"
        self._property_id = endpoint.property_id
        key = base64.b64encode(f"{endpoint.secret}:".encode()).decode()
        self._headers = {"Authorization": f"Basic {key}"}

    async def capabilities(self) -> Capabilities:
        """Detected, not believed: which resources there are tells the version."""
        answer = await self._hosts.read(Request("GET", self._base, self._headers))
        found = forms.resources_of(_xml(answer))
        missing = [one for one in NEEDED if one not in found]
        if missing:
            raise FailedPrecondition(
                "PMS_REFUSED",
                f"QloApps 1.6 or newer is needed: the key cannot use {', '.join(missing)}.",
                detail="RESOURCES_MISSING",
            )
        names = [
            forms.text_of(one.get("hotel_name"))
            for one in await self._list("hotels")
            if str(one.get("id")) == self._property_id
        ]
        if not names:
            raise FailedPrecondition("PMS_REFUSED", "QloApps has no such hotel.", detail="HOTEL")
        version = "1.6" if "qlo" in found else "1.7"
        return Capabilities(
            may_oversell=True,
            parallel_writes=False,
            system=f"QloApps {version}, {names[0]}",
            resources=tuple(sorted(found)),
        )

    async def room_types(self) -> list[PmsRoomType]:
        """What it sells: the ids in bookings are those of products."""
        kinds = await self._list("hotel_room_types", id_hotel=self._property_id)
        names = await asyncio.gather(*(self._name(str(one["id_product"])) for one in kinds))
        return [
            PmsRoomType(
                type_id=str(one["id_product"]),
                name=name,
                max_guest_count=int(one["max_guests"]),
                room_count=len(one.get("associations", {}).get("hotel_rooms", ())),
            )
            for one, name in zip(kinds, names, strict=True)
        ]

    async def availability(self, first_night: dt.date, departure: dt.date) -> PmsAvailability:
        """Day by day, a month at a time, one after the other: it is a small server."""
        as_of = dt.datetime.now(dt.UTC)
        nights: dict[TypeNight, Free] = {}
        first = first_night
        while first < departure:
            end = min(first + CHUNK, departure)
            body = forms.ari_request(self._property_id, first, end, by_day=True)
            root = _xml(await self._hosts.read(self._xml_request(body)))
            for day, type_id, free in forms.days_of(root):
                nights[TypeNight(type_id, day)] = Free(free)
            first = end
        return PmsAvailability(as_of, nights)

    async def quote(self, order: PmsOrder) -> PmsQuote:
        """What it would ask by itself, services included."""
        body = forms.ari_request(self._property_id, order.check_in, order.check_out, by_day=False)
        told = forms.totals_of(_xml(await self._hosts.read(self._xml_request(body))))
        try:
            totals = [Decimal(told[room.type_id][0]) for room in order.rooms]
            return PmsQuote(sum(totals, Decimal()), told[order.rooms[0].type_id][1])
        except (KeyError, InvalidOperation):
            raise FailedPrecondition("PMS_REFUSED", "QloApps has no price for it.") from None

    async def create(self, order: PmsOrder) -> Outcome:
        """Book; whether it is booked is for `find` to say."""
        body = forms.create_request(order, self._property_id, TAX_GROUP)
        return _outcome(await self._hosts.write(self._json_request("POST", body)))

    async def find(self, key: str) -> list[PmsBooking]:
        """The orders of the customer who stands for the key, judged by their rooms."""
        customers = await self._list("customers", email=forms.address_of(key))
        found = []
        for customer in customers:
            for order in await self._list("orders", id_customer=str(customer["id"])):
                rows = await self._rows(str(order["id"]))
                if rows:
                    state = int(order["current_state"])
                    found.append(forms.booking_of(str(order["id"]), key, state, rows))
        return found

    async def modify(self, booking_id: str, order: PmsOrder) -> Outcome:  # noqa: ARG002
        """Its web service changes no stay in one piece: a person has to."""
        return Outcome(Verdict.REJECTED, "NOT_OFFERED", booking_id)

    async def cancel(self, booking_id: str) -> Outcome:
        """Cancel, and look whether it is: the answer does not say."""
        order = await self._one("orders", booking_id, "order")
        rows = await self._rows(booking_id)
        if forms.is_cancelled(order, rows):
            return Outcome(Verdict.CONFIRMED, "", booking_id)
        customer = await self._one("customers", str(order["id_customer"]), "customer")
        body = forms.cancel_request(booking_id, str(customer["email"]), rows)
        answer = await self._hosts.write(self._json_request("PUT", body))
        if isinstance(answer, str):
            return Outcome(Verdict.UNKNOWN, answer, booking_id)
        order = await self._one("orders", booking_id, "order")
        gone = forms.is_cancelled(order, await self._rows(booking_id))
        return Outcome(Verdict.CONFIRMED if gone else Verdict.UNKNOWN, "", booking_id)

    async def changes(self, cursor: str) -> Changes:  # noqa: ARG002
        """All that is booked from today on, every time: there is no list of changes."""
        today = dt.datetime.now(dt.UTC).date()
        last = today + LOOK_AHEAD
        rows = await self._list(
            "room_bookings", id_hotel=self._property_id, date_to=f"{today},{last}"
        )
        ours = {
            str(one["id"]): forms.key_of(str(one["email"]))
            for one in await self._list("customers", like={"email": f"@{forms.GUESTS}"})
        }
        orders: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            if forms.is_live(row):
                orders.setdefault(str(row["id_order"]), []).append(row)
        bookings = (
            forms.booking_of(order_id, ours.get(str(of_one[0]["id_customer"]), ""), 1, of_one)
            for order_id, of_one in orders.items()
        )
        return Changes(tuple(bookings), cursor=str(today), complete=True)

    async def _rows(self, order_id: str) -> list[dict[str, Any]]:
        return await self._list("room_bookings", id_order=order_id)

    async def _name(self, product_id: str) -> str:
        return forms.text_of((await self._one("room_types", product_id, "room_type")).get("name"))

    async def _one(self, resource: str, identifier: str, root: str) -> dict[str, Any]:
        url = (self._base / resource / identifier).with_query(output_format="JSON")
        answer = await self._hosts.read(Request("GET", url, self._headers))
        told = _json(answer)
        if not isinstance(told, dict) or not isinstance(told.get(root), dict):
            raise garbled(root)
        found: dict[str, Any] = told[root]
        return found

    async def _list(
        self, resource: str, *, like: dict[str, str] | None = None, **filters: str
    ) -> list[dict[str, Any]]:
        query = {"display": "full", "output_format": "JSON"}
        query |= {f"filter[{name}]": f"[{value}]" for name, value in filters.items()}
        query |= {f"filter[{name}]": f"%[{value}]%" for name, value in (like or {}).items()}
        url = (self._base / resource).with_query(query)
        told = _json(await self._hosts.read(Request("GET", url, self._headers)))
        # Nothing found is an empty list, without the name of the resource.
        rows = told.get(resource, []) if isinstance(told, dict) else told
        if not isinstance(rows, list) or not all(isinstance(one, dict) for one in rows):
            raise garbled(resource)
        return rows

    def _xml_request(self, body: bytes) -> Request:
        headers = {**self._headers, "Content-Type": "text/xml"}
        return Request("POST", self._base / "hotel_ari", headers, body)

    def _json_request(self, method: str, body: dict[str, Any]) -> Request:
        headers = {**self._headers, "Content-Type": "application/json"}
        url = (self._base / "bookings").with_query(output_format="JSON")
        return Request(method, url, headers, orjson.dumps(body))


def _outcome(answer: Answer | str) -> Outcome:
    """200 made something, 400 in those words found no room; the rest says nothing or no."""
    if isinstance(answer, str):
        return Outcome(Verdict.UNKNOWN, answer)
    if answer.status in (200, 201):
        try:
            return Outcome(Verdict.CONFIRMED, "", str(orjson.loads(answer.body)["booking"]["id"]))
        except (KeyError, TypeError, ValueError):
            return Outcome(Verdict.UNKNOWN, "unreadable")
    if answer.status in NOT_DECIDED or not 400 <= answer.status < 500:
        return Outcome(Verdict.UNKNOWN, f"HTTP {answer.status}")
    code, message = _error(answer)
    sold_out = forms.says_sold_out(code, message)
    reason = SOLD_OUT if sold_out else f"QLOAPPS_{code}"
    return Outcome(Verdict.REJECTED, reason, words=sentence(message))


def _error(answer: Answer) -> tuple[int, str]:
    """The code and the words of a refusal; its status when it has none."""
    try:
        error = orjson.loads(answer.body)["errors"][0]
        return int(error["code"]), str(error.get("message", ""))
    except (KeyError, IndexError, TypeError, ValueError):
        return answer.status, ""


def _json(answer: Answer) -> Any:
    if answer.status != 200:
        raise refused(answer, f"code {_error(answer)[0]}")
    try:
        return orjson.loads(answer.body)
    except ValueError:
        raise garbled("no JSON") from None


def _xml(answer: Answer) -> Any:
    if answer.status != 200:
        raise refused(answer)
    try:
        return forms.parse(answer.body)
    except ValueError as error:
        raise garbled(str(error)) from None
