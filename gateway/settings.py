"""What the gateway is told by its environment."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr

from meshkit.config import Listen, MessagingTarget, Settings


class GatewaySettings(MessagingTarget, Settings):
    """The settings of the gateway, read from `CONSERJE_GATEWAY_*`."""

    http_listen: Listen = Field(
        "127.0.0.1:8080", description="Where webhooks are received over HTTP."
    )
    # An empty secret would let anybody sign.
    app_secrets: tuple[Annotated[SecretStr, Field(min_length=1)], ...] = Field(
        (),
        description=(
            "Secrets of the Meta app, separated by commas; while one is being changed, the old and"
            " the new. Without one nothing is accepted and the process is not ready."
        ),
    )
    verify_token: SecretStr = Field(
        SecretStr(""),
        description="The word that Meta repeats when the webhook is registered.",
    )

    def secrets(self) -> tuple[bytes, ...]:
        """The app's secrets as the signature takes them."""
        return tuple(secret.get_secret_value().encode() for secret in self.app_secrets)
