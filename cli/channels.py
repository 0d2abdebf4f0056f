"""The way to a service: plaintext, or with the certificate of who types."""

import os
from collections.abc import Mapping
from pathlib import Path

import grpc

from cli.places import UsageError
from meshkit.identity import CertificateError, Certificates

FOLDER_VARIABLE = "CONSERJE_TLS_FOLDER"
MAX_MESSAGE_BYTES = 8 * 1024 * 1024


def open_channel(target: str, environ: Mapping[str, str] = os.environ) -> grpc.Channel:
    """A channel to `target`, to be closed by who asked; `CONSERJE_TLS_FOLDER` makes it secure."""
    options = [("grpc.max_receive_message_length", MAX_MESSAGE_BYTES)]
    folder = environ.get(FOLDER_VARIABLE, "")
    if not folder:
        return grpc.insecure_channel(target, options=options)
    try:
        credentials = Certificates(Path(folder)).client()
    except CertificateError as problem:
        raise UsageError(f"{FOLDER_VARIABLE}: {problem}.") from None
    return grpc.secure_channel(target, credentials, options=options)
