"""One message's way through the service, told from its rows."""

from __future__ import annotations

import hashlib

from conserje.messaging.v1.messaging_service_pb2 import Hop, TraceMessageResponse

from meshkit.errors import NotFound
from meshkit.telemetry import trace_id
from services.messaging.store.trace import HopRow, Subject, TraceStore


class Tracer:
    """Answers operators; needs no tracing backend."""

    def __init__(self, store: TraceStore) -> None:
        self._store = store

    async def by_wamid(self, wamid: str) -> TraceMessageResponse:
        """By the wamid of a message, a guest's or ours."""
        return await self._tell(await self._store.by_wamid(_item_keys(wamid), wamid.encode()))

    async def by_code(self, code: str) -> TraceMessageResponse:
        """By the code a guest was told; case, spaces and dashes do not matter."""
        plain = code.upper().replace(" ", "").replace("-", "")
        return await self._tell(await self._store.by_code(plain))

    async def _tell(self, subject: Subject | None) -> TraceMessageResponse:
        if subject is None:
            raise NotFound("MESSAGE_UNKNOWN", "Nothing is known by that name.")
        trace = trace_id(subject.traceparent)
        hops = await self._store.hops(subject, trace)
        return TraceMessageResponse(
            tenant_id=subject.tenant_id,
            trace_id=trace,
            hops=[_hop(hop) for hop in hops],
            conversation_id=subject.mailbox_id,
        )


def _item_keys(wamid: str) -> tuple[bytes, bytes]:
    """The keys that a gateway may have given a message of that wamid: plain, or hashed if long."""
    plain = b"m" + wamid.encode()
    return plain, b"M" + hashlib.sha256(plain).digest()


def _hop(row: HopRow) -> Hop:
    hop = Hop(name=row.name, detail=row.detail)
    hop.time.FromDatetime(row.time)
    return hop
