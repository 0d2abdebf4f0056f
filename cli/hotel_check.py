"""Whether a hotel is there that something is told of, as the tenant service knows it."""

from contextlib import suppress

import grpc
from conserje.tenant.v1.tenant_pb2 import Tenant
from conserje.tenant.v1.tenant_service_pb2 import GetTenantRequest
from conserje.tenant.v1.tenant_service_pb2_grpc import TenantServiceStub

from cli.channels import open_channel
from cli.places import UsageError, target

SECONDS = 10


def known_hotel(tenant_id: str, given: str) -> Tenant | None:
    """The hotel; None where nobody says where the tenant service is.

    `given` is where another service is by `--target`: the mesh around that is not known.
    Raises `UsageError` when there is no such hotel, or when the service does not say.
    """
    place = "" if given else target("tenant")
    if not place:
        return None
    try:
        return _ask(place, tenant_id)
    except grpc.RpcError as error:
        raise UsageError(
            f"whether there is a hotel {tenant_id} cannot be asked: the tenant service at {place} "
            f"says {error.code().name}."
        ) from None


def refuse_unknown(tenant_id: str, given: str) -> None:
    """Raises `UsageError` when there is no such hotel; where that is not told, there may be."""
    if tenant_id and (place := "" if given else target("tenant")):
        with suppress(grpc.RpcError):
            _ask(place, tenant_id)


def _ask(place: str, tenant_id: str) -> Tenant:
    with open_channel(place) as channel:
        try:
            request = GetTenantRequest(tenant_id=tenant_id)
            found: Tenant = TenantServiceStub(channel).GetTenant(request, timeout=SECONDS).tenant
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                raise
            raise UsageError(
                f"there is no hotel {tenant_id}: `conserje tenant list` shows those there are, "
                "`conserje tenant create` makes one."
            ) from None
    return found
