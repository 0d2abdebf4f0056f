"""Guests with phones, for tests that hold a conversation."""

from __future__ import annotations

import itertools
from typing import Any

from sandbox.mesh import Mesh

MIRADOR = "100000000000001"
LUNA = "100000000000002"

# No body of tests/data is from one of these, and their answers are not taken for a guest's own.
_numbers = itertools.count(34_640_000_000)


class Guest:
    """One phone. Each call sends something and gives the one reply to it."""

    def __init__(self, mesh: Mesh, phone_number_id: str = MIRADOR, wa_id: str = "") -> None:
        self.wa_id = wa_id or str(next(_numbers))
        self.last: Reply = Reply({})
        self.wamid = ""
        self._graph = mesh.graph
        self._hotel = phone_number_id
        self._seen = 0

    async def say(self, text: str, timeout: float = 20) -> Reply:
        """Type a message."""
        return await self._send(timeout, text=text)

    async def tap(self, reply_id: str, timeout: float = 20) -> Reply:
        """Tap a button or a row of the last reply."""
        kind = "list" if reply_id in self.last.rows else "button"
        title = {**self.last.rows, **self.last.buttons}[reply_id]
        return await self._send(timeout, tap={"id": reply_id, "title": title, "kind": kind})

    async def hears(self, timeout: float = 20) -> Reply:
        """What comes next, without being asked."""
        (found,) = await self._graph.replies(self.wa_id, 1, self._seen, timeout)
        self._seen = found["number"]
        self.last = Reply(found["body"])
        return self.last

    async def _send(self, timeout: float, **asked: Any) -> Reply:
        sent = await self._graph.send(self.wa_id, self._hotel, **asked)
        self.wamid = sent["id"]
        return await self.hears(timeout)


class Reply:
    """What the guest's phone shows."""

    def __init__(self, body: dict[str, Any]) -> None:
        interactive = body.get("interactive", {})
        action = interactive.get("action", {})
        self.text: str = body.get("text", {}).get("body") or interactive.get("body", {}).get(
            "text", ""
        )
        self.rows: dict[str, str] = {
            row["id"]: row["title"]
            for section in action.get("sections", ())
            for row in section["rows"]
        }
        self.descriptions: dict[str, str] = {
            row["id"]: row.get("description", "")
            for section in action.get("sections", ())
            for row in section["rows"]
        }
        self.buttons: dict[str, str] = {
            button["reply"]["id"]: button["reply"]["title"] for button in action.get("buttons", ())
        }

    def row(self, words: str) -> str:
        """The id of the row whose title has these words; AssertionError when there is none."""
        found = [one for one, title in self.rows.items() if words.lower() in title.lower()]
        assert found, f"no row {words!r} among {list(self.rows.values())}: {self.text}"
        return found[0]

    def button(self, words: str) -> str:
        """The id of the button whose title has these words; AssertionError when there is none."""
        found = [one for one, title in self.buttons.items() if words.lower() in title.lower()]
        assert found, f"no button {words!r} among {list(self.buttons.values())}: {self.text}"
        return found[0]
