"""The Graph API: replies as its JSON, one request, and what its answer means.

200 means accepted, not delivered. A request without an answer is ambiguous
(the API has no idempotency key), so it is `Unknown` unless nothing can have
left this machine. Codes are classified as Meta documents them: on the code
alone, for titles and HTTP statuses mislead (throttling comes as 400).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, assert_never

import aiohttp
import orjson
from pydantic import SecretStr

from services.messaging.replies.model import Buttons, ListMenu, Reply, Text


class ErrorClass(Enum):
    """What to do about an error code."""

    RETRY = "retry"
    RETRY_PAIR = "retry_pair"
    SLOW_DOWN = "slow_down"
    CREDENTIALS = "credentials"
    REFUSED = "refused"


# Source: Meta's page of error codes, December 2025. What is not listed is
# refused: a request that was wrong once is wrong again.
RETRY_CODES = frozenset({1, 2, 4, 80007, 130429, 131000, 131016, 131057, 133004})
PAIR_CODE = 131056
NUMBER_CODE = 130429
SLOW_DOWN_CODES = frozenset({131048, 131064, 613})
CREDENTIAL_CODES = frozenset(
    {0, 3, 10, 190, 33, 368, 131005, 131031, 131037, 131042, 131045}
    | {133000, 133005, 133006, 133010, 133015, 133016}
    | set(range(200, 300))
)


@dataclass(frozen=True, slots=True)
class Accepted:
    """WhatsApp has taken it under this id; empty when the answer named none."""

    wamid: str


@dataclass(frozen=True, slots=True)
class Refused:
    """WhatsApp has certainly not taken it."""

    code: int
    error_class: ErrorClass
    detail: str


@dataclass(frozen=True, slots=True)
class Unsent:
    """Nothing was written to a socket."""

    detail: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something left, and what became of it is not known."""

    detail: str


Outcome = Accepted | Refused | Unsent | Unknown


class GraphClient:
    """Sends messages over one pooled session."""

    def __init__(
        self, session: aiohttp.ClientSession, *, base_url: str, version: str, token: SecretStr
    ) -> None:
        self._session = session
        self._base = f"{base_url.rstrip('/')}/{version}"
        self._headers = {
            "Authorization": f"Bearer {token.get_secret_value()}",
            "Content-Type": "application/json",
        }

    async def send(self, phone_number_id: str, body: bytes, traceparent: str) -> Outcome:
        """Send one message from a number; `body` names its recipient."""
        url = f"{self._base}/{phone_number_id}/messages"
        headers = {**self._headers, "traceparent": traceparent}
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
        return Refused(error["code"], classify(error), f"HTTP {status}")
    if status != 200:
        # A proxy's page, or an error without a code: the request may have got through.
        return Unknown(f"HTTP {status}") if status >= 500 else _refused_by(status)
    messages = answer.get("messages")
    first = messages[0] if isinstance(messages, list) and messages else None
    wamid = first.get("id") if isinstance(first, dict) else None
    return Accepted(wamid if isinstance(wamid, str) else "")


def classify(error: dict[str, Any]) -> ErrorClass:
    """What to do about an error object of the Graph API."""
    code = error["code"]
    if code == PAIR_CODE:
        return ErrorClass.RETRY_PAIR
    if code in SLOW_DOWN_CODES:
        return ErrorClass.SLOW_DOWN
    if code in RETRY_CODES or error.get("is_transient") is True:
        return ErrorClass.RETRY
    return ErrorClass.CREDENTIALS if code in CREDENTIAL_CODES else ErrorClass.REFUSED


def _refused_by(status: int) -> Refused:
    return Refused(-status, ErrorClass.REFUSED, f"HTTP {status}")


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def body_of(reply: Reply, opaque: str) -> tuple[str, bytes]:
    """The type of a reply and its JSON for the Graph API, all but the recipient."""
    kind, content = _content(reply)
    return kind, orjson.dumps(
        {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "type": kind,
            kind: content,
            "biz_opaque_callback_data": opaque,
        }
    )


def addressed(body: bytes, whatsapp_id: bytes | None, user_id: bytes | None) -> bytes:
    """The stored JSON with its recipient: a number in `to`, a user id in `recipient`."""
    if whatsapp_id:
        field, value = b'"to"', whatsapp_id
    elif user_id:
        field, value = b'"recipient"', user_id
    else:
        raise ValueError("a mailbox without an address")
    return b"{" + field + b":" + orjson.dumps(value.decode()) + b"," + body[1:]


def _content(reply: Reply) -> tuple[str, dict[str, Any]]:
    match reply:
        case Text():
            return "text", {"body": reply.body, "preview_url": False}
        case Buttons():
            buttons = [
                {"type": "reply", "reply": {"id": button.id, "title": button.title}}
                for button in reply.buttons
            ]
            return "interactive", _interactive("button", reply.body, {"buttons": buttons})
        case ListMenu():
            sections = [{"rows": [_row(row.id, row.title, row.description) for row in reply.rows]}]
            action = {"button": reply.button, "sections": sections}
            return "interactive", _interactive("list", reply.body, action)
        case _:
            assert_never(reply)


def _interactive(kind: str, body: str, action: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "body": {"text": body}, "action": action}


def _row(row_id: str, title: str, description: str) -> dict[str, str]:
    row = {"id": row_id, "title": title}
    return {**row, "description": description} if description else row
