"""The way to a service: plaintext, or with the certificate of who types."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc

from cli.places import UsageError
from cli.user import user
from meshkit.operators import ACTOR_KEY, UNNAMED

FOLDER_VARIABLE = "CONSERJE_TLS_FOLDER"
MAX_MESSAGE_BYTES = 8 * 1024 * 1024


def open_channel(target: str, environ: Mapping[str, str] = os.environ) -> grpc.Channel:
    """A channel to `target`, to be closed by who asked; `CONSERJE_TLS_FOLDER` makes it secure."""
    options = [("grpc.max_receive_message_length", MAX_MESSAGE_BYTES)]
    folder = environ.get(FOLDER_VARIABLE, "")
    if not folder:
        return _named(grpc.insecure_channel(target, options=options))
    # With what it needs it takes longer to import than all the rest of a command.
    from meshkit.identity import CertificateError, Certificates

    try:
        credentials = Certificates(Path(folder)).client()
    except CertificateError as problem:
        raise UsageError(f"{FOLDER_VARIABLE}: {problem}.") from None
    return _named(grpc.secure_channel(target, credentials, options=options))


class _WhoTypes(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Says in each call who types, for the log of changes by hand."""

    def intercept_unary_unary(self, call: Any, details: Any, request: Any) -> Any:
        return call(_with_actor(details), request)

    def intercept_unary_stream(self, call: Any, details: Any, request: Any) -> Any:
        return call(_with_actor(details), request)


def _named(channel: grpc.Channel) -> grpc.Channel:
    return grpc.intercept_channel(channel, _WhoTypes())


def _with_actor(details: Any) -> Any:
    return details._replace(metadata=[*(details.metadata or ()), (ACTOR_KEY, user() or UNNAMED)])
