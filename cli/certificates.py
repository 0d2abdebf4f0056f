"""`conserje certificates`: an authority of the mesh's own, and a certificate for each identity."""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from cli.kubernetes import Cluster, ClusterError
from cli.places import UsageError
from meshkit import authority
from meshkit.authority import Pair
from meshkit.identity import AUTHORITY, CERTIFICATE, IDENTITIES, KEY

DAYS = 90
SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    command = commands.add_parser("certificates")
    kinds = command.add_subparsers(metavar="KIND", required=True)
    make = kinds.add_parser(
        "make",
        help="write them into a folder",
        description=(
            "Writes FOLDER/authority, which is kept when it is there, and FOLDER/<identity> with "
            "tls.crt, tls.key and ca.crt, for CONSERJE_TLS_FOLDER. What is young is left alone."
        ),
    )
    make.add_argument("folder", type=Path, metavar="FOLDER")
    make.add_argument(
        "--host",
        action="append",
        default=[],
        help="a name or address that the services are called by; localhost is always one",
    )
    make.set_defaults(run=run_make)
    secrets = kinds.add_parser(
        "secrets",
        help="keep them as secrets of the Kubernetes cluster this runs in",
        description=(
            "Makes PREFIX-tls-authority once, and PREFIX-tls-<identity>, again when less than a "
            "third of its life is left. For a pod whose service account may write these."
        ),
    )
    secrets.add_argument("--prefix", required=True, help="the name of the release")
    secrets.add_argument("--service-account", type=Path, default=Path(SERVICE_ACCOUNT))
    secrets.set_defaults(run=run_secrets)
    for kind in (make, secrets):
        kind.add_argument("--days", type=int, default=DAYS, help=f"{DAYS} by default")


def run_make(options: argparse.Namespace) -> int:
    """Writes what is missing or old; says what it wrote."""
    _check_days(options.days)
    folder: Path = options.folder
    try:
        signer = _authority_in(folder / "authority")
        for identity in IDENTITIES:
            own = folder / identity
            if (own / CERTIFICATE).exists() and _is_good(
                authority.read(own), (own / AUTHORITY).read_bytes(), signer
            ):
                continue
            pair = authority.issue(signer, identity, _hosts(options.host), options.days)
            authority.write(own, pair, signer.certificate)
            print(f"{own}  conserje://{identity}  until {pair.not_after:%Y-%m-%d}")
    except OSError as error:
        raise UsageError(f"{error.filename}: {error.strerror}.") from None
    return 0


def run_secrets(options: argparse.Namespace) -> int:
    """Makes or renews the secrets; 1 when the cluster refuses."""
    _check_days(options.days)
    try:
        cluster = Cluster(options.service_account)
        _renew_secrets(cluster, options.prefix, options.days)
    except ClusterError as error:
        print(f"conserje: {error}", file=sys.stderr)
        return 1
    return 0


def _renew_secrets(cluster: Cluster, prefix: str, days: int) -> None:
    name = f"{prefix}-tls-authority"
    kept = cluster.secret(name)
    if kept is None:
        fresh = authority.new_authority(f"{prefix} mesh")
        # Another run may have been first: then its authority is the one.
        cluster.create_secret(name, _content(fresh, fresh.certificate))
        kept = cluster.secret(name) or {}
    signer = Pair(kept[CERTIFICATE], kept[KEY])
    for identity in IDENTITIES:
        name = f"{prefix}-tls-{identity}"
        found = cluster.secret(name)
        if found and _is_good(Pair(found[CERTIFICATE], found[KEY]), found[AUTHORITY], signer):
            continue
        pair = authority.issue(signer, identity, _hosts([f"{prefix}-{identity}"]), days)
        content = _content(pair, signer.certificate)
        if found is None:
            cluster.create_secret(name, content)
        else:
            cluster.replace_secret(name, content)
        print(f"{name}  conserje://{identity}  until {pair.not_after:%Y-%m-%d}")


def _authority_in(folder: Path) -> Pair:
    if (folder / CERTIFICATE).exists():
        return authority.read(folder)
    fresh = authority.new_authority()
    authority.write(folder, fresh, fresh.certificate)
    return fresh


def _is_good(pair: Pair, known_authority: bytes, signer: Pair) -> bool:
    return known_authority == signer.certificate and not pair.is_old(datetime.now(UTC))


def _content(pair: Pair, signer: bytes) -> dict[str, bytes]:
    return {CERTIFICATE: pair.certificate, KEY: pair.key, AUTHORITY: signer}


def _hosts(names: Sequence[str]) -> list[str]:
    return ["localhost", "127.0.0.1", *names]


def _check_days(days: int) -> None:
    if not 1 <= days <= authority.AUTHORITY_DAYS:
        raise UsageError(f"--days must be 1 to {authority.AUTHORITY_DAYS}, not {days}.")
