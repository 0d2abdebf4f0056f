"""Sound becomes what WhatsApp plays as a voice note on every phone: Ogg, Opus, one channel.

Source: "Supported media types" of the Cloud API documentation (June 2026).
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

import structlog

from meshkit.errors import FailedPrecondition, InvalidArgument

PLAYED = "audio/ogg"
TAKEN = ("audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg")
"""Sound that WhatsApp takes as it is."""
FORMATS = "aac,aiff,amr,flac,matroska,mov,mp3,ogg,wav"
"""Containers that hold their sound themselves: a playlist would have others' files read."""
SECONDS = 60.0
MOST_BYTES = 16_000_000
ENCODING = ("-ac", "1", "-ar", "48000", "-c:a", "libopus", "-b:a", "32k", "-application", "voip")

log = structlog.get_logger()


class Sound:
    """Converts with ffmpeg, where this machine has it."""

    def __init__(self, program: str) -> None:
        """`program` is a name to look for, or a path."""
        self._program = shutil.which(program)

    @property
    def converts(self) -> bool:
        """Whether there is an ffmpeg."""
        return self._program is not None

    async def for_whatsapp(self, content: bytes, media_type: str) -> tuple[bytes, str]:
        """The sound and its MIME type, converted where that can be done.

        Raises `FailedPrecondition` NO_FFMPEG for what WhatsApp does not take as it is and nobody
        converts, `InvalidArgument` for what is no sound.
        """
        if self._program is not None:
            return await self._converted(self._program, content), PLAYED
        if media_type not in TAKEN:
            raise FailedPrecondition(
                "NO_FFMPEG",
                f"WhatsApp does not take {media_type}, and there is no ffmpeg that converts it.",
            )
        return content, media_type

    async def _converted(self, program: str, content: bytes) -> bytes:
        with tempfile.TemporaryDirectory(prefix="conserje-sound-") as folder:
            given, made = Path(folder) / "given", Path(folder) / "made"
            await asyncio.to_thread(given.write_bytes, content)
            code = await _run(program, *_arguments(given, made))
            converted = await asyncio.to_thread(_read, made) if code == 0 else b""
        if not converted:
            raise InvalidArgument.field("content", "is no sound that can be converted")
        return converted


def _arguments(given: Path, made: Path) -> tuple[str, ...]:
    """Nothing but these two files is opened, whatever the first one names."""
    return (
        *("-nostdin", "-hide_banner", "-loglevel", "error", "-threads", "1"),
        *("-protocol_whitelist", "file", "-format_whitelist", FORMATS, "-i", str(given)),
        *("-map", "0:a:0", "-map_metadata", "-1", *ENCODING),
        *("-fs", str(MOST_BYTES), "-f", "ogg", str(made)),
    )


async def _run(program: str, *arguments: str) -> int:
    """The exit code; after `SECONDS`, or when nobody waits any more, it is ended."""
    running = await asyncio.create_subprocess_exec(
        program,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
    )
    try:
        async with asyncio.timeout(SECONDS):
            return await running.wait()
    except TimeoutError:
        log.warning("converting sound took too long", seconds=SECONDS)
        return -1
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""
