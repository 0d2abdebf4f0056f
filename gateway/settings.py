"""What the gateway is told by its environment."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from meshkit.config import BookingTarget, Listen, MessagingTarget, Settings, TenantTarget

APP_NAME = re.compile(r"^[a-z0-9][a-z0-9-]{0,62}$")
"""The last part of an app's address."""
# An empty secret would let anybody sign.
AppSecret = Annotated[SecretStr, Field(min_length=1)]


def as_keys(secrets: tuple[SecretStr, ...]) -> tuple[bytes, ...]:
    """Secrets as the signature takes them."""
    return tuple(secret.get_secret_value().encode() for secret in secrets)


class AppSecrets(BaseModel):
    """What one more Meta app and the gateway share.

    The word Secret in the name of the class keeps its values out of what is
    shown of a configuration.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str = Field(pattern=APP_NAME)
    app_secrets: tuple[AppSecret, ...] = ()
    verify_token: SecretStr = SecretStr("")


class GatewaySettings(MessagingTarget, TenantTarget, BookingTarget, Settings):
    """The settings of the gateway, read from `CONSERJE_GATEWAY_*`."""

    http_listen: Listen = Field(
        "127.0.0.1:8080", description="Where webhooks are received over HTTP."
    )
    app_secrets: tuple[AppSecret, ...] = Field(
        (),
        description=(
            "Secrets of the Meta app, separated by commas; while one is being changed, the old and"
            " the new. Without one nothing is accepted, and without one of any app the process is"
            " not ready."
        ),
    )
    verify_token: SecretStr = Field(
        SecretStr(""),
        description="The word that Meta repeats when the webhook is registered.",
    )

    apps: tuple[AppSecrets, ...] = Field(
        (),
        description=(
            "Further Meta apps, each with an address of its own, `/webhooks/whatsapp/<name>`: a"
            ' JSON list of `{"name": …, "app_secrets": […], "verify_token": …}`. They hold over'
            " apps of the same name that `conserje app` has stored."
        ),
    )

    @field_validator("apps")
    @classmethod
    def _one_app_per_name(cls, apps: tuple[AppSecrets, ...]) -> tuple[AppSecrets, ...]:
        names = [app.name for app in apps]
        if len(set(names)) < len(names):
            raise ValueError("two apps have the same name")
        return apps

    def secrets(self) -> tuple[bytes, ...]:
        """The secrets of the app without a name, as the signature takes them."""
        return as_keys(self.app_secrets)
