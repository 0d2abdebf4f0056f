"""`conserje token`, `conserje app` and `conserje keys` against the running service."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from conserje.tenant.v1.credential_service_pb2_grpc import CredentialServiceStub

from cli.command import main
from sandbox.databases import DatabaseUrls
from tests.integration.tenant.keys import (
    MIRADOR,
    MIRADORS_NUMBER,
    add_key,
    apps_of,
    token_of,
)
from tests.integration.tenant.test_process import ports_of, start

SECRET = "CanaryCanary"


@dataclass(frozen=True)
class Place:
    """Where the service is, and how the command is typed."""

    run: Callable[..., Awaitable[tuple[int, str, str]]]
    target: str
    keys: Path
    file: Path


@pytest.fixture
async def place(
    urls: DatabaseUrls,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> AsyncIterator[Place]:
    async def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = await asyncio.to_thread(main, arguments)
        told = capsys.readouterr()
        assert SECRET not in told.out + told.err
        return (code, *told)

    keys = add_key(tmp_path / "keys", "2026-01")
    file = tmp_path / "secret.txt"
    file.write_text(SECRET + "\n")
    # A process of its own: what it logs is not what the command prints.
    service = await start(urls, CONSERJE_TENANT_KEYS_FOLDER=str(keys))
    try:
        target = f"127.0.0.1:{(await ports_of(service))['grpc']}"
        monkeypatch.setenv("CONSERJE_TARGET_TENANT", target)
        yield Place(run, target, keys, file)
    finally:
        service.terminate()
        await service.communicate()


async def test_a_token_is_set_from_a_file_listed_and_erased(place: Place) -> None:
    code, out, _ = await place.run("token", "set", MIRADOR, "--from", str(place.file))
    assert (code, out.split()[:3]) == (0, [MIRADOR, "ACCESS_TOKEN", "-"])
    async with grpc.aio.insecure_channel(place.target) as channel:
        assert await token_of(CredentialServiceStub(channel), MIRADOR, MIRADORS_NUMBER) == SECRET
    await place.run("token", "set", MIRADOR, "--pms", "main", "--from", str(place.file))
    await place.run("token", "set", MIRADOR, "--for", MIRADORS_NUMBER, "--from", str(place.file))
    _, out, _ = await place.run("token", "list", MIRADOR)
    assert [line.split()[1:3] for line in out.splitlines()] == [
        ["ACCESS_TOKEN", "-"],
        ["PMS", "main"],
        ["ACCESS_TOKEN", MIRADORS_NUMBER],
    ]
    assert all("key 2026-01" in line for line in out.splitlines())
    assert (await place.run("token", "remove", MIRADOR, "--for", MIRADORS_NUMBER))[0] == 0
    code, _, error = await place.run("token", "remove", MIRADOR, "--for", MIRADORS_NUMBER)
    assert (code, error.split()) == (1, ["NOT_FOUND", "CREDENTIAL_UNKNOWN", *error.split()[2:]])


async def test_a_token_is_read_from_standard_input_and_never_from_an_argument(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = io.TextIOWrapper(io.BytesIO(f"{SECRET}\r\n".encode()))
    monkeypatch.setattr("sys.stdin", typed)
    assert (await place.run("token", "set", MIRADOR))[0] == 0
    async with grpc.aio.insecure_channel(place.target) as channel:
        assert await token_of(CredentialServiceStub(channel), MIRADOR, MIRADORS_NUMBER) == SECRET
    with pytest.raises(SystemExit) as refused:
        await place.run("token", "set", MIRADOR, "a-token-as-argument")
    assert refused.value.code == 2


async def test_an_apps_secret_is_changed_by_adding_the_new_and_removing_the_old(
    place: Place,
) -> None:
    source = ("--from", str(place.file))
    assert (await place.run("app", "set", "norte", "--id", "4711"))[0] == 0
    await place.run("app", "add-secret", "norte", "old", *source)
    await place.run("app", "set-verify-token", "norte", *source)
    place.file.write_text("the-new-one")
    await place.run("app", "add-secret", "norte", "new", *source)
    async with grpc.aio.insecure_channel(place.target) as channel:
        stub = CredentialServiceStub(channel)
        assert await apps_of(stub) == {"norte": ([SECRET, "the-new-one"], SECRET)}
        await place.run("app", "remove-secret", "norte", "old")
        assert await apps_of(stub) == {"norte": (["the-new-one"], SECRET)}
        _, out, _ = await place.run("app", "list")
        assert out.startswith("norte  4711  /webhooks/whatsapp/norte\n")
        assert "the-new-one" not in out
        await place.run("app", "remove", "norte")
        assert await apps_of(stub) == {}


async def test_keys_are_listed_and_rotated(place: Place) -> None:
    await place.run("token", "set", MIRADOR, "--from", str(place.file))
    add_key(place.keys, "2026-07")
    code, out, _ = await place.run("keys", "rotate")
    assert (code, out) == (0, "1 secrets are now under 2026-07\n")
    _, out, _ = await place.run("keys", "list")
    assert out == "2026-01  present  0 secrets\n2026-07  newest  1 secrets\n"
    (place.keys / "2026-01").unlink()
    assert (await place.run("keys", "rotate"))[1] == "0 secrets are now under 2026-07\n"


async def test_a_rotation_that_leaves_secrets_behind_says_no(place: Place) -> None:
    """So that nobody's script takes the old key away after it."""
    await place.run("token", "set", MIRADOR, "--from", str(place.file))
    add_key(place.keys, "2026-07")
    (place.keys / "2026-01").unlink()
    code, out, _ = await place.run("keys", "rotate")
    assert (code, out.splitlines()[0]) == (1, "0 secrets are now under 2026-07")
    assert out.splitlines()[1].startswith("1 could not be decrypted")


async def test_accounts_and_portfolios_are_said_listed_and_forgotten(place: Place) -> None:
    await place.run("app", "set", "norte")
    assert (await place.run("portfolio", "set", "31", "--name", "Norte"))[1] == "31  Norte\n"
    code, out, _ = await place.run("account", "set", "21", "--app", "norte", "--portfolio", "31")
    assert (code, out) == (0, "21  norte  portfolio 31\n")
    assert (await place.run("account", "set", "22"))[1] == "22  any app  portfolio -\n"
    assert (await place.run("account", "list"))[1] == (
        "21  norte  portfolio 31\n22  any app  portfolio -\n"
    )
    code, _, error = await place.run("portfolio", "remove", "31")
    assert (code, "PORTFOLIO_IN_USE" in error) == (1, True)
    await place.run("account", "remove", "21")
    await place.run("portfolio", "remove", "31")
    assert (await place.run("portfolio", "list"))[1] == "no portfolios\n"
