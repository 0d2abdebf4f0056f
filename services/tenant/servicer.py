"""Protobuf in, protobuf out."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Any

import grpc
import structlog
from conserje.tenant.v1.tenant_pb2 import RoutingRecord
from conserje.tenant.v1.tenant_pb2 import TenantState as TenantStateMessage
from conserje.tenant.v1.tenant_service_pb2 import (
    BatchResolveTenantsRequest,
    BatchResolveTenantsResponse,
    ResolveTenantRequest,
    ResolveTenantResponse,
    ResolveTenantResult,
    WatchTenantsRequest,
    WatchTenantsResponse,
)
from google.rpc.status_pb2 import Status

from meshkit.batch import serve_batch
from meshkit.errors import MeshError
from meshkit.watch import NOTHING, Part
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
Outcome = ResolveTenantResult | MeshError
_Key = tuple[str, str, datetime | None]
_Answer = tuple[Number, datetime, ResolveTenantResult]

MOST_ANSWERS = 10_000
"""Some 10 MB."""


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
        self._answers = _Answers()

    async def ResolveTenant(
        self, request: ResolveTenantRequest, context: Context
    ) -> ResolveTenantResponse:
        """The owner of one number."""
        with self._metrics.resolution_latency.time():
            (outcome,) = self._resolve([request])
        if isinstance(outcome, MeshError):
            raise outcome
        return outcome.value

    async def BatchResolveTenants(
        self, request: BatchResolveTenantsRequest, context: Context
    ) -> BatchResolveTenantsResponse:
        """The owners of many numbers, all as of the same snapshot."""
        with self._metrics.resolution_latency.time():
            outcomes = await serve_batch(request, self._decide, DOMAIN)
            results = [
                ResolveTenantResult(error=one) if isinstance(one, Status) else one
                for one in outcomes
            ]
            return BatchResolveTenantsResponse(results=results)

    async def WatchTenants(
        self, request: WatchTenantsRequest, context: Context
    ) -> AsyncIterator[WatchTenantsResponse]:
        """The directory from a version on, for as long as it is listened to."""
        after = request.after_version if request.HasField("after_version") else NOTHING
        async for part in self._changes.watch(after, self._look):
            yield _to_message(part, self._directory.snapshot)

    async def _decide(self, items: Sequence[ResolveTenantRequest]) -> list[Outcome]:
        return self._resolve(items)

    def _resolve(self, items: Sequence[ResolveTenantRequest]) -> list[Outcome]:
        snapshot, answers = self._directory.snapshot, self._answers
        outcomes: list[Outcome] = []
        found = Found()
        for item in items:
            try:
                number = answer(snapshot, item)
            except MeshError as error:
                self._metrics.count_error(error)
                answers.report(item, error, snapshot)
                outcomes.append(error)
                continue
            if number.state is not TenantState.ACTIVE:
                found.suspended += 1
            elif is_guest(item, number):
                found.guests += 1
            else:
                found.hits += 1
            outcomes.append(answers.of(number, snapshot))
        self._metrics.count_found(found)
        return outcomes


class _Answers:
    """The messages about numbers and hotels, made when first asked for and then shared.

    Making one takes ten times as long as copying it into a batch. `MOST_ANSWERS` are kept.
    """

    def __init__(self) -> None:
        self._made: OrderedDict[_Key, _Answer] = OrderedDict()
        self._reported: set[tuple[str, str]] = set()
        self._reported_of: Snapshot | None = None

    def of(self, number: Number, snapshot: Snapshot) -> ResolveTenantResult:
        """The message about `number` as it is in `snapshot`; not to be changed."""
        key = (number.phone_number_id, number.tenant_id, number.until_time)
        known = self._made.get(key)
        if known is not None and known[0] is number and known[1] is snapshot.read_time:
            return known[2]
        made = ResolveTenantResult(value=_to_response(number, snapshot))
        self._made[key] = (number, snapshot.read_time, made)
        if len(self._made) > MOST_ANSWERS:
            self._made.popitem(last=False)
        return made

    def report(self, asked: ResolveTenantRequest, error: MeshError, snapshot: Snapshot) -> None:
        """Log a number that was seen under an account not its own, once for each snapshot."""
        if self._reported_of is not snapshot:
            self._reported, self._reported_of = set(), snapshot
        pair = (asked.phone_number_id, asked.whatsapp_business_account_id)
        if error.reason != "WABA_MISMATCH" or pair in self._reported:
            return
        if len(self._reported) < MOST_REPORTED:
            self._reported.add(pair)
            log.warning("number under another account", phone_number_id=pair[0], account_id=pair[1])


def _to_message(part: Part[Change], snapshot: Snapshot) -> WatchTenantsResponse:
    message = WatchTenantsResponse(
        version=part.version, after_version=part.after_version, whole=part.whole, more=part.more
    )
    message.as_of.FromDatetime(snapshot.read_time)
    for item in part.items:
        if isinstance(item, Removed):
            message.removed_phone_number_ids.append(item.phone_number_id)
        else:
            message.routing_records.append(_to_record(item))
    return message


def _to_response(number: Number, snapshot: Snapshot) -> ResolveTenantResponse:
    response = ResolveTenantResponse(routing_record=_to_record(number))
    response.as_of.FromDatetime(snapshot.read_time)
    if number.until_time is not None:
        response.until_time.FromDatetime(number.until_time)
    return response


def _to_record(number: Number) -> RoutingRecord:
    record = RoutingRecord(
        tenant_id=number.tenant_id,
        phone_number_id=number.phone_number_id,
        whatsapp_business_account_id=number.whatsapp_business_account_id,
        state=TenantStateMessage.Value(f"TENANT_STATE_{number.state}"),
        display_name=number.display_name,
        time_zone=number.time_zone,
        default_language_code=number.default_language_code,
        language_codes=number.language_codes,
        currency_code=number.currency_code,
        version=number.version,
        shared=number.shared,
    )
    if number.since_time is not None:
        record.since_time.FromDatetime(number.since_time)
    return record
