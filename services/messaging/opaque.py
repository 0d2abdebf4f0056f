"""Our own name of an outgoing message: what Meta sends back in every status of it."""

from __future__ import annotations

from uuid import UUID


def make_opaque(tenant_id: str, outbox_id: UUID) -> str:
    """What goes into `biz_opaque_callback_data`."""
    return f"{tenant_id}/{outbox_id}"


def read_opaque(value: str) -> tuple[str, UUID] | tuple[None, None]:
    """The tenant and outbox id in it; nothing when it is not ours."""
    tenant_id, _, name = value.rpartition("/")
    if not tenant_id or "\0" in tenant_id:
        return None, None
    try:
        return tenant_id, UUID(name)
    except ValueError:
        return None, None
