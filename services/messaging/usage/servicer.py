"""The RPCs of usage: protobuf in, protobuf out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import grpc
from conserje.messaging.v1 import usage_service_pb2 as pb
from conserje.messaging.v1.usage_service_pb2_grpc import UsageServiceServicer

from copies.directory import Directory
from meshkit import dates
from meshkit.clock import Clock
from meshkit.errors import InvalidArgument
from services.messaging.store.usage import UsageStore
from services.messaging.usage.meter import total_billable
from services.messaging.usage.model import (
    FREE_MESSAGES,
    REGULAR,
    SERVICE,
    Count,
    billable,
    month_of,
)

Context = grpc.aio.ServicerContext[Any, Any]


class UsageServicer(UsageServiceServicer):
    """`conserje.messaging.v1.UsageService`."""

    def __init__(self, store: UsageStore, directory: Directory, clock: Clock) -> None:
        self._store = store
        self._directory = directory
        self._clock = clock

    async def GetUsage(self, request: pb.GetUsageRequest, context: Context) -> pb.GetUsageResponse:
        """A month of a hotel."""
        plan = await self._store.plan(request.tenant_id)
        zone = plan.time_zone if plan else await self._zone(request.tenant_id)
        month = month_of(self._clock.now(), zone)
        if request.HasField("month"):
            month = dates.to_date(request.month, "month").replace(day=1)
        counts = await self._store.month(request.tenant_id, month)
        answer = pb.GetUsageResponse(
            time_zone=zone,
            numbers=_numbers(counts),
            billable_count=total_billable(counts),
            cap_count=(plan.cap_count or 0) if plan else 0,
        )
        dates.from_date(month, answer.month)
        return answer

    async def SetUsageCap(
        self, request: pb.SetUsageCapRequest, context: Context
    ) -> pb.SetUsageCapResponse:
        """What a hotel expects at most."""
        try:
            ZoneInfo(request.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise InvalidArgument.field("time_zone", "is no IANA time zone") from error
        cap = request.cap_count or None
        await self._store.set_plan(request.tenant_id, cap, request.time_zone)
        return pb.SetUsageCapResponse()

    async def _zone(self, tenant_id: str) -> str:
        """The hotel's own, where nobody has said which one Meta counts in."""
        for record in await self._directory.records():
            if record.tenant_id == tenant_id:
                return record.time_zone
        return "UTC"


def _numbers(counts: Sequence[Count]) -> Iterator[pb.NumberUsage]:
    for number, mine in groupby(counts, key=lambda one: one.phone_number_id):
        rows = list(mine)
        service = sum(
            one.message_count
            for one in rows
            if (one.category, one.pricing_type) == (SERVICE, REGULAR)
        )
        yield pb.NumberUsage(
            phone_number_id=number,
            counts=[
                pb.UsageCount(
                    category=one.category,
                    pricing_type=one.pricing_type,
                    message_count=one.message_count,
                )
                for one in rows
            ],
            billable_count=billable(rows),
            free_left_count=max(0, FREE_MESSAGES - service),
        )
