"""What the fake Graph API remembers, all of it bounded."""

import asyncio
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeVar

from sandbox.graph.limits import recipient_of

EntryT = TypeVar("EntryT")


def new_wamid() -> str:
    """An id of a message; random, so that it tells nothing about the guest."""
    return "wamid." + urlsafe_b64encode(b"\x1d\x07" + secrets.token_bytes(22)).decode()


@dataclass(frozen=True)
class Accepted:
    """One send that was accepted: the guest's phone shows it."""

    number: int
    wamid: str
    phone_number_id: str
    to: str
    """The guest's phone number, digits only; empty when sent to a user id."""
    user_id: str
    """The guest's business-scoped user id; empty when sent to a phone number."""
    biz_opaque_callback_data: str
    traceparent: str
    time: float
    body: dict[str, Any]

    @classmethod
    def of(
        cls, number: int, phone_number_id: str, body: dict[str, Any], traceparent: str
    ) -> "Accepted":
        """The record of a body that was found to be good."""
        to, user_id = recipient_of(body)
        return cls(
            number=number,
            wamid=new_wamid(),
            phone_number_id=phone_number_id,
            to=to,
            user_id=user_id,
            biz_opaque_callback_data=str(body.get("biz_opaque_callback_data") or ""),
            traceparent=traceparent,
            time=time.time(),
            body=body,
        )

    def to_json(self) -> dict[str, Any]:
        """As the control API and the journal tell it."""
        return asdict(self)


class Ledger(Generic[EntryT]):
    """An append-only list with numbers from 1 that forgets its beginning."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._entries: list[EntryT] = []
        self._news = asyncio.Event()
        self.forgotten = 0

    @property
    def total(self) -> int:
        """How many entries there have been; also the number of the newest one."""
        return self.forgotten + len(self._entries)

    def append(self, entry: EntryT) -> None:
        """Adds an entry and wakes who waits for it."""
        self._entries.append(entry)
        # Dropping half at a time keeps both appending and reading by number cheap.
        if len(self._entries) >= 2 * self._keep:
            del self._entries[: self._keep]
            self.forgotten += self._keep
        self._news.set()
        self._news = asyncio.Event()

    def after(self, number: int) -> Iterable[EntryT]:
        """Entries with higher numbers than that one, as far as they are remembered."""
        return self._entries[max(0, number - self.forgotten) :]

    async def more(self, timeout: float) -> bool:
        """Waits for the next entry; False when none came in time."""
        try:
            await asyncio.wait_for(self._news.wait(), timeout)
        except TimeoutError:
            return False
        return True
