"""Guests' files are fetched at once, whole and once, and the token goes nowhere else."""

from __future__ import annotations

import asyncio
import hashlib
import signal
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from aiohttp import web
from conserje.messaging.v1 import media_service_pb2 as pb
from conserje.messaging.v1.event_pb2 import MEDIA_KIND_AUDIO, MEDIA_KIND_IMAGE
from conserje.messaging.v1.media_service_pb2_grpc import MediaServiceStub
from conserje.messaging.v1.messaging_service_pb2 import IngestEventRequest
from pydantic import SecretStr

from sandbox.graph.app import serving
from sandbox.graph.client import GraphControl
from sandbox.graph.settings import GraphSettings, Number
from tests.integration.cli.conftest import Conserje
from tests.integration.cli.conftest import conserje as conserje
from tests.integration.messaging.mesh import ACCOUNT, NUMBER, TENANT, TOKEN, Mesh, text

OTHER, OTHER_HOTEL = "999", "hotel-other"
PICTURE = b"\x89PNG" + bytes(range(256)) * 200
STORED = "SELECT count(*) FROM media WHERE state = 'STORED'"
FAILED = "SELECT failure FROM media WHERE failure IS NOT NULL"


def file_of(media: dict[str, Any], *, voice: bool = False, **about: Any) -> IngestEventRequest:
    """A guest's photo or voice note; `media` is what WhatsApp says of it."""
    request = text(**about)
    request.event.message.type = "audio" if voice else "image"
    told = request.event.message.media
    told.kind = MEDIA_KIND_AUDIO if voice else MEDIA_KIND_IMAGE
    told.media_id, told.voice, told.caption = media["id"], voice, "¿Es esta?"
    told.mime_type = media.get("mime_type", "image/png")
    told.sha256 = media.get("sha256", digest(PICTURE))
    told.url = media.get("url", "")
    return request


def digest(content: bytes) -> str:
    """As Meta writes it in webhooks."""
    return b64encode(hashlib.sha256(content).digest()).decode()


