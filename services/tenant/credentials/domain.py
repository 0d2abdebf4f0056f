"""What a secret is to those who write it, and what it must be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from meshkit.errors import InvalidArgument

MOST_APP_SECRETS = 4
"""Each is tried on a webhook that none before it has signed."""
MOST_OF_HOTEL = 200
LONGEST_TOKEN = 2048


class Kind(StrEnum):
    """What a secret is for; it says who may read it."""

    APP_SECRET = "APP_SECRET"  # noqa: S105
    VERIFY_TOKEN = "VERIFY_TOKEN"  # noqa: S105
    ACCESS_TOKEN = "ACCESS_TOKEN"  # noqa: S105
    PMS = "PMS"


PMS_NAMES = ("main", "notices", "notices-next")
"""What the booking service reads of a hotel: the secret of its system, and those that its system
signs notices with."""

OF_APP = (Kind.APP_SECRET, Kind.VERIFY_TOKEN)


@dataclass(frozen=True, slots=True)
class Ref:
    """Names a secret: of a hotel or of an app, for what, and which of several."""

    kind: Kind
    tenant_id: str = ""
    app_name: str = ""
    name: str = ""

    @property
    def bound_to(self) -> tuple[str, ...]:
        """What it is encrypted with, so that it opens in this place only."""
        return self.kind, self.tenant_id, self.app_name, self.name

    def check(self) -> None:
        """Raise `InvalidArgument` for a name that no secret of the kind has."""
        of_app = self.kind in OF_APP
        for field_name, value, wanted in (
            ("app_name", self.app_name, of_app),
            ("tenant_id", self.tenant_id, not of_app),
        ):
            if bool(value) != wanted:
                raise InvalidArgument.field(field_name, _wanted(wanted, self.kind))
        if self.kind in (Kind.APP_SECRET, Kind.PMS) and not self.name:
            raise InvalidArgument.field("name", _wanted(True, self.kind))
        if self.kind is Kind.VERIFY_TOKEN and self.name:
            raise InvalidArgument.field("name", _wanted(False, self.kind))
        if self.kind is Kind.ACCESS_TOKEN and self.name and not self.name.isdigit():
            raise InvalidArgument.field("name", "must be Meta's id of a number or an account")

    def check_new(self, value: str) -> None:
        """Raise `InvalidArgument` for what cannot be such a secret, or what nobody would read.

        The error does not tell the secret.
        """
        self.check()
        if self.kind is Kind.PMS and self.name not in PMS_NAMES:
            raise InvalidArgument.field("name", f"must be one of {', '.join(PMS_NAMES)} for a PMS")
        if self.kind is not Kind.PMS and (
            len(value) > LONGEST_TOKEN or not all("!" <= one <= "~" for one in value)
        ):
            raise InvalidArgument.field(
                "value", f"must be up to {LONGEST_TOKEN} ASCII characters without spaces"
            )


def _wanted(wanted: bool, kind: Kind) -> str:
    return f"must {'be there' if wanted else 'be empty'} for {kind}"


@dataclass(frozen=True, slots=True)
class Stored:
    """What may be told of a secret."""

    credential_id: int
    ref: Ref
    key_id: str
    version: int
    set_time: datetime


@dataclass(frozen=True, slots=True)
class App:
    """A Meta app."""

    app_name: str
    app_id: str
    create_time: datetime


@dataclass(frozen=True, slots=True)
class AppSecrets:
    """What proves that a webhook is an app's."""

    app_name: str
    secrets: Sequence[str] = field(repr=False)
    verify_token: str = field(repr=False)
    incomplete: bool
    """One of them could not be decrypted here."""
    account_ids: Sequence[str]
    """The business accounts that are its own."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret, for who uses it."""

    stored: Stored
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the ring, or one that secrets are under."""

    key_id: str
    present: bool
    newest: bool
    credential_count: int


@dataclass(frozen=True, slots=True)
class Renewal:
    """What became of a page of secrets when keys were changed."""

    renewed: int
    failed: int
    newest: str
    next_after: int | None
    """Where to go on; None after the last page."""
