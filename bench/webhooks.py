"""Signed webhooks as Meta posts them, each with ids that were never used before."""

from __future__ import annotations

import hmac
import itertools
import json
import secrets
import time
from collections.abc import Sequence
from typing import Any

from sandbox.demo import HOTELS, DemoHotel

GUESTS = 2_000
"""So many guests write in turn: most are known already, as in a hotel's day."""
MESSAGES_PER_CHANGE = 5


class Writer:
    """Makes the messages of one run of the bench."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._run = secrets.token_hex(12)
        self._numbers = itertools.count()

    def requests(self, host: str, path: str, *, count: int, items: int) -> list[bytes]:
        """`count` raw HTTP requests with `items` messages each."""
        return [self._request(host, path, self.body(items)) for _ in range(count)]

    def body(self, items: int) -> bytes:
        """A body with so many messages, several to a change."""
        numbers = list(itertools.islice(self._numbers, items))
        changes = [
            numbers[first : first + MESSAGES_PER_CHANGE]
            for first in range(0, items, MESSAGES_PER_CHANGE)
        ]
        entries = [self._entry(HOTELS[change[0] % len(HOTELS)], change) for change in changes]
        body = {"object": "whatsapp_business_account", "entry": entries}
        return json.dumps(body, separators=(",", ":")).encode()

    def signature(self, body: bytes) -> str:
        """The value of `X-Hub-Signature-256`."""
        return "sha256=" + hmac.digest(self._secret, body, "sha256").hex()

    def _request(self, host: str, path: str, body: bytes) -> bytes:
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
            f"X-Hub-Signature-256: {self.signature(body)}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def _entry(self, hotel: DemoHotel, numbers: Sequence[int]) -> dict[str, Any]:
        value = {
            "messaging_product": "whatsapp",
            "metadata": {
                "display_phone_number": hotel.display_phone_number,
                "phone_number_id": hotel.phone_number_id,
            },
            "contacts": [_contact(number) for number in numbers],
            "messages": [self._message(number) for number in numbers],
        }
        change = {"value": value, "field": "messages"}
        return {"id": hotel.whatsapp_business_account_id, "changes": [change]}

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


def _contact(number: int) -> dict[str, Any]:
    return {"profile": {"name": f"Guest {number % GUESTS}"}, "wa_id": guest(number)}