@dataclass
class Host:
    """A web server somewhere; it notes who asked for what, and with which token."""

    address: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    asked_once: asyncio.Event = field(default_factory=asyncio.Event)
    to: str = ""
    """Where `/redirect` leads."""

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.path, request.headers.get("Authorization", "")))
        self.asked_once.set()
        match request.path.split("/")[1]:
            case "hang":
                await self.release.wait()
            case "redirect":
                return web.Response(status=302, headers={"Location": self.to})
            case "gone":
                return web.Response(status=404)
            case "endless":
                return await self._endless(request)
            case "v26.0":
                return web.json_response({"url": self.to, "sha256": digest(PICTURE)})
        return web.Response(body=PICTURE)

    async def _endless(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        while request.transport is not None and not request.transport.is_closing():
            await response.write(PICTURE)
        return response


@asynccontextmanager
async def host() -> AsyncIterator[Host]:
    """A host inside the block."""
    there = Host()
    app = web.Application()
    app.router.add_get("/{rest:.*}", there.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    there.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield there
    finally:
        there.release.set()
        await runner.cleanup()


@pytest.fixture
async def graph() -> AsyncIterator[GraphControl]:
    """The fake Graph API of the sandbox, with the mesh's number."""
    numbers = [Number(one, ACCOUNT, f"+34 910 {one[-3:]}") for one in (NUMBER, OTHER)]
    settings = GraphSettings(numbers=numbers, access_token=TOKEN)
    async with serving(settings) as address, GraphControl(address) as control:
        yield control


@pytest.fixture
async def allowed() -> AsyncIterator[Host]:
    """A host that files may be fetched from, besides the fake Graph API."""
    async with host() as there:
        yield there


@pytest.fixture
async def foreign() -> AsyncIterator[Host]:
    """A host that nobody has allowed."""
    async with host() as there:
        yield there


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    return tmp_path / "media"


@pytest.fixture
def options(graph: GraphControl, allowed: Host, shelf: Path) -> dict[str, Any]:
    """What a replica that fetches is told."""
    return {
        "graph_base_url": graph.address,
        "media_origins": (graph.address, allowed.address),
        "media_folder": str(shelf),
        "lease_seconds": 15.0,
    }


def kept(shelf: Path) -> list[Path]:
    """The files that are kept; drafts are none."""
    return sorted(path for path in shelf.glob("*/*/*") if path.is_file())


def drafts(shelf: Path) -> list[Path]:
    return list((shelf / ".drafts").glob("*"))


def media_stub(mesh: Mesh) -> Any:
    """What operators call at the first replica."""
    channel = grpc.aio.insecure_channel(mesh.target)
    mesh.channels.append(channel)
    return MediaServiceStub(channel)


async def test_a_hundred_files_come_over_no_more_connections_than_the_pool_has(
    mesh: Mesh, graph: GraphControl, shelf: Path, options: dict[str, Any]
) -> None:
    stub = await mesh.start("serve", "media", **options, media_concurrency=4, media_share=4)
    contents = [PICTURE + bytes([at]) for at in range(100)]
    media = [await graph.add_media(NUMBER, "image/png", content) for content in contents]
    before = (await graph.report())["connections"]
    files = [file_of(one, phone=f"346{at % 9:08}") for at, one in enumerate(media)]
    await mesh.say(stub, *files, *files[:10])
    await mesh.until(STORED, value=100)
    assert sorted(path.read_bytes() for path in kept(shelf)) == sorted(contents)
    assert {path.stat().st_mode & 0o777 for path in kept(shelf)} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in (shelf, shelf / TENANT)} == {0o700}
    assert not drafts(shelf)
    report = await graph.report()
    assert (report["media_described"], report["media_downloaded"]) == (100, 100)
    # Seen from there: a pool for the addresses and one for the files.
    assert report["connections"] - before <= 2 * 4
    registry = mesh.kits[0].registry
    for to in ("graph", "files"):
        opened = registry.get_sample_value("media_connections_total", {"to": to})
        assert opened is not None
        assert 1 <= opened <= 4


async def test_what_is_known_of_a_file(
    mesh: Mesh, graph: GraphControl, options: dict[str, Any]
) -> None:
    stub = await mesh.start("serve", "media", **options)
    media = await graph.add_media(NUMBER, "audio/ogg; codecs=opus", PICTURE)
    await mesh.say(stub, file_of(media, voice=True))
    await mesh.until(STORED, value=1)
    asking = media_stub(mesh)
    (told,) = (await asking.ListMedia(pb.ListMediaRequest(tenant_id=TENANT))).media
    assert (told.state, told.kind, told.voice) == (pb.MEDIA_STATE_STORED, MEDIA_KIND_AUDIO, True)
    assert (told.media_type, told.byte_count) == ("audio/ogg", len(PICTURE))
    assert told.sha256 == hashlib.sha256(PICTURE).hexdigest()
    assert (told.phone_number_id, told.attempt_count, told.failure) == (NUMBER, 1, "")
    assert told.expire_time.seconds - told.arrive_time.seconds == 30 * 86_400
    one = pb.GetMediaRequest(tenant_id=TENANT, media_key=told.media_key)
    assert (await asking.GetMedia(one)).media == told


async def test_files_are_listed_page_by_page_to_their_own_hotel(
    mesh: Mesh, options: dict[str, Any]
) -> None:
    stub = await mesh.start("serve", "media", **options)
    await mesh.say(stub, *(file_of({"id": "../1"}) for _ in range(3)))
    await mesh.until("SELECT count(*) FROM media WHERE state = 'DEAD'", value=3)
    asking = media_stub(mesh)
    request = pb.ListMediaRequest(tenant_id=TENANT, page_size=2, dead_only=True)
    first = await asking.ListMedia(request)
    request.page_token = first.next_page_token
    second = await asking.ListMedia(request)
    assert (len(first.media), len(second.media), second.next_page_token) == (2, 1, "")
    found = [one.media_key for one in (*first.media, *second.media)]
    assert found == sorted(set(found))
    assert {one.failure for one in first.media} == {"BAD_ID"}
    assert not (await asking.ListMedia(pb.ListMediaRequest(tenant_id=OTHER_HOTEL))).media
    theirs = {"tenant_id": OTHER_HOTEL, "media_key": found[0]}
    for call in (
        asking.GetMedia(pb.GetMediaRequest(**theirs)),
        asking.RetryMedia(pb.RetryMediaRequest(**theirs)),
        asking.EraseMedia(pb.EraseMediaRequest(**theirs)),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call
        assert refused.value.code() == grpc.StatusCode.NOT_FOUND


async def test_a_file_that_was_given_up_is_fetched_again_and_one_is_erased_by_hand(
    mesh: Mesh, allowed: Host, shelf: Path, options: dict[str, Any], conserje: Conserje
) -> None:
    small = options | {"media_bytes": len(PICTURE) - 1}
    stub = await mesh.start("serve", "media", **small)
    await mesh.say(stub, file_of({"id": "1", "url": f"{allowed.address}/file"}))
    await mesh.until("SELECT state FROM media", value="DEAD")
    await mesh.stop()
    await mesh.start("serve", "media", **options)
    at = ("--target", mesh.target)
    shown = await conserje("media", "list", TENANT, "--dead", *at)
    assert "image  dead  TOO_LARGE  after 1 attempt" in shown.out, shown
    key = shown.out.split()[0]
    assert (await conserje("media", "retry", TENANT, key, *at)).code == 0
    await mesh.until(STORED, value=1)
    assert f"{len(PICTURE)} bytes" in (await conserje("media", "list", TENANT, *at)).out
    assert "MEDIA_UNKNOWN" in (await conserje("media", "retry", TENANT, key, *at)).err
    assert (await conserje("media", "erase", TENANT, key, *at)).code == 0
    await mesh.stop()
    await mesh.start("media", **options)
    await mesh.until("SELECT count(*) FROM media", value=0)
    assert not kept(shelf)


async def test_what_is_erased_while_it_is_fetched_is_not_kept(
    mesh: Mesh, allowed: Host, shelf: Path, options: dict[str, Any]
) -> None:
    stub = await mesh.start("serve", "media", **options)
    await mesh.say(stub, file_of({"id": "1", "url": f"{allowed.address}/hang"}))
    await asyncio.wait_for(allowed.asked_once.wait(), 20)
    # Known to be the hotel's since an earlier try.
    await mesh.admin.execute("UPDATE media SET tenant_id = $1", TENANT)
    key = await mesh.admin.fetchval("SELECT media_key FROM media")
    await media_stub(mesh).EraseMedia(pb.EraseMediaRequest(tenant_id=TENANT, media_key=key))
    allowed.release.set()
    await mesh.stop()
    assert await mesh.admin.fetchval("SELECT failure FROM media") == "ERASED"
    assert not kept(shelf)


async def test_the_address_in_the_webhook_saves_a_question(
    mesh: Mesh, graph: GraphControl, allowed: Host, options: dict[str, Any]
) -> None:
    stub = await mesh.start("serve", "media", **options)
    await mesh.say(stub, file_of({"id": "1", "url": f"{allowed.address}/file"}))
    await mesh.until(STORED, value=1)
    assert allowed.asked == [("/file", f"Bearer {TOKEN}")]
    assert (await graph.report())["media_described"] == 0


async def test_an_address_that_is_over_is_asked_for_again_once(
    mesh: Mesh, graph: GraphControl, allowed: Host, options: dict[str, Any]
) -> None:
    stub = await mesh.start("serve", "media", **options)
    media = await graph.add_media(NUMBER, "image/png", PICTURE)
    await mesh.say(stub, file_of(media | {"url": f"{allowed.address}/gone"}))
    await mesh.until(STORED, value=1)
    assert allowed.paths == ["/gone"]
    report = await graph.report()
    assert (report["media_described"], report["media_downloaded"]) == (1, 1)


async def test_and_not_twice(mesh: Mesh, allowed: Host, options: dict[str, Any]) -> None:
    allowed.to = f"{allowed.address}/gone"
    stub = await mesh.start("serve", "media", **options | {"graph_base_url": allowed.address})
    await mesh.say(stub, file_of({"id": "1"}))
    await mesh.until(FAILED, value="EXPIRED")
    assert allowed.paths[:4] == ["/v26.0/1", "/gone", "/v26.0/1", "/gone"]
    row = await mesh.row("SELECT state, due_time > arrive_time AS later FROM media")
    assert tuple(row) == ("WAITING", True)


async def test_a_file_that_is_not_the_one_is_not_kept(
    mesh: Mesh, graph: GraphControl, shelf: Path, options: dict[str, Any]
) -> None:
    stub = await mesh.start("serve", "media", **options)
    media = await graph.add_media(NUMBER, "image/png", PICTURE)
    await mesh.say(stub, file_of(media | {"sha256": digest(b"another")}))
    await mesh.until(FAILED, value="DIGEST_MISMATCH")
    await mesh.stop()
    assert await mesh.admin.fetchval("SELECT state FROM media") == "WAITING"
    assert not kept(shelf)
    assert not drafts(shelf)


@pytest.mark.parametrize("path", ["file", "endless"])
async def test_a_file_that_is_too_large_is_not_read_to_its_end(
    mesh: Mesh, allowed: Host, shelf: Path, options: dict[str, Any], path: str
) -> None:
    stub = await mesh.start("serve", "media", **options, media_bytes=len(PICTURE) - 1)
    await mesh.say(stub, file_of({"id": "1", "url": f"{allowed.address}/{path}"}))
    await mesh.until("SELECT state FROM media", value="DEAD")
    assert await mesh.admin.fetchval(FAILED) == "TOO_LARGE"
    assert allowed.paths == [f"/{path}"]
    assert not kept(shelf)
    assert not drafts(shelf)


ELSEWHERE = (
    "{foreign}/file",
    "{foreign}/file#{allowed}",
    "http://{allowed_host}@{foreign_host}/file",
    "http://{allowed_host}\\@{foreign_host}/file",
    "//{foreign_host}/file",
    "file:///etc/passwd",
    "http://169.254.169.254/latest/meta-data",
    "http://[::1",
    "{allowed}/redirect",
)


async def test_a_token_is_shown_to_nobody_else(
    mesh: Mesh, allowed: Host, foreign: Host, options: dict[str, Any]
) -> None:
    allowed.to = f"{foreign.address}/file"
    hosts = {"allowed": allowed.address, "foreign": foreign.address}
    hosts |= {f"{name}_host": one.removeprefix("http://") for name, one in hosts.items()}
    stub = await mesh.start("serve", "media", **options)
    urls = [url.format(**hosts) for url in ELSEWHERE]
    await mesh.say(stub, *(file_of({"id": "1", "url": url}) for url in urls))
    ended = "SELECT count(*) FROM media WHERE state = 'DEAD' AND failure = 'HOST_NOT_ALLOWED'"
    await mesh.until(ended, value=len(urls))
    assert foreign.asked == []
    assert allowed.paths == ["/redirect"]


async def test_nor_where_the_graph_api_points(
    mesh: Mesh, allowed: Host, foreign: Host, options: dict[str, Any]
) -> None:
    allowed.to = f"{foreign.address}/file"
    stub = await mesh.start("serve", "media", **options | {"graph_base_url": allowed.address})
    await mesh.say(stub, file_of({"id": "1"}))
    await mesh.until("SELECT state FROM media", value="DEAD")
    assert await mesh.admin.fetchval(FAILED) == "HOST_NOT_ALLOWED"
    assert foreign.asked == []


async def test_an_id_that_leads_elsewhere_is_none(
    mesh: Mesh, allowed: Host, options: dict[str, Any]
) -> None:
    stub = await mesh.start("serve", "media", **options | {"graph_base_url": allowed.address})
    await mesh.say(stub, file_of({"id": "../me/accounts"}), file_of({"id": "1\0"}))
    await mesh.until("SELECT count(*) FROM media WHERE state = 'DEAD'", value=2)
    assert allowed.asked == []


async def test_a_killed_worker_s_file_is_fetched_by_the_next_and_kept_once(
    mesh: Mesh, allowed: Host, shelf: Path, options: dict[str, Any]
) -> None:
    doomed = await mesh.spawn(**options | {"lease_seconds": 1.0})
    url = f"{allowed.address}/hang"
    await mesh.say(mesh.stub(doomed.ports["grpc"]), file_of({"id": "1", "url": url}))
    await asyncio.wait_for(allowed.asked_once.wait(), 20)
    doomed.signal(signal.SIGKILL)
    await doomed.kill()
    assert await mesh.admin.fetchval("SELECT state FROM media") == "WAITING"
    allowed.release.set()
    await mesh.start("media", **options)
    await mesh.until(STORED, value=1)
    assert await mesh.admin.fetchval("SELECT attempt_count FROM media") == 2
    assert [path.read_bytes() for path in kept(shelf)] == [PICTURE]


async def test_a_lease_is_held_for_as_long_as_a_download_takes(
    mesh: Mesh, allowed: Host, options: dict[str, Any]
) -> None:
    short = options | {"lease_seconds": 4.5}
    stub = await mesh.start("serve", "media", **short)
    await mesh.start("media", **short)
    url = f"{allowed.address}/hang"
    await mesh.say(stub, file_of({"id": "1", "url": url}))
    await asyncio.wait_for(allowed.asked_once.wait(), 20)
    claimed = await mesh.admin.fetchval("SELECT due_time FROM media")
    await mesh.until("SELECT due_time > $1::timestamptz + interval '2 s' FROM media", claimed)
    allowed.release.set()
    await mesh.until(STORED, value=1)
    # Whoever is late to renew it has it taken by the other replica, which asks again.
    assert allowed.paths == ["/hang"]
    assert await mesh.admin.fetchval("SELECT lease_number FROM media") == 1


async def test_a_hotel_s_slow_files_delay_no_other_hotel(
    mesh: Mesh, graph: GraphControl, allowed: Host, options: dict[str, Any]
) -> None:
    mesh.tenants.add(OTHER, OTHER_HOTEL)
    stub = await mesh.start("serve", "media", **options, media_concurrency=8, media_share=4)
    url = f"{allowed.address}/hang"
    slow = [file_of({"id": f"{at}", "url": url}, phone=f"346{at:08}") for at in range(30)]
    await mesh.say(stub, *slow)
    await mesh.until("SELECT count(*) FROM media WHERE lease_number > 0", value=4)
    media = [await graph.add_media(OTHER, "image/png", PICTURE) for _ in range(20)]
    quick = [file_of(one, number=OTHER, phone=f"347{at:08}") for at, one in enumerate(media)]
    await mesh.say(stub, *quick)
    await mesh.until(STORED + f" AND tenant_id = '{OTHER_HOTEL}'", value=20)
    # Not one of the slow ones ended meanwhile, and they got no more slots.
    assert await mesh.admin.fetchval(STORED) == 20
    assert await mesh.admin.fetchval("SELECT count(*) FROM media WHERE attempt_count > 0") == 24


async def test_a_file_for_a_number_of_no_hotel_waits_until_it_has_one(
    mesh: Mesh, graph: GraphControl, options: dict[str, Any]
) -> None:
    stub = await mesh.start("serve", "media", **options)
    media = await graph.add_media(OTHER, "image/png", PICTURE)
    await mesh.say(stub, file_of(media, number=OTHER))
    await mesh.until(FAILED, value="NO_HOTEL")
    await mesh.register(OTHER, OTHER_HOTEL)
    await mesh.admin.execute("UPDATE media SET due_time = now()")
    await mesh.until(STORED, value=1)
    assert await mesh.admin.fetchval("SELECT tenant_id FROM media") == OTHER_HOTEL


async def test_what_meta_does_not_have_is_given_up_and_a_bad_token_is_not(
    mesh: Mesh, graph: GraphControl, options: dict[str, Any]
) -> None:
    stub = await mesh.start("serve", "media", **options)
    await mesh.say(stub, file_of({"id": "1"}))
    await mesh.until("SELECT state FROM media", value="DEAD")
    assert await mesh.admin.fetchval(FAILED) == "GRAPH_REFUSED"
    await mesh.stop()
    stub = await mesh.start("serve", "media", **options, graph_access_token=SecretStr("old"))
    media = await graph.add_media(NUMBER, "image/png", PICTURE)
    await mesh.say(stub, file_of(media))
    waiting = "SELECT failure FROM media WHERE state = 'WAITING'"
    await mesh.until(waiting, value="GRAPH_REFUSED")


async def test_a_folder_that_takes_nothing_is_told_and_nothing_is_lost(
    mesh: Mesh, graph: GraphControl, shelf: Path, options: dict[str, Any]
) -> None:
    shelf.write_text("no folder")
    stub = await mesh.start("serve", "media", **options)
    await mesh.say(stub, file_of(await graph.add_media(NUMBER, "image/png", PICTURE)))
    await mesh.until(FAILED, value="STORE_AWAY")
    health = mesh.kits[0].health
    assert "media" in health.report()["degraded"]
    assert health.is_ready()
    shelf.unlink()
    await mesh.admin.execute("UPDATE media SET due_time = now()")
    await mesh.until(STORED, value=1)
    assert "media" not in health.report()["degraded"]


async def test_a_file_goes_at_the_end_of_its_time_and_its_row_with_it(
    mesh: Mesh, graph: GraphControl, shelf: Path, options: dict[str, Any]
) -> None:
    stub = await mesh.start("serve", "media", **options)
    for _ in range(2):
        await mesh.say(stub, file_of(await graph.add_media(NUMBER, "image/png", PICTURE)))
    await mesh.until(STORED, value=2)
    await mesh.stop()
    await mesh.admin.execute(
        "UPDATE media SET expire_time = now() WHERE media_key = (SELECT min(media_key) FROM media)"
    )
    await mesh.start("media", **options)
    await mesh.until("SELECT count(*) FROM media", value=1)
    (left,) = kept(shelf)
    assert int(left.name, 16) == await mesh.admin.fetchval("SELECT media_key FROM media")


async def test_what_went_to_the_quarantine_has_no_file(mesh: Mesh, options: dict[str, Any]) -> None:
    stub = await mesh.start("serve", "media", **options)
    nobody = file_of({"id": "1"}, phone="")
    await mesh.say(stub, nobody)
    assert await mesh.admin.fetchval("SELECT count(*) FROM quarantine") == 1
    assert await mesh.admin.fetchval("SELECT count(*) FROM media") == 0
