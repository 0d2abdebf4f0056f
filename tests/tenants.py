"""What is left of `TenantService` in tests that are about other things."""

from typing import Any

from conserje.tenant.v1.tenant_pb2 import TENANT_STATE_ACTIVE, RoutingRecord, TenantState
from conserje.tenant.v1.tenant_service_pb2 import WatchTenantsRequest, WatchTenantsResponse
from conserje.tenant.v1.tenant_service_pb2_grpc import TenantServiceServicer

from meshkit.errors import Unavailable, Unimplemented
from meshkit.watch import NOTHING, History

ACCOUNT = "200000000000002"


class Resolving(TenantServiceServicer):
    """To be derived from: says whose a number is, and has no hotels to show or change."""

    async def GetTenant(self, request: Any, context: Any) -> Any:
        raise Unimplemented("NOT_HERE")

    BatchGetTenantProfiles = ListTenants = CreateTenant = UpdateTenant = GetTenant
    SuspendTenant = ActivateTenant = DeleteTenant = GetTenant
    AddNumber = MoveNumber = RemoveNumber = GetTenant
    ImportTenants = GetTenant
    AddIdentifier = MoveIdentifier = RemoveIdentifier = ListIdentifiers = GetTenant


class Watched(Resolving):
    """The hotels that are added, told to whoever follows; to nobody while it is `away`."""

    def __init__(self) -> None:
        self.away = False
        self.asked = 0
        self._history: History[RoutingRecord] = History(kept=100, heartbeat_seconds=0.05)
        self._records: dict[str, RoutingRecord] = {}

    @property
    def version(self) -> int:
        """Of the newest change."""
        return self._history.version

    def add(
        self, number: str, tenant_id: str, state: TenantState.ValueType = TENANT_STATE_ACTIVE
    ) -> None:
        """A number becomes a hotel's, or its hotel changes."""
        version = self.version + 1
        record = RoutingRecord(
            tenant_id=tenant_id,
            phone_number_id=number,
            whatsapp_business_account_id=ACCOUNT,
            state=state,
            display_name="Hotel Mirador",
            time_zone="Europe/Madrid",
            default_language_code="es",
            language_codes=["es", "en"],
            currency_code="EUR",
            version=version,
        )
        self._records[number] = record
        self._history.add(version, [record])

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

    async def ResolveTenant(self, request: Any, context: Any) -> Any:
        """Nobody asks: a copy is kept."""
        raise Unimplemented("NOT_HERE")

    BatchResolveTenants = ResolveTenant

    def _everything(self) -> tuple[int, list[RoutingRecord]]:
        return self.version, list(self._records.values())
