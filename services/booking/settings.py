"""What the booking service can be told."""

from pathlib import Path

from pydantic import Field

from meshkit.config import SHARED, DatabaseSettings, RedisSettings, Settings


class BookingSettings(DatabaseSettings, RedisSettings, Settings):
    """Every setting has a sentence; times are in seconds."""

    cache_seconds: float = Field(
        5.0, gt=0, le=60, description="How long an answer about availability may be reused."
    )
    sweep_seconds: float = Field(
        15.0,
        gt=0,
        le=3600,
        description="How often lapsed locks and forgotten answers are cleaned away.",
    )
    pms_secrets_folder: Path | None = Field(
        None,
        description="Folder with one file for each hotel that has a system of its own (PMS), named"
        " like the hotel, with the secret its system asks for; `<hotel>.notices` has those that it"
        " signs its notices with, one a line. A file holds over what is stored.",
    )
    target_tenant: str = Field(
        "",
        description="gRPC target of the tenant service, which keeps the secrets that hotels' own"
        " systems (PMS) ask for; empty takes them from the folder alone.",
        json_schema_extra=SHARED,
    )
    pms_settle_seconds: float = Field(
        30.0,
        gt=0,
        le=3600,
        description="How long after it was sent a booking that its hotel's system does not show"
        " still counts as under way; longer than the system works on a request.",
    )
    pms_give_up_seconds: float = Field(
        12 * 3600.0,
        gt=0,
        le=7 * 86400,
        description="How long a guest's request waits for a hotel's system that has certainly not"
        " booked it, before it is refused.",
    )
    most_replicas: int = Field(
        4,
        ge=1,
        le=1000,
        description="The most replicas there may be: without Redis each one takes so small a"
        " share of a hotel's limit.",
    )
