"""`conserje chat` on a real terminal: what is typed, what is shown, what is tapped."""

import asyncio
import codecs
import os
import pty
import re
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from sandbox.graph.app import serving
from sandbox.graph.settings import GraphSettings, Number
from sandbox.rundir import RunDir

ROOT = Path(__file__).parents[3]
NUMBER = Number("100000000000001", "200000000000001", "+34 910 000 001")
HOTEL = {
    "tenant_id": "hotel-mirador",
    "display_name": "Hotel Mirador",
    "phone_number_id": NUMBER.phone_number_id,
    "display_phone_number": NUMBER.display_phone_number,
}
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")
PATIENCE = 30.0


class Hotel:
    """Answers every message: a greeting by buttons, a wish by a list, a tap by its title."""

    def __init__(self) -> None:
        self.address = ""
        self.taps: list[dict[str, Any]] = []
        self.texts: list[str] = []
        self.silent = False
        self._session = aiohttp.ClientSession()

    async def take(self, request: web.Request) -> web.Response:
        body = await request.json()
        for message in body["entry"][0]["changes"][0]["value"].get("messages", ()):
            await self._answer(message)
        return web.Response()

    async def _answer(self, message: dict[str, Any]) -> None:
        if message["type"] == "interactive":
            self.taps.append(message)
            reply = message["interactive"][message["interactive"]["type"]]
            await self.send(message["from"], text(f"Has elegido {reply['title']}."))
            return
        said = message["text"]["body"]
        self.texts.append(said)
        if not self.silent:
            answers = {"hola": buttons("Reservar", "Ayuda"), "ver": rows("Doble", "Suite")}
            await self.send(message["from"], answers.get(said, text(f"¿{said}?")))

    async def send(self, to: str, content: dict[str, Any]) -> None:
        url = f"{self.address}/v26.0/{NUMBER.phone_number_id}/messages"
        headers = {"Authorization": f"Bearer {GraphSettings().access_token}"}
        body = {"messaging_product": "whatsapp", "to": to, **content}
        async with self._session.post(url, json=body, headers=headers) as response:
            assert response.status == 200, await response.text()

    async def aclose(self) -> None:
        await self._session.close()


def text(body: str) -> dict[str, Any]:
    return {"type": "text", "text": {"body": body}}


def buttons(*titles: str) -> dict[str, Any]:
    shown = [{"type": "reply", "reply": {"id": one.lower(), "title": one}} for one in titles]
    action = {"buttons": shown}
    content = {"type": "button", "body": {"text": "¡Hola!"}, "action": action}
    return {"type": "interactive", "interactive": content}


def rows(*titles: str) -> dict[str, Any]:
    shown = [{"id": one.lower(), "title": one, "description": "95 €"} for one in titles]
    action = {"button": "Ver", "sections": [{"rows": shown}]}
    content = {"type": "list", "body": {"text": "Libres:"}, "action": action}
    return {"type": "interactive", "interactive": content}


@pytest.fixture
async def hotel(tmp_path: Path) -> AsyncIterator[Hotel]:
    """A hotel behind a fake Graph API, announced as `make run` would."""
    hotel = Hotel()
    application = web.Application()
    application.router.add_post("/webhook", hotel.take)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    webhook = f"http://127.0.0.1:{runner.addresses[0][1]}/webhook"
    folder = RunDir(tmp_path)
    folder.hold()
    async with serving(GraphSettings(numbers=(NUMBER,), webhook_url=webhook)) as hotel.address:
        folder.announce({}, hotel.address, webhook, [HOTEL])
        yield hotel
    folder.release()
    await runner.cleanup()
    await hotel.aclose()


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "CONSERJE_CLI_RUN_FILE": str(folder / "run.json"), "TERM": "xterm"}


async def piped(folder: Path, lines: str, *arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "cli", "chat", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env=environment(folder),
    )
    out, err = await process.communicate(lines.encode())
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_piped_lines_are_typed_and_tapped_and_read(hotel: Hotel, tmp_path: Path) -> None:
    lines = "hola\n2\nver\n1\n\\1\n7\n"
    code, out, err = await piped(tmp_path, lines, "--as", "34600000009")
    assert (code, err) == (0, "")
    replies = ["[1] Reservar   [2] Ayuda", "Has elegido Ayuda.", "[2] Suite  95 €"]
    replies += ["Has elegido Doble.", "¿1?", "¿7?"]
    positions = [out.index(reply) for reply in replies]
    assert positions == sorted(positions)
    assert "\x1b" not in out
    assert hotel.texts == ["hola", "ver", "1", "7"]
    button, row = hotel.taps
    assert button["interactive"]["button_reply"] == {"id": "ayuda", "title": "Ayuda"}
    assert row["interactive"]["list_reply"]["id"] == "doble"
    assert row["context"]["id"].startswith("wamid.")


