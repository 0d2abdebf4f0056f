"""A certificate authority of the mesh's own, for where no other issues certificates.

Everything is ECDSA on P-256 and PEM. The authority signs leaves for identities only, no other
authority. A leaf serves both as a server and as a client.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from meshkit.identity import AUTHORITY, CERTIFICATE, KEY, SCHEME

AUTHORITY_DAYS = 3650
BEFORE = timedelta(minutes=5)
"""Certificates begin a little in the past: the clocks of two machines differ."""


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes

    @property
    def not_after(self) -> datetime:
        """When the certificate ends."""
        return x509.load_pem_x509_certificate(self.certificate).not_valid_after_utc

    def is_old(self, now: datetime) -> bool:
        """Whether less than a third of its life is left."""
        loaded = x509.load_pem_x509_certificate(self.certificate)
        life = loaded.not_valid_after_utc - loaded.not_valid_before_utc
        return loaded.not_valid_after_utc - now < life / 3


def new_authority(name: str = "conserje mesh", days: int = AUTHORITY_DAYS) -> Pair:
    """An authority that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(name)
    builder = (
        _builder(subject, subject, key, days)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
    )
    return _signed(builder, key, key)


def issue(authority: Pair, identity: str, names: Iterable[str], days: int) -> Pair:
    """A certificate of `identity`; `names` are the host names and addresses it serves under."""
    signer = x509.load_pem_x509_certificate(authority.certificate)
    signer_key = serialization.load_pem_private_key(authority.key, password=None)
    if not isinstance(signer_key, ec.EllipticCurvePrivateKey):
        raise TypeError("the authority's key is not an elliptic curve's")
    key = ec.generate_private_key(ec.SECP256R1())
    stated = [x509.UniformResourceIdentifier(SCHEME + identity), *map(_host, names)]
    builder = (
        _builder(_name(identity), signer.subject, key, days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage(
                [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
            ),
            critical=False,
        )
        .add_extension(x509.SubjectAlternativeName(stated), critical=False)
    )
    return _signed(builder, key, signer_key)


def write(folder: Path, pair: Pair, authority: bytes) -> None:
    """The three files of an identity; each is replaced whole, the key is readable by us alone."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in ((KEY, pair.key), (CERTIFICATE, pair.certificate), (AUTHORITY, authority)):
        fresh = folder / f".{name}.new"
        fresh.touch(mode=0o600)
        fresh.write_bytes(content)
        fresh.replace(folder / name)


def read(folder: Path) -> Pair:
    """The pair that `write` left; OSError when there is none."""
    return Pair((folder / CERTIFICATE).read_bytes(), (folder / KEY).read_bytes())


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BEFORE)
        .not_valid_after(now + timedelta(days=days))
    )


def _signed(
    builder: x509.CertificateBuilder,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
) -> Pair:
    certificate = builder.sign(signer, hashes.SHA256())
    return Pair(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _host(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
