"""Between the messages about secrets and the domain."""

from __future__ import annotations

import base64
import binascii

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

from meshkit.errors import InvalidArgument
from meshkit.watch import Part
from services.tenant.credentials.domain import App, AppSecrets, Key, Kind, Ref, Stored

PREFIX = "CREDENTIAL_KIND_"
DEFAULT_PAGE, LARGEST_PAGE = 50, 200


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


def page_size(asked: int, default: int = DEFAULT_PAGE, largest: int = LARGEST_PAGE) -> int:
    """How many a page has."""
    return min(asked or default, largest)


def to_page_token(last: str) -> str:
    """The place after `last`; opaque to whoever carries it."""
    return base64.urlsafe_b64encode(last.encode()).decode()


def from_page_token(token: str) -> str:
    """What a page ended with; "" for the first page."""
    try:
        last = base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode("ascii")
    except (ValueError, binascii.Error):
        last = "\0"
    if not last.isprintable():
        raise InvalidArgument.field("page_token", "is not one that was given out for this list")
    return last


def id_from_page_token(token: str) -> int:
    """The number that a page ended with; 0 for the first page."""
    last = from_page_token(token) or "0"
    if not (last.isdigit() and len(last) < 19):
        raise InvalidArgument.field("page_token", "is not one that was given out for this list")
    return int(last)


def _kind(ref: Ref) -> CredentialKind.ValueType:
    return CredentialKind.Value(PREFIX + ref.kind)
