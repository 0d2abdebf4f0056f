"""`conserje chat`: a guest's phone in the terminal, talking to the mesh of `make run`."""

import argparse
import asyncio
import os
import readline
import shutil
import sys
import threading
import time
from contextlib import suppress
from typing import Any

import aiohttp
import grpc
from conserje.tenant.v1.credential_service_pb2 import ListBusinessAccountsRequest
from conserje.tenant.v1.credential_service_pb2_grpc import CredentialServiceStub
from conserje.tenant.v1.tenant_pb2 import TENANT_STATE_ACTIVE, TenantState
from conserje.tenant.v1.tenant_service_pb2 import GetTenantRequest
from conserje.tenant.v1.tenant_service_pb2_grpc import TenantServiceStub

from cli import places
from cli.asking import SECONDS, pages
from cli.channels import open_channel
from cli.places import Running, UsageError, running
from cli.times import seconds
from sandbox.commands import add_like
from sandbox.graph.client import GraphControl
from sandbox.phone import Option, Style, bubble, options_of

PROMPT = "› "
POLL_SECONDS = 20.0
DELIVERY_SECONDS = 3.0
# With piped input each line waits for its answer, and this much longer for a second one.
QUIET_SECONDS = 0.4
_EPILOG = """A number taps the button or row that carries it; start with a backslash to type the
number itself. Ctrl-D hangs up. Lines may also be piped:
  printf 'hola\\n' | ./conserje chat --as 34600000001
"""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds it to the `conserje` command."""
    add_like(commands, "chat", parser(), run)


def parser() -> argparse.ArgumentParser:
    """The options of `conserje chat`."""
    options = argparse.ArgumentParser(
        prog="conserje chat",
        description="A guest's phone in this terminal: type, read the replies, tap by number.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("--hotel", default="", metavar="ID", help="whom to write to")
    options.add_argument(
        "--as", dest="guest", default="34600000001", metavar="PHONE", help="who is writing"
    )
    options.add_argument("--name", default="", help="the name that the guest shows")
    options.add_argument(
        "--wait",
        type=seconds,
        default=20.0,
        metavar="SECONDS",
        help="how long a piped line waits for its answer",
    )
    return options


def run(options: argparse.Namespace) -> int:
    """Talks until the input ends; the exit code is 1 when a line got no answer."""
    mesh = running()
    if not mesh.content or mesh.stale:
        raise UsageError("the mesh is not running; start it with `make run` in another terminal")
    if not options.guest.isdigit():
        raise UsageError("--as needs a phone number in digits, such as 34600000001")
    hotel = _hotel(mesh, options.hotel)
    if why := _hears_nothing(hotel, mesh.content["webhook"]):
        print(f"conserje: {why}", file=sys.stderr)
    with suppress(KeyboardInterrupt, asyncio.CancelledError):
        return asyncio.run(_talk(mesh.content["graph"], hotel, options))
    return 0


async def _talk(graph: str, hotel: dict[str, Any], options: argparse.Namespace) -> int:
    interactive = sys.stdin.isatty()
    async with GraphControl(graph) as control:
        phone = Phone(control, hotel, options.guest, options.name, interactive=interactive)
        try:
            await phone.switch_on()
            return await (phone.typed() if interactive else phone.piped(options.wait))
        except (aiohttp.ClientError, ConnectionError) as error:
            raise UsageError(f"the mesh does not answer any more ({error})") from error


class Phone:
    """One guest's side of one conversation."""

    def __init__(
        self,
        control: GraphControl,
        hotel: dict[str, Any],
        guest: str,
        name: str,
        *,
        interactive: bool,
    ) -> None:
        self._control = control
        self._hotel = hotel
        self._guest = guest
        self._name = name
        self._interactive = interactive
        width = min(shutil.get_terminal_size().columns, 80) - 4
        colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self._style = Style(width, colours)
        self._after = 0
        self._options: list[Option] = []
        self._options_of = ""
        self._tapped = False

    async def switch_on(self) -> None:
        """Begins with what comes from now on; a number that WhatsApp lacks is made there."""
        report = await self._control.report()
        self._after = report["accepted"]
        if self._hotel["phone_number_id"] not in report["numbers"]:
            await self._control.set_numbers([_as_meta_knows(self._hotel)])
        if self._interactive:
            name, number = self._hotel["display_name"], self._hotel["display_phone_number"]
            print(f"You are {self._guest}, writing to {self._style.bold(name)} ({number}).")
            print(self._style.dim("Numbers tap what they stand beside. Ctrl-D hangs up."))
            print()

    async def typed(self) -> int:
        """A person types; replies appear when they come."""
        lines: asyncio.Queue[str | None] = asyncio.Queue()
        _read_lines(lines)
        replies = asyncio.create_task(self._show_replies())
        try:
            while (line := await lines.get()) is not None:
                if line.strip():
                    self._print(self._style.dim(await self._send(line)))
        finally:
            replies.cancel()
            with suppress(asyncio.CancelledError):
                await replies
        return 0

    async def piped(self, wait: float) -> int:
        """A script types: every line waits so long for its answer."""
        code = 0
        for line in sys.stdin:
            if not line.strip():
                continue
            print(f"{PROMPT}{line.strip()}")
            await self._send(line)
            if not await self._receive(wait):
                print("no answer came", file=sys.stderr)
                code = 1
            while await self._receive(QUIET_SECONDS):
                pass
        return code

    async def _send(self, line: str) -> str:
        """Types or taps; returns the ticks of the message."""
        text = line.strip()
        number = int(text) if text.isdecimal() and len(text) <= 2 else 0
        if 0 < number <= len(self._options):
            asked: dict[str, Any] = {"tap": self._options[number - 1].tap(self._options_of)}
        else:
            asked = {"text": text.removeprefix("\\")}
        self._tapped = True
        answer = await self._control.send(
            self._guest,
            self._hotel["phone_number_id"],
            name=self._name,
            wait=DELIVERY_SECONDS,
            **asked,
        )
        return "✓✓" if answer["delivered"] else "✓ (the hotel does not take messages just now)"

    async def _show_replies(self) -> None:
        while True:
            await self._receive(POLL_SECONDS)

    async def _receive(self, wait: float) -> bool:
        messages, self._after = await self._control.messages(
            self._after, self._guest, self._hotel["phone_number_id"], wait
        )
        for message in messages:
            self._show(message)
        return bool(messages)

    def _show(self, message: dict[str, Any]) -> None:
        options = options_of(message["body"])
        # Older options stay until the conversation has moved on.
        if options or self._tapped:
            self._options, self._options_of = options, message["wamid"]
            self._tapped = False
        clock = time.strftime("%H:%M", time.localtime(message["time"]))
        lines = bubble(self._hotel["display_name"], clock, message["body"], self._style)
        self._print("\n".join(lines))

    def _print(self, text: str) -> None:
        if not self._interactive:
            print(text, flush=True)
            return
        # What the person is typing moves below what has come in.
        print(f"\r\x1b[K{text}\n{PROMPT}{readline.get_line_buffer()}", end="", flush=True)


