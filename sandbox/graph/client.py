"""A client of the control API, for tests, benches and the chat."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import aiohttp


class GraphControl:
    """The guests' phones and the failures of one fake Graph API."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "GraphControl":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def say(self, wa_id: str, text: str, phone_number_id: str = "", **more: Any) -> str:
        """A guest types; returns the wamid. `more`: see `guest_sends` of the control API."""
        return str((await self.send(wa_id, phone_number_id, text=text, **more))["id"])

    async def tap(self, wa_id: str, reply_id: str, phone_number_id: str = "", **more: Any) -> str:
        """A guest taps; returns the wamid. `more`: title, description, kind, context."""
        tap = {"id": reply_id, "title": reply_id, **more}
        return str((await self.send(wa_id, phone_number_id, tap=tap))["id"])

    async def send(self, wa_id: str, phone_number_id: str = "", **asked: Any) -> dict[str, Any]:
        """Anything a guest can send; returns `id` and `delivered`."""
        body = {"phone_number_id": phone_number_id, **asked}
        return await self._ask("POST", f"/control/guests/{wa_id}/send", json=body)

    async def messages(
        self, after: int = 0, to: str = "", phone_number_id: str = "", wait: float = 0
    ) -> tuple[list[dict[str, Any]], int]:
        """What phones received after that number, and the number to go on from."""
        query = {"after": after, "to": to, "phone_number_id": phone_number_id, "wait": wait}
        answer = await self._ask("GET", "/control/messages", params=query)
        return answer["messages"], answer["next"]

    async def replies(
        self, to: str, count: int = 1, after: int = 0, timeout: float = 10
    ) -> list[dict[str, Any]]:
        """The next `count` messages to a guest; TimeoutError when they do not come."""
        found: list[dict[str, Any]] = []
        until = time.monotonic() + timeout
        while len(found) < count:
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"{len(found)} of {count} replies came in {timeout} s")
            more, after = await self.messages(after, to, wait=left)
            found += more
        return found

    async def accepted(self) -> list[dict[str, Any]]:
        """Every accepted send that is remembered."""
        found: list[dict[str, Any]] = []
        after, total = 0, 1
        while after < total:
            answer = await self._ask("GET", "/control/accepted", params={"after": after})
            found += answer["messages"]
            after, total = answer["next"], answer["total"]
        return found

    async def marks(self) -> list[dict[str, Any]]:
        """The read marks and typing indicators, newest last."""
        return list((await self._ask("GET", "/control/marks"))["marks"])

    async def fault(self, kind: str, **fields: Any) -> None:
        """The next sends fail; see `sandbox.graph.faults`."""
        await self._ask("POST", "/control/faults", json={"kind": kind, **fields})

    async def clear_faults(self) -> None:
        """From now on everything works."""
        await self._ask("DELETE", "/control/faults")

    async def set_numbers(self, numbers: Sequence[dict[str, str]]) -> None:
        """Adds business numbers: phone_number_id, waba_id, display_phone_number."""
        await self._ask("PUT", "/control/numbers", json=list(numbers))

    async def set_templates(self, waba_id: str, templates: Sequence[dict[str, Any]]) -> None:
        """The templates of an account: `name`, and `language`, `body`, `status` if not as usual."""
        await self._ask("PUT", f"/control/templates/{waba_id}", json=list(templates))

    async def change_template(self, waba_id: str, name: str, **changes: str) -> None:
        """Changes `status`, `quality` or `category`, and tells the gateway."""
        await self._ask("POST", f"/control/templates/{waba_id}/{name}", json=changes)

    async def add_media(self, phone_number_id: str, mime_type: str, data: bytes) -> dict[str, Any]:
        """Keeps a guest's file; returns what a message needs of it: id, mime_type, sha256."""
        query = {"phone_number_id": phone_number_id, "mime_type": mime_type}
        return await self._ask("POST", "/control/media", params=query, data=data)

    async def settings(self, **fields: Any) -> None:
        """Changes `webhook_url` or `pair_limit`."""
        await self._ask("PUT", "/control/settings", json=fields)

    async def report(self) -> dict[str, Any]:
        """Counters."""
        return await self._ask("GET", "/control/report")

    async def settled(self, timeout: float = 10) -> None:
        """Waits until the gateway has taken every webhook item."""
        until = time.monotonic() + timeout
        while (waiting := (await self.report())["webhook_items_waiting"]) > 0:
            if time.monotonic() > until:
                raise TimeoutError(f"{waiting} webhook items still wait for the gateway")
            await asyncio.sleep(0.02)

    async def _ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=90))
        async with self._session.request(method, self.address + path, **options) as response:
            if response.status != 200:
                raise ValueError(f"{method} {path}: {response.status} {await response.text()}")
            answer: dict[str, Any] = await response.json()
            return answer
