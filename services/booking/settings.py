"""What the booking service can be told."""

from pydantic import Field

from meshkit.config import DatabaseSettings, RedisSettings, Settings


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
