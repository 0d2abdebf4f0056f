"""Who is at the other end: certificates from files, and the identity that they state.

A process has a folder with `tls.crt` (its chain), `tls.key` and `ca.crt` (the mesh's authority),
as cert-manager mounts them. The identity is the one URI subject alternative name
`conserje://<name>`; DNS names serve the client's check of the host, the common name is ignored.
Certificates are renewed under a running process: servers look at the files at each handshake,
clients when they are told to, see `meshkit.client`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Lock

import grpc
import structlog
from cryptography import x509

SCHEME = "conserje://"
ALTERNATIVE_NAMES = "x509_subject_alternative_name"
CERTIFICATE, KEY, AUTHORITY = "tls.crt", "tls.key", "ca.crt"

GATEWAY, TENANT, BOOKING, MESSAGING = "gateway", "tenant", "booking", "messaging"
OPERATOR, READER = "operator", "reader"
IDENTITIES = (GATEWAY, TENANT, BOOKING, MESSAGING, OPERATOR, READER)
NOBODY = ""
"""Somebody whose certificate names no identity of ours."""

log = structlog.get_logger()


class CertificateError(Exception):
    """Why the files of a folder are no certificate, in a sentence."""


@dataclass(frozen=True)
class Files:
    """The three files as they were read together."""

    chain: bytes
    key: bytes
    authority: bytes

    @classmethod
    def read(cls, folder: Path) -> Files:
        """`CertificateError` when one is missing, or they are no certificates."""
        try:
            files = cls(*((folder / name).read_bytes() for name in (CERTIFICATE, KEY, AUTHORITY)))
        except OSError as error:
            raise CertificateError(f"{error.filename} cannot be read ({error.strerror})") from None
        for name, content in ((CERTIFICATE, files.chain), (AUTHORITY, files.authority)):
            try:
                x509.load_pem_x509_certificates(content)
            except ValueError:
                raise CertificateError(f"{folder / name} holds no PEM certificate") from None
        return files

    @property
    def not_after(self) -> datetime:
        """When our own certificate ends."""
        return x509.load_pem_x509_certificates(self.chain)[0].not_valid_after_utc


class Certificates:
    """What a folder holds now; a file that is half-written leaves the last good ones in force."""

    def __init__(self, folder: Path) -> None:
        """`CertificateError` when there is nothing to begin with."""
        self._folder = folder
        self._lock = Lock()
        self.files = Files.read(folder)

    def refresh(self) -> None:
        """Look at the files: `files` becomes another object when they have changed.

        Called from any thread; gRPC does so at each handshake.
        """
        with self._lock:
            try:
                found = Files.read(self._folder)
            except CertificateError as problem:
                log.warning("certificates unreadable", problem=str(problem))
                return
            if found != self.files:
                self.files = found

    def ends_at(self) -> float:
        """When our own certificate ends, in seconds since 1970."""
        return self.files.not_after.timestamp()

    def client(self) -> grpc.ChannelCredentials:
        """Credentials for a new channel."""
        files = self.files
        return grpc.ssl_channel_credentials(files.authority, files.key, files.chain)

    def server(self) -> grpc.ServerCredentials:
        """Credentials that follow the files, and want a certificate of every caller."""
        served = self.files

        def fetch() -> grpc.ServerCertificateConfiguration | None:
            nonlocal served
            self.refresh()
            if self.files is served:
                return None
            served = self.files
            return _configuration(served)

        return grpc.dynamic_ssl_server_credentials(
            _configuration(served),
            fetch,  # type: ignore[arg-type] # None, "go on as before", is not in the stubs
            require_client_authentication=True,
        )


def identity_of(auth_context: Mapping[str, Iterable[bytes]]) -> str:
    """The identity that a caller's certificate states; `NOBODY` when it states none, or several."""
    stated = {
        name.decode().removeprefix(SCHEME)
        for name in auth_context.get(ALTERNATIVE_NAMES, ())
        if name.startswith(SCHEME.encode())
    }
    return stated.pop() if len(stated) == 1 else NOBODY


def _configuration(files: Files) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(files.key, files.chain)], files.authority)
