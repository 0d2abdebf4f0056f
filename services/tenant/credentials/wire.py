"""Between the messages about secrets and the domain."""

from __future__ import annotations

from conserje.tenant.v1.credential_pb2 import (
    AppCredentials,
    CredentialChange,
    CredentialKind,
    EncryptionKey,
    MetaApp,
)
from conserje.tenant.v1.credential_pb2 import Credential as CredentialMessage
from conserje.tenant.v1.credential_service_pb2 import (
    RemoveCredentialRequest,
    SetCredentialRequest,
    WatchCredentialsResponse,
)

from meshkit.watch import Part
from services.tenant.credentials.domain import App, AppSecrets, Key, Kind, Ref, Stored

PREFIX = "CREDENTIAL_KIND_"


def to_ref(request: SetCredentialRequest | RemoveCredentialRequest) -> Ref:
    """What the request names."""
    kind = Kind(CredentialKind.Name(request.kind).removeprefix(PREFIX))
    return Ref(kind, request.tenant_id, request.app_name, request.name)


def from_stored(stored: Stored) -> CredentialMessage:
    """What may be told of a secret."""
    message = CredentialMessage(
        tenant_id=stored.ref.tenant_id,
        app_name=stored.ref.app_name,
        kind=_kind(stored.ref),
        name=stored.ref.name,
        key_id=stored.key_id,
        version=stored.version,
    )
    message.set_time.FromDatetime(stored.set_time)
    return message


def from_app(app: App) -> MetaApp:
    """An app as operators see it."""
    message = MetaApp(app_name=app.app_name, app_id=app.app_id)
    message.create_time.FromDatetime(app.create_time)
    return message


def from_secrets(app: AppSecrets) -> AppCredentials:
    """An app as the gateway sees it."""
    return AppCredentials(
        app_name=app.app_name,
        app_secrets=app.secrets,
        verify_token=app.verify_token,
        incomplete=app.incomplete,
        whatsapp_business_account_ids=app.account_ids,
    )


def from_key(key: Key) -> EncryptionKey:
    """A key, without what is in it."""
    return EncryptionKey(
        key_id=key.key_id,
        present=key.present,
        newest=key.newest,
        credential_count=key.credential_count,
    )


def from_part(part: Part[Ref]) -> WatchCredentialsResponse:
    """One message of a watch."""
    changes = [
        CredentialChange(
            tenant_id=ref.tenant_id, app_name=ref.app_name, kind=_kind(ref), name=ref.name
        )
        for ref in part.items
    ]
    return WatchCredentialsResponse(
        version=part.version, after_version=part.after_version, whole=part.whole, changes=changes
    )


def _kind(ref: Ref) -> CredentialKind.ValueType:
    return CredentialKind.Value(PREFIX + ref.kind)
