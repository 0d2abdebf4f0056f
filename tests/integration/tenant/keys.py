"""Folders of keys, and what is said of secrets over the wire."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

from conserje.tenant.v1 import credential_service_pb2 as pb
from conserje.tenant.v1.credential_pb2 import (
    CREDENTIAL_KIND_ACCESS_TOKEN,
    CREDENTIAL_KIND_APP_SECRET,
    CREDENTIAL_KIND_PMS,
    CREDENTIAL_KIND_VERIFY_TOKEN,
)

MIRADOR, LUNA = "hotel-mirador", "posada-luna"
MIRADORS_NUMBER, MIRADORS_ACCOUNT = "100000000000001", "200000000000001"
LUNAS_NUMBER = "100000000000002"


def add_key(folder: Path, key_id: str) -> Path:
    """The folder with one key more."""
    folder.mkdir(exist_ok=True)
    (folder / key_id).write_bytes(base64.b64encode(os.urandom(32)))
    return folder


def token(tenant_id: str, value: str, name: str = "") -> pb.SetCredentialRequest:
    """A hotel's access token."""
    return pb.SetCredentialRequest(
        tenant_id=tenant_id, kind=CREDENTIAL_KIND_ACCESS_TOKEN, name=name, value=value
    )


def pms(tenant_id: str, value: str, name: str = "main") -> pb.SetCredentialRequest:
    """What a hotel's PMS wants to see."""
    return pb.SetCredentialRequest(
        tenant_id=tenant_id, kind=CREDENTIAL_KIND_PMS, name=name, value=value
    )


def app_secret(app_name: str, value: str, name: str = "first") -> pb.SetCredentialRequest:
    """One of an app's secrets."""
    return pb.SetCredentialRequest(
        app_name=app_name, kind=CREDENTIAL_KIND_APP_SECRET, name=name, value=value
    )


def verify_token(app_name: str, value: str) -> pb.SetCredentialRequest:
    """An app's verify token."""
    return pb.SetCredentialRequest(
        app_name=app_name, kind=CREDENTIAL_KIND_VERIFY_TOKEN, value=value
    )


def removal(request: pb.SetCredentialRequest) -> pb.RemoveCredentialRequest:
    """The request that undoes another."""
    return pb.RemoveCredentialRequest(
        tenant_id=request.tenant_id,
        app_name=request.app_name,
        kind=request.kind,
        name=request.name,
    )


async def token_of(stub: Any, tenant_id: str, number: str) -> str:
    """The token to send from a number with."""
    request = pb.ReadAccessTokenRequest(tenant_id=tenant_id, phone_number_id=number)
    value: str = (await stub.ReadAccessToken(request)).value
    return value


async def apps_of(stub: Any, *names: str) -> dict[str, tuple[list[str], str]]:
    """Secrets and word of each app."""
    answer = await stub.ReadAppCredentials(pb.ReadAppCredentialsRequest(app_names=names))
    return {app.app_name: (list(app.app_secrets), app.verify_token) for app in answer.apps}
