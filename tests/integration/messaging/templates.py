"""Templates of the hotel, as if they had been read from Meta."""

from __future__ import annotations

from typing import Any

import orjson

from tests.integration.messaging.mesh import ACCOUNT, TENANT, Mesh


async def approved(
    mesh: Mesh,
    name: str = "respuesta",
    *,
    body: str = "{{1}}: {{2}}",
    status: str = "APPROVED",
    tenant: str = TENANT,
    parts: tuple[dict[str, Any], ...] = (),
) -> None:
    """A template of the hotel's account."""
    components = [{"type": "BODY", "text": body}, *parts]
    await mesh.admin.execute(
        "INSERT INTO template (tenant_id, account_id, name, language_code, template_id, category,"
        " status, reason, quality, parameter_format, components, sync_time)"
        " VALUES ($1, $2, $3, 'es', '1', 'UTILITY', $4, '', 'GREEN', 'POSITIONAL', $5, now())"
        " ON CONFLICT DO NOTHING",
        *(tenant, ACCOUNT, name, status, orjson.dumps(components)),
    )