async def test_a_number_is_a_text_once_the_conversation_has_moved_on(
    hotel: Hotel, tmp_path: Path
) -> None:
    await piped(tmp_path, "hola\notra cosa\n2\n")
    assert hotel.taps == []
    assert hotel.texts == ["hola", "otra cosa", "2"]


async def test_messages_of_other_guests_are_not_shown(hotel: Hotel, tmp_path: Path) -> None:
    await hotel.send("34600000008", text("para otra persona"))
    _, out, _ = await piped(tmp_path, "hola\n", "--as", "34600000009")
    assert "otra persona" not in out


async def test_mistakes_are_one_sentence(hotel: Hotel, tmp_path: Path) -> None:
    code, _, err = await piped(tmp_path, "", "--hotel", "hotel-mirage")
    assert (code, err) == (
        2,
        "conserje: there is no hotel hotel-mirage with a number: `conserje tenant list` shows "
        "those there are.\n",
    )
    code, _, err = await piped(tmp_path, "", "--as", "Ana")
    assert (code, err) == (
        2,
        "conserje: --as needs a phone number in digits, such as 34600000001\n",
    )


class Terminal:
    """A person's terminal: keys in, a screen out."""

    def __init__(self, folder: Path) -> None:
        self.pid, self._screen = pty.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            command = [sys.executable, "-m", "cli", "chat", "--name", "Ana"]
            os.execve(command[0], command, environment(folder))
        self.seen = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._news = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._screen, self._read)

    def _read(self) -> None:
        data = b""
        with suppress(OSError):
            data = os.read(self._screen, 65536)
        # A read may end in the middle of a character or of a control sequence.
        self.seen = CONTROL.sub("", self.seen + self._decoder.decode(data))
        self._news.set()
        if not data:
            asyncio.get_running_loop().remove_reader(self._screen)

    def press(self, keys: str) -> None:
        os.write(self._screen, keys.encode())

    async def shows(self, *wanted: str) -> None:
        """Waits for all of them, in any order, and forgets the screen up to the last one."""
        async with asyncio.timeout(PATIENCE):
            while not all(one in self.seen for one in wanted):
                self._news.clear()
                await self._news.wait()
        self.seen = self.seen[max(self.seen.index(one) + len(one) for one in wanted) :]

    async def ends(self) -> int:
        _, status = await asyncio.to_thread(os.waitpid, self.pid, 0)
        asyncio.get_running_loop().remove_reader(self._screen)
        os.close(self._screen)
        return os.waitstatus_to_exitcode(status)


@pytest.mark.parametrize("leave", ["\x04", "\x03"], ids=["ctrl-d", "ctrl-c"])
async def test_a_conversation_on_a_terminal(hotel: Hotel, tmp_path: Path, leave: str) -> None:
    terminal = Terminal(tmp_path)
    await terminal.shows("You are 34600000001, writing to Hotel Mirador (+34 910 000 001).")
    await terminal.shows("› ")
    terminal.press("hola\n")
    # The ticks come with the gateway's 200, which a quick answer may overtake.
    await terminal.shows("[1] Reservar   [2] Ayuda", "✓✓")
    terminal.press("1\n")
    await terminal.shows("Has elegido Reservar.", "✓✓")
    # What comes in while the guest is typing stands above it; nothing typed is lost.
    terminal.press("quie")
    await terminal.shows("quie")
    await hotel.send("34600000001", text("¿Sigues ahí?"))
    await terminal.shows("¿Sigues ahí?")
    await terminal.shows("› quie")
    terminal.press("ro\n")
    await terminal.shows("¿quiero?")
    terminal.press(leave)
    assert await terminal.ends() == 0
    assert hotel.texts == ["hola", "quiero"]


async def test_a_hotel_that_does_not_answer_is_told_to_a_script(
    hotel: Hotel, tmp_path: Path
) -> None:
    hotel.silent = True
    code, out, err = await piped(tmp_path, "nadie\n", "--wait", "0.2")
    assert (code, err) == (1, "no answer came\n")
    assert out == "› nadie\n"


async def test_a_graph_api_that_is_gone_is_one_sentence(tmp_path: Path) -> None:
    folder = RunDir(tmp_path)
    folder.hold()
    folder.announce({}, "http://127.0.0.1:1", "", [HOTEL])
    code, _, err = await piped(tmp_path, "hola\n")
    folder.release()
    assert code == 2
    assert err.startswith("conserje: the mesh does not answer any more (")
