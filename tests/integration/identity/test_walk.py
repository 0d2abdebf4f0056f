"""Every RPC, called with every certificate: who is not meant to call is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import grpc
import pytest

from meshkit import authority
from meshkit.identity import IDENTITIES, Certificates
from tests.integration.identity import walk
from tests.unit.test_access import ALL

REFUSED = grpc.StatusCode.PERMISSION_DENIED
UNREACHED = grpc.StatusCode.UNAVAILABLE
"""What a caller sees whose handshake fails."""

ONLY = {
    "/conserje.messaging.v1.MessagingService/IngestEvent": {"gateway"},
    "/conserje.messaging.v1.MessagingService/BatchIngestEvents": {"gateway"},
    "/conserje.booking.v1.BookingService/AcquireLock": {"messaging", "operator"},
    "/conserje.booking.v1.BookingService/CancelReservation": {"messaging", "operator"},
    "/conserje.booking.v1.PmsService/ReceivePmsNotice": {"gateway"},
    "/conserje.tenant.v1.TenantService/ResolveTenant": {
        "gateway",
        "messaging",
        "operator",
        "reader",
    },
    "/conserje.tenant.v1.CredentialService/ReadAppCredentials": {"gateway"},
    "/conserje.tenant.v1.CredentialService/ReadAccessToken": {"messaging"},
    "/conserje.tenant.v1.CredentialService/ReadPmsCredential": {"booking"},
    "/conserje.tenant.v1.CredentialService/SetCredential": {"operator"},
    "/conserje.tenant.v1.CredentialService/RemoveCredential": {"operator"},
    "/conserje.tenant.v1.CredentialService/SetApp": {"operator"},
    "/conserje.tenant.v1.CredentialService/RemoveApp": {"operator"},
    "/conserje.tenant.v1.CredentialService/RotateKeys": {"operator"},
}
"""Written down a second time, so that a slip in the services' tables is seen."""


@dataclass(frozen=True)
class World:
    """One server of the whole contract, and who may call it."""

    root: Path
    signer: authority.Pair
    target: str


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    signer = authority.new_authority()
    folders = walk.folders(tmp_path, signer)
    async with walk.whole_contract(folders["tenant"]) as target:
        yield World(tmp_path, signer, target)


def _channel(target: str, folder: Path) -> grpc.aio.Channel:
    return grpc.aio.secure_channel(target, Certificates(folder).client())


@pytest.mark.parametrize("identity", [*IDENTITIES, "stranger"])
async def test_each_identity_may_call_what_is_said_and_nothing_else(
    world: World, identity: str
) -> None:
    folder = walk.issue(world.root / identity, world.signer, identity)
    async with _channel(world.target, folder) as channel:
        for path in walk.paths():
            _, service, name = path.split("/")
            refused = await walk.call(channel, path) is REFUSED
            assert refused == (identity not in ALL[service][name]), path
            if path in ONLY:
                assert refused == (identity not in ONLY[path]), path


async def test_without_a_certificate_nothing_is_reached(world: World) -> None:
    known = Certificates(world.root / "reader").files.authority
    for credentials in (grpc.ssl_channel_credentials(known), None):
        open_channel = (
            grpc.aio.insecure_channel(world.target)
            if credentials is None
            else grpc.aio.secure_channel(world.target, credentials)
        )
        async with open_channel as channel:
            for path in walk.paths():
                assert await walk.call(channel, path) is UNREACHED, path


async def test_a_foreign_authority_and_an_ended_certificate_reach_nothing(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = walk.issue(tmp_path / "foreign", authority.new_authority(), "operator")
    # They trust our servers; it is the servers that do not know them.
    (foreign / "ca.crt").write_bytes(world.signer.certificate)
    monkeypatch.setattr(authority, "BEFORE", timedelta(days=2))
    ended = walk.issue(tmp_path / "ended", world.signer, "operator", days=-1)
    for folder in (foreign, ended):
        async with _channel(world.target, folder) as channel:
            for path in walk.paths():
                assert await walk.call(channel, path) is UNREACHED, path


async def test_a_server_under_another_name_is_not_spoken_to(world: World, tmp_path: Path) -> None:
    elsewhere = walk.issue(tmp_path / "gateway", world.signer, "gateway")
    options = (("grpc.ssl_target_name_override", "conserje-booking"),)
    credentials = Certificates(elsewhere).client()
    async with grpc.aio.secure_channel(world.target, credentials, options=options) as channel:
        assert await walk.call(channel, walk.paths()[0]) is UNREACHED
