"""HTTP sites of a process: its public port, if it has one, and its operations port."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.log import server_logger

from meshkit.config import split_listen


def _in_a_line(record: logging.LogRecord) -> bool:
    """What was no HTTP, such as gRPC that was sent here, is the sender's mistake: no traceback."""
    wrong = record.exc_info[1] if record.exc_info else None
    if isinstance(wrong, HttpProcessingError):
        record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
        reason = wrong.message.partition("\n")[0].rstrip(":")
        record.msg, record.args = f"{record.getMessage()}: {reason}", ()
        record.exc_info = None
    return True


server_logger.addFilter(_in_a_line)


class Site:
    """One application on one address."""

    def __init__(self, app: web.Application, listen: str, *, drain_seconds: float) -> None:
        """Requests under way at a stop get `drain_seconds`."""
        self._listen = listen
        # Bodies stay as they come: unpacking 3 MB of whoever sends them may take seconds.
        self._runner = web.AppRunner(
            app,
            access_log=None,
            handler_cancellation=False,
            shutdown_timeout=drain_seconds,
            auto_decompress=False,
        )
        self.port = 0

    async def start(self) -> int:
        """Listen and tell the port; OSError with a sentence when it cannot."""
        host, port = split_listen(self._listen)
        await self._runner.setup()
        # Without SO_REUSEPORT a taken port is an error and not a share of its connections.
        site = web.TCPSite(self._runner, host, port, reuse_port=False)
        try:
            await site.start()
        except (OSError, socket.gaierror) as error:
            reason = error.strerror or type(error).__name__
            raise OSError(f"cannot listen on {self._listen} for HTTP: {reason}") from None
        self.port = self._runner.addresses[0][1]
        return self.port

    async def stop(self) -> None:
        """Refuse new connections, wait for requests under way, close."""
        await self._runner.cleanup()


def close_connections_when(app: web.Application, leaving: Callable[[], bool]) -> None:
    """Let clients with kept connections find another replica once `leaving` says so."""

    async def say_close(_request: web.Request, response: web.StreamResponse) -> None:
        if leaving():
            response.force_close()

    app.on_response_prepare.append(say_close)
