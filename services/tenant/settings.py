"""What the tenant service can be told."""

from pydantic import Field

from meshkit.config import DatabaseSettings, Settings


class TenantSettings(DatabaseSettings, Settings):
    """Every setting has a sentence; times are in seconds."""

    poll_seconds: float = Field(
        1.0, gt=0, le=60, description="How often to ask whether the directory has changed."
    )
    reload_seconds: float = Field(
        300.0,
        gt=0,
        le=86_400,
        description="How often to read the directory again though nothing seems to have changed.",
    )
    keys_folder: str = Field(
        "",
        description=(
            "Folder of the keys that secrets of hotels and apps are encrypted under, a file of 32"
            " random bytes in base64 each; the greatest name encrypts. Empty: no secrets are kept."
        ),
    )
