"""Uploads files to the Graph API, to be sent by id.

Source: "Media" of the Cloud API documentation. An upload whose answer was lost is
done again: one that nobody sends costs nothing and ends by itself.
"""

from __future__ import annotations

import aiohttp

from meshkit.errors import Unavailable
from services.messaging.whatsapp.reader import object_of


class GraphUploader:
    """Uploads over a pooled session of its own."""

    def __init__(self, session: aiohttp.ClientSession, *, base_url: str, version: str) -> None:
        self._session = session
        self._base = base_url.rstrip("/")
        self._version = version

    async def upload(
        self, phone_number_id: str, content: bytes, media_type: str, *, token: str, version: str
    ) -> str:
        """What WhatsApp calls the file from now on; it is this number's alone.

        Raises as `GraphReader.get` does.
        """
        form = aiohttp.FormData()
        form.add_field("messaging_product", "whatsapp")
        form.add_field("type", media_type)
        form.add_field("file", content, filename="file", content_type=media_type)
        url = f"{self._base}/{version or self._version}/{phone_number_id}/media"
        headers = {"Authorization": f"Bearer {token}"}
        try:
            async with self._session.post(url, data=form, headers=headers) as response:
                answer = object_of(response.status, await response.read(), token)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable("GRAPH_AWAY", f"Meta: {type(error).__name__}") from error
        media_id = answer.get("id")
        if not isinstance(media_id, str) or not media_id:
            raise Unavailable("GRAPH_AWAY", "Meta answered an upload without an id")
        return media_id
