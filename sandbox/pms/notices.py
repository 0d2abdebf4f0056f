"""Tells Conserje that something has changed, as the document has it under `webhooks`."""

import asyncio
import base64
import hmac
import json
import time
import uuid
from collections import Counter

import aiohttp

ATTEMPTS = 6
FIRST_PAUSE = 0.2
"""Seconds; each pause is twice the last one."""
FINAL = (200, 401, 409, 413)
"""Statuses after which a notice is not sent again."""


def headers(secret: str, notice_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """What proves a body: the signature of Standard Webhooks."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join((notice_id.encode(), str(timestamp).encode(), body))
    signature = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    return {
        "Content-Type": "application/json",
        "webhook-id": notice_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{signature}",
    }


class Teller:
    """Sends notices, each until it is taken or refused."""

    def __init__(self) -> None:
        self.told: Counter[str] = Counter()
        """Answers by status; `away` where there was none."""
        self._session: aiohttp.ClientSession | None = None
        self._sending: set[asyncio.Task[None]] = set()

    def tell(self, url: str, secret: str, property_id: str) -> None:
        """Something has changed in a hotel."""
        task = asyncio.create_task(self._send(url, secret, property_id))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def close(self) -> None:
        """Send nothing more."""
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def _send(self, url: str, secret: str, property_id: str) -> None:
        notice_id = f"n-{uuid.uuid4()}"
        body = json.dumps({"type": "bookings.changed", "property_id": property_id}).encode()
        for attempt in range(ATTEMPTS):
            status = await self._post(url, body, headers(secret, notice_id, int(time.time()), body))
            self.told[str(status) if status else "away"] += 1
            if status in FINAL:
                return
            await asyncio.sleep(FIRST_PAUSE * 2**attempt)

    async def _post(self, url: str, body: bytes, headers: dict[str, str]) -> int:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5))
        try:
            async with self._session.post(url, data=body, headers=headers) as response:
                return response.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 0
