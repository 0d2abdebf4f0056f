"""What is left of `TenantService` in tests that are about other things."""

from datetime import UTC, datetime
from typing import Any

from conserje.tenant.v1.tenant_pb2 import (
    TENANT_STATE_ACTIVE,
    THROUGHPUT_TIER_UNSPECIFIED,
    RoutingRecord,
    TenantState,
    ThroughputTier,
)
from conserje.tenant.v1.tenant_service_pb2 import (
    ResolveTenantRequest,
    ResolveTenantResponse,
    WatchTenantsRequest,
    WatchTenantsResponse,
)
from conserje.tenant.v1.tenant_service_pb2_grpc import TenantServiceServicer

from meshkit.errors import FailedPrecondition, NotFound, Unavailable, Unimplemented
from meshkit.watch import NOTHING, History

ACCOUNT = "200000000000002"


class Resolving(TenantServiceServicer):
    """To be derived from: says whose a number is, and has no hotels to show or change."""

    async def GetTenant(self, request: Any, context: Any) -> Any:
        raise Unimplemented("NOT_HERE")

    BatchGetTenantProfiles = ListTenants = CreateTenant = UpdateTenant = GetTenant
    SuspendTenant = ActivateTenant = DeleteTenant = GetTenant
    AddNumber = UpdateNumber = MoveNumber = RemoveNumber = GetTenant
    ImportTenants = GetTenant
    AddIdentifier = MoveIdentifier = RemoveIdentifier = ListIdentifiers = GetTenant


class Watched(Resolving):
    """The hotels that are added, told to whoever follows; to nobody while it is `away`."""

    def __init__(self) -> None:
        self.away = False
        self.asked = 0
        self.resolved = 0
        self.guests: dict[str, str] = {}
        self._past: dict[str, list[tuple[RoutingRecord, datetime]]] = {}
        self._history: History[RoutingRecord] = History(kept=100, heartbeat_seconds=0.05)
        self._records: dict[str, RoutingRecord] = {}

    @property
    def version(self) -> int:
        """Of the newest change."""
        return self._history.version

    def add(
        self,
        number: str,
        tenant_id: str,
        state: TenantState.ValueType = TENANT_STATE_ACTIVE,
        *,
        shared: bool = False,
        account: str = ACCOUNT,
        tier: ThroughputTier.ValueType = THROUGHPUT_TIER_UNSPECIFIED,
        graph_version: str = "",
    ) -> None:
        """A number becomes a hotel's, or its hotel changes."""
        version = self.version + 1
        record = RoutingRecord(
            tenant_id=tenant_id,
            phone_number_id=number,
            whatsapp_business_account_id=account,
            state=state,
            display_name="Hotel Mirador",
            time_zone="Europe/Madrid",
            default_language_code="es",
            language_codes=["es", "en"],
            currency_code="EUR",
            version=version,
            shared=shared,
            throughput_tier=tier,
            graph_version=graph_version,
        )
        if number in self._past:
            record.since_time.FromDatetime(self._past[number][-1][1])
        self._records[number] = record
        self._history.add(version, [record])

    def move(self, number: str, tenant_id: str, account: str = ACCOUNT) -> None:
        """A number becomes another hotel's; its past begins now."""
        now = datetime.now(UTC)
        self._past.setdefault(number, []).append((self._records[number], now))
        self.add(number, tenant_id, account=account)

    def change_past(self, number: str, state: TenantState.ValueType) -> None:
        """The hotels that had a number are in that state."""
        for record, _ in self._past[number]:
            record.state = state

    async def WatchTenants(self, request: WatchTenantsRequest, context: Any) -> Any:
        """The records and their changes, until it goes away."""
        self.asked += 1
        after = request.after_version if request.HasField("after_version") else NOTHING
        async for part in self._history.watch(after, self._everything):
            if self.away:
                raise Unavailable("DIRECTORY_NOT_LOADED")
            yield WatchTenantsResponse(
                version=part.version,
                after_version=part.after_version,
                whole=part.whole,
                more=part.more,
                routing_records=part.items,
            )

    async def ResolveTenant(self, request: ResolveTenantRequest, context: Any) -> Any:
        """Only asked for what the copies of the records do not tell."""
        self.resolved += 1
        if self.away:
            raise Unavailable("DIRECTORY_NOT_LOADED")
        number, at = request.phone_number_id, request.arrive_time.ToDatetime(UTC)
        account = request.whatsapp_business_account_id
        for record, until in self._past.get(number, ()):
            if at < until and account in ("", record.whatsapp_business_account_id):
                return _answer(request, record, until)
        if number not in self._records:
            raise NotFound("NUMBER_UNKNOWN")
        record = self._records[number]
        guest = self.guests.get(request.guest_phone)
        if record.shared and guest is not None:
            record = RoutingRecord.FromString(record.SerializeToString())
            record.tenant_id, record.phone_number_id, record.shared = guest, "", False
            record.whatsapp_business_account_id = request.whatsapp_business_account_id
        return _answer(request, record, None)

    async def BatchResolveTenants(self, request: Any, context: Any) -> Any:
        """Nobody asks for many."""
        raise Unimplemented("NOT_HERE")

    def _everything(self) -> tuple[int, list[RoutingRecord]]:
        return self.version, list(self._records.values())


def _answer(
    request: ResolveTenantRequest, record: RoutingRecord, until: datetime | None
) -> ResolveTenantResponse:
    if request.whatsapp_business_account_id not in ("", record.whatsapp_business_account_id):
        raise FailedPrecondition("WABA_MISMATCH")
    response = ResolveTenantResponse(routing_record=record)
    if until is not None:
        response.until_time.FromDatetime(until)
    return response
