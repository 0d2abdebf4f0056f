"""What the messaging service can be told."""

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr
from yarl import URL

from meshkit.config import (
    BookingTarget,
    DatabaseSettings,
    RedisSettings,
    Settings,
    TenantTarget,
)


def _check_origin(value: str) -> str:
    url = URL(value)
    if url.scheme not in ("http", "https") or not url.host or URL(value) != url.origin():
        raise ValueError("must be scheme and host, such as https://lookaside.fbsbx.com")
    return value.rstrip("/")


Origin = Annotated[str, AfterValidator(_check_origin)]
"""A scheme, a host and perhaps a port."""


class MessagingSettings(DatabaseSettings, RedisSettings, TenantTarget, BookingTarget, Settings):
    """Every setting has a sentence; times are in seconds."""

    graph_access_token: SecretStr = Field(
        description=(
            "Access token for the Graph API, of the system user that owns the numbers; for hotels"
            " that have none of their own."
        )
    )
    graph_base_url: str = Field(
        "https://graph.facebook.com", description="Base URL of the Graph API."
    )
    graph_version: str = Field(
        "v26.0",
        pattern=r"^v\d+\.\d+$",
        description=(
            "Version of the Graph API: that accounts are read with, and that numbers send with"
            " which have none of their own."
        ),
    )
    graph_timeout_seconds: float = Field(
        15.0, gt=0, le=120, description="Time for one request to the Graph API."
    )
    poll_seconds: float = Field(
        0.2, gt=0, le=60, description="How often to look for work that others left, with jitter."
    )
    lease_seconds: float = Field(
        15.0,
        gt=0,
        le=600,
        description="How long a conversation or a file is leased; renewed at a third.",
    )
    step_concurrency: int = Field(
        64, ge=1, le=1024, description="Conversations that one process works on at once."
    )
    step_share: int = Field(32, ge=1, le=1024, description="Of these, those of one number at most.")
    step_attempts: int = Field(
        5, ge=1, le=100, description="Failed steps after which an item is set aside as dead."
    )
    step_retry_seconds: float = Field(
        1.0, gt=0, description="Pause after the first failed step; it doubles with each."
    )
    burst_pause_seconds: float = Field(
        1.5,
        ge=0,
        le=6,
        description=(
            "How long a guest's text waits for the next, to be answered as one with it; 6 s at"
            " most in all. With 0 each text is answered by itself."
        ),
    )
    typing_after_seconds: float = Field(
        0.5,
        ge=0,
        le=25,
        description=(
            "An answer that takes longer is announced: the message is marked as read, and somebody"
            " is typing. With 0 nothing is shown."
        ),
    )
    suspended_seconds: float = Field(
        60.0,
        gt=0,
        description="When to look again at a message to a suspended hotel that says nothing.",
    )
    effect_concurrency: int = Field(
        32, ge=1, le=1024, description="Commands that one process sends at once."
    )
    effect_timeout_seconds: float = Field(
        5.0, gt=0, le=60, description="Time for one command to another service."
    )
    send_concurrency: int = Field(
        32, ge=1, le=1024, description="Messages that one process sends at once."
    )
    send_share: int = Field(16, ge=1, le=1024, description="Of these, those of one hotel at most.")
    send_lease_seconds: float = Field(
        30.0,
        gt=0,
        description="After this a send without an outcome is unknown; above the Graph timeout.",
    )
    number_messages_per_second: float = Field(
        80.0,
        gt=0,
        le=1000,
        description="What a number may send whose throughput tier is not told.",
    )
    most_replicas: int = Field(
        4,
        ge=1,
        le=1000,
        description="Most processes that send; without Redis each has its share of the limits.",
    )
    settle_after_seconds: float = Field(
        90.0, gt=0, description="When a send of unknown outcome is decided upon, from its start."
    )
    settle_block_seconds: float = Field(
        10.0, ge=0, description="How long later messages to that guest wait for the settling."
    )
    template_seconds: float = Field(
        6 * 3600.0,
        ge=60,
        description="How often an account's templates are read from Meta, besides webhooks.",
    )
    delivered_wait_seconds: float = Field(
        0.0,
        ge=0,
        le=5,
        description=(
            "How long a part of an answer waits at most for the delivery of the part before, so"
            " that phones show them in order. With 0 it leaves once that was accepted."
        ),
    )
    audio_cache_seconds: float = Field(
        86400.0,
        ge=1,
        le=30 * 86400.0,
        description="How long a spoken reply or a voice note's transcript is kept in Redis.",
    )
    audio_cache_bytes: int = Field(
        32 << 20,
        ge=1 << 20,
        le=1 << 30,
        description=(
            "How much of these is kept for each hotel; beyond, what was used longest ago goes."
        ),
    )
    media_folder: str = Field(
        "/var/lib/conserje/media",
        min_length=1,
        description=(
            "Where guests' files are kept, readable by this user alone and not encrypted;"
            " replicas that fetch share it."
        ),
    )
    media_origins: tuple[Origin, ...] = Field(
        ("https://lookaside.fbsbx.com",),
        min_length=1,
        description=(
            "Scheme and host that files are fetched from and that see the access token, separated"
            " by commas; nothing else is asked, whatever WhatsApp's answers name."
        ),
    )
    media_bytes: int = Field(
        100 << 20,
        ge=1 << 10,
        le=1 << 30,
        description="The largest file that is kept; WhatsApp's own limit is 100 MB.",
    )
    media_concurrency: int = Field(
        16,
        ge=1,
        le=256,
        description="Files that one process fetches at once, and its connections to each origin.",
    )
    media_share: int = Field(8, ge=1, le=256, description="Of these, those of one number at most.")
    media_timeout_seconds: float = Field(
        120.0, gt=0, le=1800, description="Time for one download of a file."
    )
    media_keep_seconds: float = Field(
        30 * 86400.0,
        ge=1,
        le=3650 * 86400.0,
        description="How long a guest's file is kept, from its arrival; then it is removed.",
    )
    keys_folder: str = Field(
        "",
        description=(
            "Folder of the keys that data keys of the archive come from, a file of 32 random bytes"
            " in base64 each; the greatest name encrypts. Empty: nothing is archived."
        ),
    )
    archive_days: float = Field(
        8.0, gt=0, le=90, description="How long what came in is kept, encrypted, to be replayed."
    )
    ffmpeg: str = Field(
        "ffmpeg",
        min_length=1,
        description=(
            "Program that converts sound to what WhatsApp plays, by name or path; where there is"
            " none, sound is sent as it is, or refused when WhatsApp would."
        ),
    )
    pause_seconds: float = Field(
        60.0, gt=0, description="How long a number rests whose credentials or quality are refused."
    )
