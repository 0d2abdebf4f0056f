"""What the Graph API tells about accounts and numbers: reads, page by page.

Source: "WhatsApp Business Management API" of Meta. An account may be read 200
times an hour, so nothing here is on a guest's way.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import orjson

from meshkit.errors import FailedPrecondition, Unavailable
from meshkit.redaction import REDACTED, redact
from services.messaging.whatsapp.codes import Reaction, reaction_to

TEMPLATE_FIELDS = (
    "id,name,language,status,category,quality_score,rejected_reason,parameter_format,components"
)
PAGE = 100
PROBE_WORD = "conserje-number-verify"
"""No gateway has it for its verify token."""
MOST_SAID = 200
"""So much of what Meta says of an error is told."""
MOST_PAGES = 100
"""An account has up to 6,000 templates; what goes on longer is a circle."""


_TOKEN = re.compile(r"\bEAA[A-Za-z0-9_-]*")
"""How Meta's tokens begin."""


class GraphReader:
    """Reads over the pooled session that sends."""

    def __init__(self, session: aiohttp.ClientSession, *, base_url: str, version: str) -> None:
        self._session = session
        self._base = f"{base_url.rstrip('/')}/{version}"

    def templates(self, account_id: str, token: str) -> AsyncIterator[list[dict[str, Any]]]:
        """The templates of an account, a page at a time; `token` is that of one of its numbers."""
        return self.pages(f"{account_id}/message_templates", {"fields": TEMPLATE_FIELDS}, token)

    async def token_facts(self, token: str) -> dict[str, Any]:
        """What Meta says of a token: whether it is valid, what it may, how long."""
        return await self.get("debug_token", {"input_token": token}, token)

    async def probe(self, url: str) -> int:
        """The HTTP status of a webhook's answer to a wrong verify token; 0 without one.

        No token of Meta goes there: the address is whatever somebody has typed.
        """
        asked = {"hub.mode": "subscribe", "hub.challenge": "1", "hub.verify_token": PROBE_WORD}
        try:
            async with self._session.get(url, params=asked, allow_redirects=False) as response:
                return response.status
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return 0

    async def pages(
        self, path: str, params: Mapping[str, str], token: str
    ) -> AsyncIterator[list[dict[str, Any]]]:
        """A list of the Graph API, a page at a time."""
        asked = {**params, "limit": str(PAGE)}
        for _ in range(MOST_PAGES):
            page = await self.get(path, asked, token)
            found = page.get("data")
            yield [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
            paging = page.get("paging")
            if not isinstance(paging, dict) or not paging.get("next"):
                return
            after = paging.get("cursors", {}).get("after")
            if not after or after == asked.get("after"):
                return
            asked["after"] = str(after)

    async def get(self, path: str, params: dict[str, str], token: str) -> dict[str, Any]:
        """One object of the Graph API.

        Raises `FailedPrecondition` GRAPH_REFUSED with Meta's code, `Unavailable`
        GRAPH_AWAY when it does not answer or says that it cannot now.
        """
        url = f"{self._base}/{path}"
        headers = {"Authorization": f"Bearer {token}"}
        try:
            async with self._session.get(url, params=params, headers=headers) as response:
                return object_of(response.status, await response.read(), token)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable("GRAPH_AWAY", f"Meta: {type(error).__name__}") from error


def object_of(status: int, body: bytes, token: str) -> dict[str, Any]:
    """What an answer of the Graph API tells; raises as `GraphReader.get` does."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        value = None
    answer: dict[str, Any] = value if isinstance(value, dict) else {}
    error = answer.get("error")
    if isinstance(error, dict) and isinstance(error.get("code"), int):
        told = f"code {error['code']}{_sentence(error, token)}"
        if reaction_to(error) is Reaction.RETRY:
            raise Unavailable("GRAPH_AWAY", f"Meta cannot now: {told}")
        raise FailedPrecondition("GRAPH_REFUSED", f"Meta refuses: {told}", code=error["code"])
    if status != 200 or value is None:
        raise Unavailable("GRAPH_AWAY", f"Meta answered HTTP {status}")
    return answer


def _sentence(error: dict[str, Any], token: str) -> str:
    """What Meta says of it, in brackets; it may repeat the token, and what a number is."""
    said = error.get("message")
    if not isinstance(said, str) or not said:
        return ""
    words = redact(_TOKEN.sub(REDACTED, said.replace(token, REDACTED) if token else said))
    return f" ({words[:MOST_SAID]})"
