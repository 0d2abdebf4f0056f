"""Protobuf in, protobuf out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import grpc
import structlog
from conserje.tenant.v1.tenant_service_pb2 import (
    BatchResolveTenantsRequest,
    BatchResolveTenantsResponse,
    ResolveTenantRequest,
    ResolveTenantResponse,
    WatchTenantsRequest,
    WatchTenantsResponse,
)

from meshkit.batch import serve_batch
from meshkit.errors import MeshError
from meshkit.watch import NOTHING, Part
from services.tenant.answers import Answers, to_batch, to_record
from services.tenant.changes import Change, Changes, Removed
from services.tenant.domain import DOMAIN, Directory, Number, Snapshot, TenantState
from services.tenant.hotels.import_store import ImportStore
from services.tenant.hotels.servicer import HotelServicer
from services.tenant.hotels.store import HotelStore
from services.tenant.identifiers.store import IdentifierStore
from services.tenant.metrics import Found, TenantMetrics
from services.tenant.questions import answer, is_guest

SERVICE = "conserje.tenant.v1.TenantService"

MOST_REPORTED = 100
"""Pairs of number and account; whoever sends more of them is noticed by the first."""

log = structlog.get_logger()

Context = grpc.aio.ServicerContext[Any, Any]


class TenantServicer(HotelServicer):
    """`conserje.tenant.v1.TenantService`; whose number it is, is answered from memory."""

    def __init__(
        self,
        directory: Directory,
        hotels: HotelStore,
        identifiers: IdentifierStore,
        imports: ImportStore,
        metrics: TenantMetrics,
        changes: Changes,
        look: Callable[[], None],
    ) -> None:
        """`look` has the database asked for a newer directory soon."""
        super().__init__(hotels, identifiers, imports)
        self._directory = directory
        self._metrics = metrics
        self._changes = changes
        self._look = look
        self._answers = Answers()
        metrics.answers_kept.set_function(lambda: self._answers.kept)
        self._mismatches = _Mismatches()

    async def ResolveTenant(
        self, request: ResolveTenantRequest, context: Context
    ) -> ResolveTenantResponse:
        """The owner of one number."""
        with self._metrics.resolution_latency.time():
            snapshot = self._directory.snapshot
            (number,) = self._resolve([request], snapshot)
            if isinstance(number, MeshError):
                raise number
            return self._answers.response(number, snapshot)

    async def BatchResolveTenants(
        self, request: BatchResolveTenantsRequest, context: Context
    ) -> BatchResolveTenantsResponse:
        """The owners of many numbers, all as of the same snapshot."""
        with self._metrics.resolution_latency.time():
            return to_batch(await serve_batch(request, self._decide, DOMAIN))

    async def WatchTenants(
        self, request: WatchTenantsRequest, context: Context
    ) -> AsyncIterator[WatchTenantsResponse]:
        """The directory from a version on, for as long as it is listened to."""
        after = request.after_version if request.HasField("after_version") else NOTHING
        async for part in self._changes.watch(after, self._look):
            yield _to_message(part, self._directory.snapshot)

    async def _decide(self, items: Sequence[ResolveTenantRequest]) -> list[bytes | MeshError]:
        snapshot, result = self._directory.snapshot, self._answers.result
        return [
            one if isinstance(one, MeshError) else result(one, snapshot)
            for one in self._resolve(items, snapshot)
        ]

    def _resolve(
        self, items: Sequence[ResolveTenantRequest], snapshot: Snapshot
    ) -> list[Number | MeshError]:
        numbers: list[Number | MeshError] = []
        found = Found()
        for item in items:
            try:
                number = answer(snapshot, item)
            except MeshError as error:
                self._metrics.count_error(error)
                self._mismatches.report(item, error, snapshot)
                numbers.append(error)
                continue
            if number.state is not TenantState.ACTIVE:
                found.suspended += 1
            elif is_guest(item, number):
                found.guests += 1
            else:
                found.hits += 1
            numbers.append(number)
        self._metrics.count_found(found)
        return numbers


class _Mismatches:
    """Numbers that were seen under accounts not their own."""

    def __init__(self) -> None:
        self._told: set[tuple[str, str]] = set()
        self._of: Snapshot | None = None

    def report(self, asked: ResolveTenantRequest, error: MeshError, snapshot: Snapshot) -> None:
        """Log one, once for each snapshot."""
        if self._of is not snapshot:
            self._told, self._of = set(), snapshot
        pair = (asked.phone_number_id, asked.whatsapp_business_account_id)
        if error.reason != "WABA_MISMATCH" or pair in self._told:
            return
        if len(self._told) < MOST_REPORTED:
            self._told.add(pair)
            # By these names both keep their digits, see `meshkit.redaction`.
            log.warning(
                "number under another account",
                phone_number_id=pair[0],
                whatsapp_business_account_id=pair[1],
            )


def _to_message(part: Part[Change], snapshot: Snapshot) -> WatchTenantsResponse:
    message = WatchTenantsResponse(
        version=part.version, after_version=part.after_version, whole=part.whole, more=part.more
    )
    message.as_of.FromDatetime(snapshot.read_time)
    for item in part.items:
        if isinstance(item, Removed):
            message.removed_phone_number_ids.append(item.phone_number_id)
        else:
            message.routing_records.append(to_record(item))
    return message
