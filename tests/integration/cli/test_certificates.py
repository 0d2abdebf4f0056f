"""`conserje certificates`: in a folder, and in a cluster's secrets."""

from __future__ import annotations

import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from meshkit import authority
from meshkit.identity import IDENTITIES, Certificates
from tests.integration.cli.conftest import Conserje


async def test_certificates_are_made_once_and_renewed_when_old(
    conserje: Conserje, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "tls"
    made = await conserje("certificates", "make", str(folder), "--host", "conserje.example")
    assert made.code == 0, made.err
    assert len(made.out.splitlines()) == len(IDENTITIES)
    signer = authority.read(folder / "authority")
    again = await conserje("certificates", "make", str(folder))
    assert (again.code, again.out) == (0, "")
    monkeypatch.setattr(authority, "BEFORE", authority.BEFORE * 1000)
    old = authority.issue(signer, "tenant", [], days=1)
    authority.write(folder / "tenant", old, signer.certificate)
    renewed = await conserje("certificates", "make", str(folder))
    assert [line.split()[1] for line in renewed.out.splitlines()] == ["conserje://tenant"]
    assert authority.read(folder / "authority") == signer
    assert Certificates(folder / "tenant").files.chain != old.certificate


async def test_a_folder_that_cannot_be_written_is_one_sentence(
    conserje: Conserje, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    ran = await conserje("certificates", "make", str(tmp_path / "file" / "tls"))
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "Not a directory" in ran.err


@pytest.mark.parametrize("days", ["0", "-1", "100000"])
async def test_a_life_that_makes_no_sense_is_refused(
    conserje: Conserje, tmp_path: Path, days: str
) -> None:
    ran = await conserje("certificates", "make", str(tmp_path / "tls"), "--days", days)
    assert (ran.code, "--days must be 1 to 3650" in ran.err) == (2, True)
    assert not (tmp_path / "tls").exists()


class Secrets:
    """As much of the Kubernetes API as secrets need."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.token = "t0ken"

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._authorised])
        root = "/api/v1/namespaces/hotels/secrets"
        app.router.add_get(root + "/{name}", self._get)
        app.router.add_put(root + "/{name}", self._put)
        app.router.add_post(root, self._post)
        return app

    def content(self, name: str) -> dict[str, bytes]:
        return {key: base64.b64decode(one) for key, one in self.kept[name]["data"].items()}

    @web.middleware
    async def _authorised(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.headers["Authorization"] != f"Bearer {self.token}":
            return web.json_response({"kind": "Status"}, status=403)
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _get(self, request: web.Request) -> web.Response:
        found = self.kept.get(request.match_info["name"])
        return web.json_response(found or {"kind": "Status"}, status=200 if found else 404)

    async def _put(self, request: web.Request) -> web.Response:
        self.kept[request.match_info["name"]] = await request.json()
        return web.json_response({})

    async def _post(self, request: web.Request) -> web.Response:
        secret = await request.json()
        name = secret["metadata"]["name"]
        if name in self.kept:
            return web.json_response({"kind": "Status"}, status=409)
        self.kept[name] = secret
        return web.json_response({}, status=201)


@asynccontextmanager
async def cluster(secrets: Secrets, folder: Path) -> AsyncIterator[dict[str, str]]:
    """The environment of a pod; its service account lies in `folder`."""
    signer = authority.new_authority()
    pair = authority.issue(signer, "api", ["127.0.0.1"], days=1)
    authority.write(folder, pair, signer.certificate)
    (folder / "token").write_text("t0ken\n")
    (folder / "namespace").write_text("hotels")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    runner = web.AppRunner(secrets.app())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        yield {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": str(port)}
    finally:
        await runner.cleanup()


async def test_a_cluster_gets_its_secrets_and_keeps_its_authority(
    conserje: Conserje, tmp_path: Path
) -> None:
    secrets = Secrets()
    command = ("certificates", "secrets", "--prefix=mesh", f"--service-account={tmp_path}")
    async with cluster(secrets, tmp_path) as environment:
        made = await conserje(*command, **environment)
        assert made.code == 0, made.err
        assert set(secrets.kept) == {f"mesh-tls-{one}" for one in (*IDENTITIES, "authority")}
        first = {name: secrets.content(name) for name in secrets.kept}
        again = await conserje(*command, **environment)
        assert (again.code, again.out) == (0, "")
        secrets.kept["mesh-tls-booking"]["data"]["ca.crt"] = base64.b64encode(b"other").decode()
        renewed = await conserje(*command, **environment)
        assert [line.split()[0] for line in renewed.out.splitlines()] == ["mesh-tls-booking"]
        assert secrets.content("mesh-tls-authority") == first["mesh-tls-authority"]
        secrets.token = "another"
        refused = await conserje(*command, **environment)
    assert (refused.code, "403" in refused.err, "t0ken" in refused.err) == (1, True, False)


async def test_outside_of_a_cluster_is_one_sentence(conserje: Conserje, tmp_path: Path) -> None:
    ran = await conserje(
        "certificates", "secrets", "--prefix=mesh", f"--service-account={tmp_path}"
    )
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert "no pod with a service account" in ran.err
