"""Certificates: what they state, when they are renewed, and files that are none."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from meshkit import authority
from meshkit.access import require
from meshkit.errors import PermissionDenied
from meshkit.identity import (
    ALTERNATIVE_NAMES,
    NOBODY,
    CertificateError,
    Certificates,
    identity_of,
)


def stated(*names: str) -> dict[str, list[bytes]]:
    return {ALTERNATIVE_NAMES: [name.encode() for name in names]}


@pytest.mark.parametrize(
    ("names", "identity"),
    [
        (["conserje://gateway", "conserje-gateway", "localhost"], "gateway"),
        (["conserje-gateway"], NOBODY),
        (["spiffe://conserje/gateway", "https://gateway"], NOBODY),
        (["conserje://gateway", "conserje://operator"], NOBODY),
        (["xconserje://gateway"], NOBODY),
        ([], NOBODY),
    ],
)
def test_an_identity_is_the_one_uri_of_our_scheme(names: list[str], identity: str) -> None:
    assert identity_of(stated(*names)) == identity


def test_a_caller_without_a_certificate_is_nobody() -> None:
    assert identity_of({}) == NOBODY


def test_nobody_is_never_allowed() -> None:
    require(("gateway",), "gateway")
    for identity in ("tenant", NOBODY):
        with pytest.raises(PermissionDenied) as refused:
            require(("gateway",), identity)
        assert refused.value.reason == "IDENTITY_NOT_ALLOWED"
    with pytest.raises(PermissionDenied):
        require((), NOBODY)


def test_a_certificate_states_its_identity_and_its_hosts(tmp_path: Path) -> None:
    signer = authority.new_authority()
    pair = authority.issue(signer, "tenant", ["conserje-tenant", "127.0.0.1"], days=30)
    leaf = x509.load_pem_x509_certificate(pair.certificate)
    leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(signer.certificate))
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["conserje://tenant"]
    assert names.get_values_for_type(x509.DNSName) == ["conserje-tenant"]
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    authority.write(tmp_path, pair, signer.certificate)
    assert Certificates(tmp_path).ends_at() == pair.not_after.timestamp()
    assert stat.S_IMODE((tmp_path / "tls.key").stat().st_mode) == 0o600


def test_a_certificate_is_old_when_a_third_of_its_life_is_left() -> None:
    pair = authority.issue(authority.new_authority(), "tenant", [], days=30)
    now = datetime.now(UTC)
    assert not pair.is_old(now + timedelta(days=19))
    assert pair.is_old(now + timedelta(days=21))


def test_files_that_are_no_certificate_are_told(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match=r"tls\.crt cannot be read"):
        Certificates(tmp_path)
    signer = authority.new_authority()
    authority.write(tmp_path, authority.issue(signer, "tenant", [], 30), b"nothing")
    with pytest.raises(CertificateError, match=r"ca\.crt holds no PEM"):
        Certificates(tmp_path)


def test_new_files_are_taken_and_half_written_ones_are_not(tmp_path: Path) -> None:
    signer = authority.new_authority()
    authority.write(tmp_path, authority.issue(signer, "tenant", [], 30), signer.certificate)
    certificates = Certificates(tmp_path)
    first = certificates.files
    certificates.refresh()
    assert certificates.files is first
    (tmp_path / "tls.crt").write_bytes(b"-----BEGIN CERTIF")
    certificates.refresh()
    assert certificates.files is first
    authority.write(tmp_path, authority.issue(signer, "tenant", [], 60), signer.certificate)
    certificates.refresh()
    assert certificates.files.not_after > first.not_after
