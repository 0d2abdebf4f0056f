"""The control API of the fake system, for tests and demos."""

from types import TracebackType
from typing import Any, Self

import aiohttp


class PmsControl:
    """Hotels, failures and bookkeeping."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Opens a session."""
        self._session = aiohttp.ClientSession(raise_for_status=True)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Closes it."""
        if self._session is not None:
            await self._session.close()

    async def property(self, property_id: str, rooms: dict[str, int], **more: Any) -> None:
        """A hotel with so many rooms of each type, and an empty book; its secret is its id."""
        types = [
            {"room_type_id": one, "name": one.title(), "max_guest_count": 4, "room_count": count}
            for one, count in rooms.items()
        ]
        hotel = {"property_id": property_id, "secret": property_id, "room_types": types, **more}
        await self._call("PUT", "properties", [hotel])

    async def fault(self, kind: str, **more: Any) -> None:
        """One thing that goes wrong."""
        await self._call("POST", "faults", {"kind": kind, **more})

    async def chance(self, share: float, **more: Any) -> None:
        """Things go wrong at random."""
        await self._call("PUT", "faults", {"share": share, **more})

    async def mode(self, mode: str, **more: str) -> None:
        """Up, down, or half down; and which QloApps it plays."""
        await self._call("PUT", "mode", {"mode": mode, **more})

    async def restart(self, seconds: float) -> None:
        """Away for so long."""
        await self._call("POST", "restart", {"seconds": seconds})

    async def book(self, property_id: str, room_type_id: str, **more: Any) -> dict[str, Any]:
        """A booking at the desk."""
        booking: dict[str, Any] = await self._call(
            "POST", "bookings", {"property_id": property_id, "room_type_id": room_type_id, **more}
        )
        return booking

    async def cancel(self, property_id: str, booking_id: str) -> None:
        """The desk cancels."""
        await self._call("DELETE", f"bookings?property_id={property_id}&booking_id={booking_id}")

    async def bookings(self, property_id: str, *, active: bool = True) -> list[dict[str, Any]]:
        """What is in its book."""
        told = await self._call("GET", f"bookings?property_id={property_id}")
        return [one for one in told["bookings"] if one["state"] == "booked" or not active]

    async def history(self, property_id: str) -> list[dict[str, Any]]:
        """Every version of every booking, with its `time`, oldest first."""
        told = await self._call("GET", f"history?property_id={property_id}")
        return list(told["versions"])

    async def report(self) -> dict[str, Any]:
        """Counters."""
        told: dict[str, Any] = await self._call("GET", "report")
        return told

    async def _call(self, method: str, path: str, body: Any = None) -> Any:
        assert self._session is not None, "use it with `async with`"
        url = f"{self._address}/control/{path}"
        async with self._session.request(method, url, json=body) as response:
            return await response.json()
