"""A guest sends a photo: it goes through every process, is answered, fetched and kept."""

from __future__ import annotations

import asyncio
import hashlib
import secrets

import grpc
import pytest
from conserje.messaging.v1 import media_service_pb2 as pb
from conserje.messaging.v1.media_service_pb2_grpc import MediaServiceStub

from sandbox.mesh import Mesh
from tests.e2e.guests import MIRADOR, Guest

pytestmark = pytest.mark.e2e

HOTEL = "hotel-mirador"


async def test_a_photo_is_answered_and_kept_as_it_was_sent(mesh: Mesh) -> None:
    photo = secrets.token_bytes(100_000)
    sent = await mesh.graph.add_media(MIRADOR, "image/jpeg", photo)
    guest = Guest(mesh, MIRADOR)
    message = {"type": "image", "image": {**sent, "caption": "hola"}}
    await mesh.graph.send(guest.wa_id, MIRADOR, message=message)
    assert (await guest.hears()).text
    digest = hashlib.sha256(photo).hexdigest()
    async with grpc.aio.insecure_channel(mesh.address("messaging").grpc) as channel:
        stub = MediaServiceStub(channel)
        async with asyncio.timeout(20):
            while True:
                listed = await stub.ListMedia(pb.ListMediaRequest(tenant_id=HOTEL, page_size=200))
                found = [one for one in listed.media if one.sha256 == digest]
                if found:
                    break
                await asyncio.sleep(0.05)
    name = f"{found[0].media_key:x}"
    kept = mesh.folder.media / HOTEL / name[-2:] / name
    assert await asyncio.to_thread(kept.read_bytes) == photo
