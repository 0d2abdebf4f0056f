"""Whether a hotel is there that something is told of, as the tenant service knows it."""

from contextlib import suppress
from typing import cast

import grpc
from conserje.tenant.v1.tenant_pb2 import Tenant
from conserje.tenant.v1.tenant_service_pb2 import GetTenantRequest
from conserje.tenant.v1.tenant_service_pb2_grpc import TenantServiceStub

from cli.channels import open_channel
from cli.places import UsageError, target
from meshkit.errors import InvalidArgument
from meshkit.status import from_rpc_error

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
            raise _told(error, tenant_id) from None
    return found


def _told(error: grpc.RpcError, tenant_id: str) -> Exception:
    """That there is no such hotel, or cannot be; what else happened as it is."""
    if error.code() is grpc.StatusCode.NOT_FOUND:
        return UsageError(
            f"there is no hotel {tenant_id}: `conserje tenant list` shows those there are, "
            "`conserje tenant create` makes one."
        )
    known = from_rpc_error(cast(grpc.aio.AioRpcError, error))
    if isinstance(known, InvalidArgument):
        rule = known.violations[0].description
        return UsageError(f"there is no hotel {tenant_id!r}: a hotel's id {rule}.")
    return error
