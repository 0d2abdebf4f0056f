"""Whether a hotel is there that something is told of, as the tenant service knows it."""

import grpc
from conserje.tenant.v1.tenant_pb2 import Tenant
from conserje.tenant.v1.tenant_service_pb2 import GetTenantRequest
from conserje.tenant.v1.tenant_service_pb2_grpc import TenantServiceStub

from cli.asking import SECONDS
from cli.channels import open_channel
from cli.places import UsageError, target


def known_hotel(tenant_id: str, given: str) -> Tenant | None:
    """The hotel; None where nobody says where the tenant service is.

    `given` is where another service is by `--target`: the mesh around that is not known.
    Raises `UsageError` when there is no such hotel, or when the service does not say.
    """
    place = "" if given else target("tenant")
    if not place:
        return None
    with open_channel(place) as channel:
        try:
            request = GetTenantRequest(tenant_id=tenant_id)
            found: Tenant = TenantServiceStub(channel).GetTenant(request, timeout=SECONDS).tenant
        except grpc.RpcError as error:
            raise UsageError(_why(error, tenant_id, place)) from None
    return found


def _why(error: grpc.RpcError, tenant_id: str, place: str) -> str:
    if error.code() is grpc.StatusCode.NOT_FOUND:
        return (
            f"there is no hotel {tenant_id}: `conserje tenant list` shows those there are, "
            "`conserje tenant create` makes one."
        )
    return (
        f"whether there is a hotel {tenant_id} cannot be asked: the tenant service at {place} "
        f"says {error.code().name}."
    )
