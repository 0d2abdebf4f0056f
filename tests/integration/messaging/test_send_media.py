"""Files to guests are uploaded once for each number, and sent by the id they have there."""

from __future__ import annotations

import asyncio
import math
import shutil
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import grpc
import pytest
from conserje.messaging.v1 import media_service_pb2 as pb
from conserje.messaging.v1.media_service_pb2_grpc import MediaServiceStub
from conserje.tenant.v1.tenant_pb2 import TENANT_STATE_DELETED

from meshkit.errors import FailedPrecondition, InvalidArgument
from sandbox.graph.app import serving
from sandbox.graph.client import GraphControl
from sandbox.graph.media import MAX_BYTES
from sandbox.graph.settings import GraphSettings, Number
from services.messaging.media.sound import Sound
from tests.integration.cli.conftest import Conserje
from tests.integration.cli.conftest import conserje as conserje
from tests.integration.messaging.mesh import ACCOUNT, NUMBER, TENANT, TOKEN, Mesh, text

OTHER, GUEST = "999", "34600000001"
PICTURE = b"\x89PNG" + bytes(range(256)) * 20
STATES = "SELECT array_agg(state ORDER BY outbox_number) FROM outbox WHERE kind <> 'interactive'"

has_ffmpeg = pytest.mark.skipif(
    shutil.which("ffmpeg") is None, reason="this machine has no ffmpeg, which converts sound"
)


def tone(channels: int = 2, seconds: float = 0.5, rate: int = 8000) -> bytes:
    """A WAV file."""
    samples = (int(9000 * math.sin(at / 5)) for at in range(int(seconds * rate)))
    data = b"".join(struct.pack("<h", one) * channels for one in samples)
    size = 2 * channels
    shape = struct.pack("<IHHIIHH", 16, 1, channels, rate, rate * size, size, 16)
    chunks = b"WAVEfmt " + shape + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks


@pytest.fixture
async def graph() -> AsyncIterator[GraphControl]:
    """The fake Graph API of the sandbox, with two numbers."""
    numbers = [Number(one, ACCOUNT, f"+34 910 {one[-3:]}") for one in (NUMBER, OTHER)]
    settings = GraphSettings(numbers=numbers, access_token=TOKEN)
    async with serving(settings) as address, GraphControl(address) as control:
        yield control


def stub(mesh: Mesh) -> Any:
    """What operators call at the first replica."""
    channel = grpc.aio.insecure_channel(mesh.target)
    mesh.channels.append(channel)
    return MediaServiceStub(channel)


async def talk(mesh: Mesh, graph: GraphControl, **changes: Any) -> int:
    """A guest has written and was answered; the conversation."""
    messaging = await mesh.start("serve", "steps", "send", graph_base_url=graph.address, **changes)
    await mesh.say(messaging, text("hola", phone=GUEST))
    await mesh.until_quiet()
    await mesh.until_told()
    box: int = await mesh.admin.fetchval("SELECT mailbox_id FROM mailbox")
    return box


def sending(box: int, **changes: Any) -> pb.SendMediaRequest:
    asked: dict[str, Any] = {
        "tenant_id": TENANT,
        "request_id": str(uuid4()),
        "phone_number_id": NUMBER,
        "conversation_id": box,
        "media_type": "image/png",
        "content": PICTURE,
    }
    return pb.SendMediaRequest(**(asked | changes))


