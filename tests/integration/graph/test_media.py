"""Files go up, are described, come down with the token, and only to their own number."""

import aiohttp
import pytest

from sandbox.graph.client import GraphControl
from tests.integration.graph.conftest import LUNA, MIRADOR, Gateway, Sender

PICTURE = b"\xff\xd8 a picture"


async def upload(sender: Sender, content: bytes, mime_type: str = "image/jpeg") -> tuple[int, str]:
    form = aiohttp.FormData({"messaging_product": "whatsapp", "type": mime_type})
    form.add_field("file", content, filename="plan", content_type=mime_type)
    url = f"{sender.address}/v26.0/{MIRADOR.phone_number_id}/media"
    async with sender.session.post(url, data=form, headers=sender.headers) as response:
        answer = await response.json()
        return response.status, answer.get("id") or str(answer["error"]["error_data"]["details"])


async def test_an_uploaded_file_is_described_and_fetched(sender: Sender) -> None:
    status, media_id = await upload(sender, PICTURE)
    assert status == 200
    url = f"{sender.address}/v26.0/{media_id}?phone_number_id={MIRADOR.phone_number_id}"
    async with sender.session.get(url, headers=sender.headers) as response:
        described = await response.json()
    assert (described["mime_type"], described["file_size"]) == ("image/jpeg", len(PICTURE))
    async with sender.session.get(described["url"], headers=sender.headers) as response:
        assert (response.content_type, await response.read()) == ("image/jpeg", PICTURE)
    async with sender.session.get(described["url"]) as response:
        assert response.status == 401
    async with sender.session.get(described["url"] + "x", headers=sender.headers) as response:
        assert response.status == 404
    async with sender.session.delete(url, headers=sender.headers) as response:
        assert response.status == 200
    async with sender.session.get(url, headers=sender.headers) as response:
        assert response.status == 400


async def test_another_number_does_not_see_it(sender: Sender) -> None:
    _, media_id = await upload(sender, PICTURE)
    url = f"{sender.address}/v26.0/{media_id}?phone_number_id={LUNA.phone_number_id}"
    async with sender.session.get(url, headers=sender.headers) as response:
        assert (await response.json())["error"]["error_subcode"] == 33


@pytest.mark.parametrize(
    ("content", "mime_type", "why"),
    [(b"x" * (5 * 2**20 + 1), "image/jpeg", "is larger than"), (b"x", "x/y", "is not supported")],
)
async def test_a_file_beyond_the_limits_is_refused(
    sender: Sender, content: bytes, mime_type: str, why: str
) -> None:
    status, details = await upload(sender, content, mime_type)
    assert status == 400
    assert why in details


async def test_a_guest_sends_a_file(graph: GraphControl, sender: Sender, gateway: Gateway) -> None:
    query = {"phone_number_id": MIRADOR.phone_number_id, "mime_type": "image/jpeg"}
    url = f"{graph.address}/control/media"
    async with sender.session.post(url, params=query, data=PICTURE) as response:
        image = await response.json()
    message = {"type": "image", "image": {**image, "caption": "¿Esto?"}}
    await graph.send("34600000001", MIRADOR.phone_number_id, message=message)
    [received] = await gateway.receives("messages", 1)
    assert received["image"] == {**image, "caption": "¿Esto?"}
    url = f"{sender.address}/v26.0/{image['id']}"
    async with sender.session.get(url, headers=sender.headers) as response:
        assert (await response.json())["sha256"] == image["sha256"]