def _hotel(mesh: Running, wanted: str) -> dict[str, Any]:
    hotels: list[dict[str, Any]] = mesh.content["hotels"]
    for hotel in hotels:
        if wanted in ("", hotel["tenant_id"]):
            return hotel
    if found := _made_hotel(wanted):
        return found
    raise UsageError(
        f"there is no hotel {wanted} with a number: `conserje tenant list` shows those there are."
    )


def _as_meta_knows(hotel: dict[str, Any]) -> dict[str, str]:
    return {
        "phone_number_id": hotel["phone_number_id"],
        "waba_id": hotel["whatsapp_business_account_id"],
        "display_phone_number": hotel["display_phone_number"],
    }


def _made_hotel(tenant_id: str) -> dict[str, Any] | None:
    """A hotel that somebody has made, with its first number; None when there is no such."""
    target = places.target("tenant")
    if not target:
        return None
    with open_channel(target) as channel:
        try:
            request = GetTenantRequest(tenant_id=tenant_id)
            tenant = TenantServiceStub(channel).GetTenant(request, timeout=SECONDS).tenant
        except grpc.RpcError:
            return None
    for number in tenant.numbers:
        return {
            "tenant_id": tenant_id,
            "display_name": tenant.display_name,
            "phone_number_id": number.phone_number_id,
            "whatsapp_business_account_id": number.whatsapp_business_account_id,
            "display_phone_number": number.display_phone_number,
        }
    return None


def _hears_nothing(hotel: dict[str, Any], webhook: str) -> str:
    """Why nobody will answer, as far as the tenant service knows; empty when somebody may."""
    target = places.target("tenant")
    if not target:
        return ""
    with open_channel(target) as channel, suppress(grpc.RpcError):
        return _switched_off(channel, hotel) or _of_another_app(channel, hotel, webhook)
    return ""


def _switched_off(channel: grpc.Channel, hotel: dict[str, Any]) -> str:
    tenant_id = hotel["tenant_id"]
    request = GetTenantRequest(tenant_id=tenant_id)
    tenant = TenantServiceStub(channel).GetTenant(request, timeout=SECONDS).tenant
    if tenant.state == TENANT_STATE_ACTIVE:
        return ""
    state = TenantState.Name(tenant.state).removeprefix("TENANT_STATE_").lower()
    return (
        f"{tenant_id} is {state} and answers nobody; `conserje tenant restore {tenant_id}` "
        "switches it on."
    )


def _of_another_app(channel: grpc.Channel, hotel: dict[str, Any], webhook: str) -> str:
    account_id = hotel["whatsapp_business_account_id"]
    asking = CredentialServiceStub(channel).ListBusinessAccounts
    for page in pages(asking, ListBusinessAccountsRequest()):
        for one in page.accounts:
            mine = one.whatsapp_business_account_id == account_id
            if mine and one.app_name and not webhook.endswith(f"/{one.app_name}"):
                return (
                    f"the account {account_id} is of the app {one.app_name}, and the fake WhatsApp "
                    f"writes to {webhook}: nothing will be taken from it."
                )
    return ""


def _read_lines(lines: "asyncio.Queue[str | None]") -> None:
    """Reads the terminal in a thread that nobody has to wait for; None is the end."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        line: str | None = ""
        while line is not None:
            try:
                line = input(PROMPT)
            except EOFError:
                line = None
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(lines.put_nowait, line)

    threading.Thread(target=read, daemon=True).start()