async def content_of(graph: GraphControl, media_id: str) -> bytes:
    """What the fake Graph API keeps under an id."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        async with session.get(f"{graph.address}/v26.0/{media_id}") as response:
            url = (await response.json())["url"]
        async with session.get(url) as response:
            return await response.read()


async def refusal(call: Any) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return f"{refused.value.code().name} {refused.value.details()}"


async def test_a_file_is_uploaded_once_for_a_number_and_reaches_the_guest(
    mesh: Mesh, graph: GraphControl
) -> None:
    box = await talk(mesh, graph)
    asking = stub(mesh)
    first = sending(box, caption="La piscina")
    assert (await asking.SendMedia(first)).send_id == first.request_id
    await asking.SendMedia(first)
    await asyncio.gather(*(asking.SendMedia(sending(box)) for _ in range(4)))
    _, *sent = await graph.replies(GUEST, 6)
    assert {one["body"]["type"] for one in sent} == {"image"}
    assert sent[0]["body"]["image"]["caption"] == "La piscina"
    (media_id,) = {one["body"]["image"]["id"] for one in sent}
    assert await content_of(graph, media_id) == PICTURE
    assert (await graph.report())["media_uploaded"] == 1
    # Of another number it is another file.
    mesh.tenants.add(OTHER, TENANT)
    await mesh.until_told()
    messaging = mesh.stub(mesh.kits[0].ports["grpc"])
    await mesh.say(messaging, text("hola", phone=GUEST, number=OTHER))
    await mesh.until_quiet()
    other = await mesh.admin.fetchval(
        "SELECT mailbox_id FROM mailbox WHERE phone_number_id = $1", OTHER
    )
    await asking.SendMedia(sending(other, phone_number_id=OTHER))
    assert (await graph.report())["media_uploaded"] == 2


async def test_nothing_is_sent_for_a_hotel_that_has_left(mesh: Mesh, graph: GraphControl) -> None:
    box = await talk(mesh, graph)
    mesh.tenants.add(NUMBER, TENANT, TENANT_STATE_DELETED)
    await mesh.until_told()
    assert "FAILED_PRECONDITION The hotel has left" in await refusal(
        stub(mesh).SendMedia(sending(box))
    )
    assert (await graph.report())["media_uploaded"] == 0


async def test_those_who_ask_at_once_wait_for_one_upload(mesh: Mesh, graph: GraphControl) -> None:
    box = await talk(mesh, graph)
    asking = stub(mesh)
    await asyncio.gather(*(asking.SendMedia(sending(box)) for _ in range(8)))
    assert (await graph.report())["media_uploaded"] == 1


async def test_an_upload_is_known_for_less_than_30_days_and_forgotten_then(
    mesh: Mesh, graph: GraphControl
) -> None:
    box = await talk(mesh, graph)
    asking = stub(mesh)
    await asking.SendMedia(sending(box))
    known = "SELECT expire_time - now() BETWEEN '28 days' AND '29 days' FROM media_upload"
    assert await mesh.admin.fetchval(known)
    await mesh.admin.execute("UPDATE media_upload SET expire_time = now()")
    await asking.SendMedia(sending(box))
    assert (await graph.report())["media_uploaded"] == 2
    await mesh.admin.execute("UPDATE media_upload SET expire_time = now()")
    await mesh.start("media")
    await mesh.until("SELECT count(*) FROM media_upload", value=0)


async def test_an_upload_that_failed_is_done_again(
    mesh: Mesh, graph: GraphControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = await talk(mesh, graph)
    asking = stub(mesh)
    with monkeypatch.context() as changed:
        changed.delitem(MAX_BYTES, "image")
        told = await refusal(asking.SendMedia(sending(box)))
    assert told.startswith("FAILED_PRECONDITION Meta refuses: code 131009"), told
    assert await mesh.admin.fetchval("SELECT count(*) FROM media_upload") == 0
    await asking.SendMedia(sending(box))
    assert (await graph.report())["media_uploaded"] == 1


async def test_what_cannot_be_sent_is_refused_with_its_reason(
    mesh: Mesh, graph: GraphControl
) -> None:
    box = await talk(mesh, graph)
    asking = stub(mesh)
    used = sending(box)
    await asking.SendMedia(used)
    mesh.tenants.add(OTHER, "hotel-other")
    await mesh.until_told()
    for changes, word in (
        ({"content": b"x" * (5 * 2**20 + 1)}, "INVALID_ARGUMENT content: is"),
        ({"media_type": "audio/mpeg", "caption": "x"}, "INVALID_ARGUMENT caption: is not shown"),
        ({"caption": "😀" * 600}, "INVALID_ARGUMENT caption: is longer"),
        ({"file_name": "a.png"}, "INVALID_ARGUMENT file_name"),
        (
            {"media_type": "application/zip"},
            "INVALID_ARGUMENT media_type: application/zip is none that WhatsApp takes",
        ),
        ({"conversation_id": box + 1}, "NOT_FOUND The hotel has not talked with that guest"),
        ({"tenant_id": "hotel-other"}, "NOT_FOUND The number is not the hotel's"),
        (
            {"tenant_id": "hotel-other", "phone_number_id": OTHER},
            "NOT_FOUND The hotel has not talked with that guest",
        ),
        (
            {"request_id": used.request_id, "content": PICTURE + b"!"},
            "FAILED_PRECONDITION Another message was sent",
        ),
    ):
        told = await refusal(asking.SendMedia(sending(box, **changes)))
        assert told.startswith(word), told


async def test_once_the_window_is_shut_a_file_is_held_until_the_guest_writes(
    mesh: Mesh, graph: GraphControl
) -> None:
    box = await talk(mesh, graph)
    await mesh.admin.execute(
        "UPDATE mailbox SET inbound_time = now() - interval '25 hours',"
        " last_order_time = now() - interval '25 hours'"
    )
    await stub(mesh).SendMedia(sending(box))
    await mesh.until("SELECT state FROM outbox WHERE kind = 'image'", value="HELD")
    await mesh.say(mesh.stub(mesh.kits[0].ports["grpc"]), text("hola", phone=GUEST))
    await mesh.until("SELECT state FROM outbox WHERE kind = 'image'", value="SENT")


async def test_the_command_sends_a_file(
    mesh: Mesh, graph: GraphControl, conserje: Conserje, tmp_path: Path
) -> None:
    box = await talk(mesh, graph)
    file = tmp_path / "carta.pdf"
    file.write_bytes(b"%PDF-1.7")
    at = ("--target", mesh.target)
    to = ("--conversation", str(box), *at)
    sent = await conserje("media", "send", TENANT, NUMBER, str(file), *to)
    assert "application/pdf  is on its way" in sent.out, sent
    assert f"conserje sends held {TENANT}" in sent.out, sent
    _, found = await graph.replies(GUEST, 2)
    assert found["body"]["document"]["filename"] == "carta.pdf"
    missing = await conserje("media", "send", TENANT, NUMBER, str(tmp_path / "x"), *to)
    assert "cannot be read" in missing.err
    file.write_bytes(bytes(9_000_000))
    large = await conserje("media", "send", TENANT, NUMBER, str(file), *to)
    assert "has 9000000 bytes: at most 7340032 can be sent" in large.err


async def test_without_ffmpeg_sound_goes_as_it_is_or_not_at_all(
    mesh: Mesh, graph: GraphControl
) -> None:
    box = await talk(mesh, graph, ffmpeg="no-such-program")
    asking = stub(mesh)
    sent = await asking.SendMedia(sending(box, media_type="audio/mpeg"))
    assert sent.media_type == "audio/mpeg"
    told = await refusal(asking.SendMedia(sending(box, media_type="audio/wav", content=tone())))
    assert told.startswith("FAILED_PRECONDITION WhatsApp does not take audio/wav"), told


@has_ffmpeg
async def test_sound_is_converted_to_what_whatsapp_plays(mesh: Mesh, graph: GraphControl) -> None:
    box = await talk(mesh, graph)
    asking = stub(mesh)
    for _ in range(2):
        sent = await asking.SendMedia(sending(box, media_type="audio/wav", content=tone()))
        assert sent.media_type == "audio/ogg"
    *_, found = await graph.replies(GUEST, 3)
    sound = await content_of(graph, found["body"]["audio"]["id"])
    assert sound.startswith(b"OggS")
    # RFC 7845: the channel count is the second byte after the magic signature.
    assert sound[sound.index(b"OpusHead") + 9] == 1
    assert (await graph.report())["media_uploaded"] == 1


@has_ffmpeg
async def test_what_is_no_sound_is_refused_lists_of_other_files_as_well(tmp_path: Path) -> None:
    secret = tmp_path / "secret.wav"
    secret.write_bytes(tone())
    playlist = f"#EXTM3U\n#EXTINF:1,\nfile://{secret}\n#EXT-X-ENDLIST\n".encode()
    concat = f"ffconcat version 1.0\nfile '{secret}'\n".encode()
    for content in (b"nothing", playlist, concat):
        with pytest.raises(InvalidArgument):
            await Sound("ffmpeg").for_whatsapp(content, "audio/mpeg")
    converted, media_type = await Sound("ffmpeg").for_whatsapp(tone(1), "audio/wav")
    assert (converted[:4], media_type) == (b"OggS", "audio/ogg")


async def test_without_ffmpeg_nothing_is_converted() -> None:
    sound = Sound("no-such-program")
    assert await sound.for_whatsapp(b"x", "audio/amr") == (b"x", "audio/amr")
    with pytest.raises(FailedPrecondition):
        await sound.for_whatsapp(b"x", "audio/flac")
