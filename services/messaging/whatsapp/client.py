"""The Graph API: one request, and what its answer means.

200 means accepted, not delivered. A request without an answer is ambiguous
(the API has no idempotency key), so it is `Unknown` unless nothing can have
left this machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from services.messaging.whatsapp.codes import Reaction, reaction_to


@dataclass(frozen=True, slots=True)
class Accepted:
    """WhatsApp has taken it under this id; empty when the answer named none."""

    wamid: str


@dataclass(frozen=True, slots=True)
class Refused:
    """WhatsApp has certainly not taken it."""

    code: int
    reaction: Reaction
    detail: str


@dataclass(frozen=True, slots=True)
class Unsent:
    """Nothing was written to a socket."""

    detail: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something left, and what became of it is not known."""

    detail: str


# What stands between us and Meta says so of its own: not now.
NOT_NOW = (408, 425, 429)

Outcome = Accepted | Refused | Unsent | Unknown


class GraphClient:
    """Sends messages over one pooled session."""

    def __init__(self, session: aiohttp.ClientSession, *, base_url: str, version: str) -> None:
        self._session = session
        self._base = base_url.rstrip("/")
        self._version = version

    async def send(
        self, phone_number_id: str, body: bytes, *, token: str, traceparent: str, version: str = ""
    ) -> Outcome:
        """Send one message from a number, with its token; `body` names its recipient.

        An empty `version` of the API is that of all numbers that have none of their own.
        """
        url = f"{self._base}/{version or self._version}/{phone_number_id}/messages"
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "traceparent": traceparent,
        }
        try:
            async with self._session.post(url, data=body, headers=headers) as response:
                return outcome_of(response.status, await response.read())
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return Unsent(type(error).__name__)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Unknown(type(error).__name__)


def outcome_of(status: int, body: bytes) -> Outcome:
    """What an answer of the Graph API means."""
    answer = _object(body)
    error = answer.get("error")
    if isinstance(error, dict) and isinstance(error.get("code"), int):
        return Refused(error["code"], reaction_to(error), f"HTTP {status}")
    if status != 200:
        # A proxy's page, or an error without a code: the request may have got through.
        return Unknown(f"HTTP {status}") if status >= 500 else _refused_by(status)
    messages = answer.get("messages")
    first = messages[0] if isinstance(messages, list) and messages else None
    wamid = first.get("id") if isinstance(first, dict) else None
    return Accepted(wamid if isinstance(wamid, str) else "")


def _refused_by(status: int) -> Refused:
    reaction = Reaction.RETRY if status in NOT_NOW else Reaction.NEVER
    return Refused(-status, reaction, f"HTTP {status}")


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
