"""Signed webhooks as Meta posts them, each with ids that were never used before."""

from __future__ import annotations

import hmac
import itertools
import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.demo import HOTELS, DemoHotel

GUESTS = 2_000
"""So many guests write in turn: most are known already, as in a hotel's day."""
MESSAGES_PER_CHANGE = 5


_PRICING = {"billable": True, "pricing_model": "PMP", "category": "service", "type": "regular"}


@dataclass(frozen=True, slots=True)
class Sent:
    """A message of ours that WhatsApp has accepted."""

    hotel: DemoHotel
    wamid: str
    opaque: str
    """Our own name of it."""
    to: str


class Writer:
    """Makes the messages of one run of the bench."""

    def __init__(self, secret: str, hotels: Sequence[DemoHotel] = HOTELS) -> None:
        """To these hotels, in turn."""
        self._secret = secret.encode()
        self._hotels = hotels
        # Ids are as long as Meta's, 61 characters.
        self._run = secrets.token_hex(8)
        self._numbers = itertools.count()

    def requests(self, host: str, path: str, *, count: int, items: int) -> list[bytes]:
        """`count` raw HTTP requests with `items` messages each."""
        return [self.request(host, path, self.body(items)) for _ in range(count)]

    def body(self, items: int) -> bytes:
        """A body with so many messages, several to a change."""
        numbers = list(itertools.islice(self._numbers, items))
        changes = [
            numbers[first : first + MESSAGES_PER_CHANGE]
            for first in range(0, items, MESSAGES_PER_CHANGE)
        ]
        entries = [
            self._entry(self._hotels[change[0] % len(self._hotels)], change) for change in changes
        ]
        return _body(entries)

    def one(self) -> tuple[bytes, str]:
        """A body with one message, and who writes it."""
        number = next(self._numbers)
        hotel = self._hotels[number % len(self._hotels)]
        return _body([self._entry(hotel, [number])]), guest(number)

    def status(self, sent: Sent, word: str) -> bytes:
        """A body with one status of a message of ours."""
        value = _value(sent.hotel, contacts=[{"wa_id": sent.to}], statuses=[_status(sent, word)])
        return _body([_entry(sent.hotel, value)])

    def signature(self, body: bytes) -> str:
        """The value of `X-Hub-Signature-256`."""
        return "sha256=" + hmac.digest(self._secret, body, "sha256").hex()

    def request(self, host: str, path: str, body: bytes) -> bytes:
        """A raw HTTP request that posts a body."""
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
            f"X-Hub-Signature-256: {self.signature(body)}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def _entry(self, hotel: DemoHotel, numbers: Sequence[int]) -> dict[str, Any]:
        contacts = [_contact(number) for number in numbers]
        messages = [self._message(number) for number in numbers]
        return _entry(hotel, _value(hotel, contacts=contacts, messages=messages))

    def _message(self, number: int) -> dict[str, Any]:
        return {
            "from": guest(number),
            "id": f"wamid.HBgLMzQ2MDAwMDAwMDAVAgASGBQ{self._run}{number:012x}",
            "timestamp": str(int(time.time())),
            "text": {"body": "Hola, ¿tienen habitación para el fin de semana?"},
            "type": "text",
        }


def guest(number: int) -> str:
    """The phone number of the guest who writes message `number`."""
    return f"34600{number % GUESTS:06d}"


def _body(entries: Sequence[dict[str, Any]]) -> bytes:
    body = {"object": "whatsapp_business_account", "entry": entries}
    return json.dumps(body, separators=(",", ":")).encode()


def _entry(hotel: DemoHotel, value: dict[str, Any]) -> dict[str, Any]:
    change = {"value": value, "field": "messages"}
    return {"id": hotel.whatsapp_business_account_id, "changes": [change]}


def _value(hotel: DemoHotel, **items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    metadata = {
        "display_phone_number": hotel.display_phone_number,
        "phone_number_id": hotel.phone_number_id,
    }
    return {"messaging_product": "whatsapp", "metadata": metadata, **items}


def _status(sent: Sent, word: str) -> dict[str, Any]:
    status: dict[str, Any] = {
        "id": sent.wamid,
        "status": word,
        "timestamp": str(int(time.time())),
        "recipient_id": sent.to,
        "biz_opaque_callback_data": sent.opaque,
    }
    if word != "read":
        status["pricing"] = _PRICING
    return status


def _contact(number: int) -> dict[str, Any]:
    return {"profile": {"name": f"Guest {number % GUESTS}"}, "wa_id": guest(number)}
