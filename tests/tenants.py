"""What is left of `TenantService` in tests that are about other things."""

from typing import Any

from conserje.tenant.v1.tenant_service_pb2_grpc import TenantServiceServicer

from meshkit.errors import Unimplemented


class Resolving(TenantServiceServicer):
    """To be derived from: says whose a number is, and has no hotels to show or change."""

    async def GetTenant(self, request: Any, context: Any) -> Any:
        raise Unimplemented("NOT_HERE")

    ListTenants = CreateTenant = UpdateTenant = GetTenant
    SuspendTenant = ActivateTenant = DeleteTenant = GetTenant
    AddNumber = RemoveNumber = GetTenant
