"""The messaging service as it is, between small servers that fail on demand."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import grpc
from aiohttp import web
from conserje.booking.v1 import booking_service_pb2 as booking_pb
from conserje.booking.v1.booking_service_pb2_grpc import (
    BookingServiceServicer,
    add_BookingServiceServicer_to_server,
)
from conserje.booking.v1.reservation_pb2 import ReservationEvent
from conserje.messaging.v1.event_pb2 import DeliveryState, InboundEvent
from conserje.messaging.v1.messaging_operations_service_pb2_grpc import (
    MessagingOperationsServiceStub,
)
from conserje.messaging.v1.messaging_service_pb2 import BatchIngestEventsRequest, IngestEventRequest
from conserje.messaging.v1.messaging_service_pb2_grpc import MessagingServiceStub
from conserje.tenant.v1.credential_service_pb2_grpc import (
    add_CredentialServiceServicer_to_server,
)
from conserje.tenant.v1.settings_pb2 import INFO_TOPIC_WIFI
from conserje.tenant.v1.tenant_pb2 import TenantState
from conserje.tenant.v1.tenant_service_pb2 import BatchGetTenantProfilesResponse
from conserje.tenant.v1.tenant_service_pb2_grpc import (
    add_TenantServiceServicer_to_server,
)
from pydantic import SecretStr

from meshkit.clock import Clock
from meshkit.config import SHARED
from meshkit.errors import MeshError, Unavailable
from meshkit.kit import Kit
from meshkit.metrics import new_registry
from meshkit.postgres import Postgres
from meshkit.server import Server
from meshkit.telemetry import Tracing
from sandbox.databases import DatabaseUrls
from services.messaging.app import MODES, build
from services.messaging.settings import MessagingSettings
from services.messaging.store.inbox import InboxStore
from tests.credentials import Kept
from tests.tenants import Watched

NUMBER = "100000000000001"
ACCOUNT = "200000000000002"
TENANT = "hotel-mirador"
TOKEN = "test-token"
DEADLINE = 20.0
ROOT = Path(__file__).parents[3]

_wamids = itertools.count(1)


class Tenants(Watched):
    """One hotel, and those that are added."""

    def __init__(self) -> None:
        super().__init__()
        self.profiles_asked = 0
        self.suspension_answer = ""
        self.add(NUMBER, TENANT)

    def be(self, state: TenantState.ValueType) -> None:
        """The one hotel is switched on or off."""
        self.add(NUMBER, TENANT, state)

    async def BatchGetTenantProfiles(self, request: Any, context: Any) -> Any:
        """The one hotel has wifi and says so, in the language that is asked for."""
        self.profiles_asked += 1
        if self.away:
            raise Unavailable("DIRECTORY_NOT_LOADED")
        response = BatchGetTenantProfilesResponse()
        for item in request.items:
            profile = response.results.add().value
            profile.tenant_id, profile.version = item.tenant_id, self.version
            profile.suspension_answer = self.suspension_answer
            text = {"es": "Hay wifi gratis.", "en": "There is free wifi."}[item.language_code]
            profile.info_texts.add(topic=INFO_TOPIC_WIFI, language_code="es", text=text)
        return response


class Bookings(BookingServiceServicer):
    """Decides each request id once; `before` and `after` the decision it may fail.

    A search waits while `open` is not set, and says so by `waiting`.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, bytes]] = []
        self.decided: dict[str, Any] = {}
        self.before: Callable[[Any], MeshError | None] = lambda _: None
        self.after: Callable[[Any], MeshError | None] = lambda _: None
        self.answer: Callable[[Any], Any] = _locked
        self.open = asyncio.Event()
        self.open.set()
        self.waiting = asyncio.Event()
        self.searched = 0
        self.events: list[ReservationEvent] = []

    async def WatchReservations(self, request: Any, context: Any) -> AsyncIterator[Any]:
        """The changes one by one, and those that a test adds as they come."""
        version = request.after_version
        while True:
            for event in self.events[version:]:
                yield booking_pb.WatchReservationsResponse(
                    version=version + 1, after_version=version, events=[event]
                )
                version += 1
            await asyncio.sleep(0.02)

    async def SearchAvailability(self, request: Any, context: Any) -> Any:
        self.searched += 1
        if error := self.before(request):
            raise error
        self.waiting.set()
        await self.open.wait()
        response = booking_pb.SearchAvailabilityResponse()
        room = response.room_types.add(room_type_id="double", max_guest_count=2, free_count=3)
        room.display_names["es"], room.display_names["en"] = "Doble", "Double"
        room.total_price.currency_code, room.total_price.units = "EUR", 200
        room.nightly_prices.add(currency_code="EUR", units=100)
        room.nightly_prices.add(currency_code="EUR", units=100)
        return response

    async def GetReservationTerms(self, request: Any, context: Any) -> Any:
        response = booking_pb.GetReservationTermsResponse()
        response.terms.check_in_time, response.terms.check_out_time = "14:00", "12:00"
        return response

    async def AcquireLock(self, request: Any, context: Any) -> Any:
        return await self._once("AcquireLock", request)

    async def ReleaseLock(self, request: Any, context: Any) -> Any:
        return await self._once("ReleaseLock", request)

    async def ConfirmReservation(self, request: Any, context: Any) -> Any:
        return await self._once("ConfirmReservation", request)

    async def CancelReservation(self, request: Any, context: Any) -> Any:
        return await self._once("CancelReservation", request)

    async def _once(self, name: str, request: Any) -> Any:
        self.requests.append((name, request.SerializeToString(deterministic=True)))
        if error := self.before(request):
            raise error
        if request.request_id not in self.decided:
            self.decided[request.request_id] = self.answer(request)
        if error := self.after(request):
            raise error
        decided = self.decided[request.request_id]
        if isinstance(decided, MeshError):
            raise decided
        return decided


def _locked(request: Any) -> Any:
    response: Any
    if isinstance(request, booking_pb.ConfirmReservationRequest):
        response = booking_pb.ConfirmReservationResponse()
        reservation = response.reservation
        reservation.reservation_id = f"reservation-of-{request.lock_id}"
        reservation.confirmation_code = "K7M2QX9P"
        reservation.room_type_id = "double"
        reservation.check_in_date.year, reservation.check_out_date.year = 2027, 2027
        reservation.check_in_date.month = reservation.check_out_date.month = 1
        reservation.check_in_date.day, reservation.check_out_date.day = 10, 12
        reservation.quote.total_price.currency_code = "EUR"
        reservation.quote.total_price.units = 200
        return response
    if isinstance(request, booking_pb.ReleaseLockRequest):
        return booking_pb.ReleaseLockResponse()
    response = booking_pb.AcquireLockResponse()
    lock = response.lock
    lock.lock_id, lock.owner_token, lock.fencing_number = "lock-1", "token-1", 1
    lock.room_type_id = request.room_type_id
    lock.check_in_date.CopyFrom(request.check_in_date)
    lock.check_out_date.CopyFrom(request.check_out_date)
    lock.expire_time.FromSeconds(int(time.time()) + 1200)
    lock.quote.total_price.currency_code = "EUR"
    lock.quote.total_price.units = 200
    return response


class Graph:
    """Takes messages as Meta does; `script` says how the next requests end.

    Those of the numbers in `stuck` hang until `release`.
    """

    def __init__(self) -> None:
        self.accepted: list[dict[str, Any]] = []
        self.asked: list[dict[str, Any]] = []
        self.marks: list[str] = []
        """Messages that were marked as read, with somebody typing."""
        self.traceparents: list[str] = []
        self.tokens: dict[str, list[str]] = {}
        """Those that each number was sent from with."""
        self.good_tokens: dict[str, str] = {}
        """Where a number is here, it is not sent from with any other."""
        self.versions: dict[str, set[str]] = {}
        """Those of the API that each number was sent from with."""
        self.script: list[Any] = []
        self.stuck: dict[str, int] = {}
        self.release = asyncio.Event()
        self.hanging = asyncio.Event()
        self.changed = asyncio.Condition()
        self.under_way: dict[str, int] = {}
        self.most_under_way = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        if body.get("status") == "read":
            return await self._mark(request, body)
        guest = body.get("to") or body["recipient"]
        self.asked.append(body)
        self.traceparents.append(request.headers.get("traceparent", ""))
        self.under_way[guest] = self.under_way.get(guest, 0) + 1
        self.most_under_way = max(self.most_under_way, self.under_way[guest])
        try:
            return await self._answer(request, body, guest)
        finally:
            self.under_way[guest] -= 1
            async with self.changed:
                self.changed.notify_all()

    async def _mark(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        assert body["typing_indicator"] == {"type": "text"}
        number = request.match_info["number"]
        if number in self.good_tokens:
            return web.json_response({"error": {"code": 190}}, status=401)
        if number in self.stuck:
            self.stuck[number] += 1
            await self.release.wait()
        async with self.changed:
            self.marks.append(body["message_id"])
            self.changed.notify_all()
        return web.json_response({"success": True})

    async def _answer(
        self, request: web.Request, body: dict[str, Any], guest: str
    ) -> web.StreamResponse:
        number = request.match_info["number"]
        token = request.headers["Authorization"].removeprefix("Bearer ")
        self.tokens.setdefault(number, []).append(token)
        self.versions.setdefault(number, set()).add(request.match_info["version"])
        if self.good_tokens.get(number, token) != token:
            return web.json_response({"error": {"code": 190}}, status=401)
        if number in self.stuck:
            self.stuck[number] += 1
            await self.release.wait()
        how = self.script.pop(0) if self.script else "accept"
        if isinstance(how, int):
            error = {"message": "no", "code": how, "type": "OAuthException"}
            return web.json_response({"error": error}, status=400)
        if how == "drop":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if how == "html":
            return web.Response(status=502, text="<html>bad gateway</html>")
        self.accepted.append(body)
        wamid = f"wamid.out{len(self.accepted)}"
        body["wamid"] = wamid
        if how == "accept_and_drop":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if how == "hang":
            self.hanging.set()
            await self.release.wait()
        return web.json_response(
            {
                "messaging_product": "whatsapp",
                "contacts": [{"input": guest, "wa_id": guest}],
                "messages": [{"id": wamid}],
            }
        )


class Process:
    """`python -m services.messaging`, to be stopped, continued and killed."""

    def __init__(self, running: asyncio.subprocess.Process, ports: dict[str, int]) -> None:
        self._running = running
        self.ports = ports
        assert running.stdout is not None
        self._reading = asyncio.create_task(_drain(running.stdout))

    @classmethod
    async def start(cls, settings: MessagingSettings) -> Process:
        """Start it; its ports are in the log line `listening`."""
        running = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.messaging"),
            env=_environment(settings),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        assert running.stdout is not None
        async with asyncio.timeout(DEADLINE):
            async for line in running.stdout:
                told = json.loads(line)
                if told["event"] == "listening":
                    return cls(running, told)
        raise AssertionError("the process ended before it served")

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._running.send_signal(number)

    def kill_now(self) -> None:
        """End it before anything else happens; `kill` waits for its end."""
        self._running.kill()

    async def kill(self) -> None:
        """End it at once, as a power cut would."""
        with suppress(ProcessLookupError):
            self._running.kill()
        await self._running.wait()
        await self._reading

    async def counted(self, name: str) -> float:
        """The value of one of its counters, labels included in the name."""
        async with aiohttp.ClientSession() as session:
            url = f"http://127.0.0.1:{self.ports['ops']}/metrics"
            async with session.get(url) as response:
                lines = (await response.text()).splitlines()
        values = [line.rpartition(" ")[2] for line in lines if line.startswith(name)]
        return sum(float(value) for value in values)


def _version_at(kit: Kit) -> float | None:
    return kit.registry.get_sample_value("watch_version", {"what": "directory"})


async def _drain(stream: asyncio.StreamReader) -> None:
    async for _ in stream:
        pass


def _environment(settings: MessagingSettings) -> dict[str, str]:
    """The settings as the environment tells them; ports are chosen by the system."""
    fields = type(settings).model_fields
    shared = {name for name, field in fields.items() if field.json_schema_extra == SHARED}
    environ = {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}"}
    for name, value in settings.model_dump(exclude_none=True).items():
        plain = value.get_secret_value() if isinstance(value, SecretStr) else value
        prefix = "CONSERJE_" if name in shared else "CONSERJE_MESSAGING_"
        environ[prefix + name.upper()] = ",".join(plain) if isinstance(plain, tuple) else str(plain)
    return environ | {"CONSERJE_LOG_LEVEL": "INFO"}


@dataclass
class Mesh:
    """Everything a test may look at or break."""

    urls: DatabaseUrls
    tenants: Tenants
    credentials: Kept
    bookings: Bookings
    graph: Graph
    settings: MessagingSettings
    admin: asyncpg.Connection
    stack: AsyncExitStack
    clock: Clock | None = None
    kits: list[Kit] = field(default_factory=list)
    processes: list[Process] = field(default_factory=list)
    channels: list[grpc.aio.Channel] = field(default_factory=list)

    async def start(self, *modes: str, tracing: Tracing | None = None, **changes: Any) -> Any:
        """Start a replica; an asynchronous stub for it."""
        settings = self.settings.model_copy(update=changes)
        kit = Kit(
            "messaging",
            settings,
            modes=frozenset(modes or MODES),
            migrations="services.messaging",
            clock=self.clock,
            tracing=tracing or Tracing("messaging", ratio=1.0),
        )
        await build(kit, settings)
        await kit.start()
        self.kits.append(kit)
        return self.stub(kit.ports["grpc"])

    def stub(self, port: int) -> Any:
        """An asynchronous stub for the replica on that port."""
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        self.channels.append(channel)
        return MessagingServiceStub(channel)

    @property
    def target(self) -> str:
        """The address of the first replica."""
        return f"127.0.0.1:{self.kits[0].ports['grpc']}"

    def operations(self) -> Any:
        """What operators call at the first replica."""
        channel = grpc.aio.insecure_channel(self.target)
        self.channels.append(channel)
        return MessagingOperationsServiceStub(channel)

    async def spawn(self, **changes: Any) -> Process:
        """Start a replica as a process of its own, ready when this returns."""
        process = await Process.start(self.settings.model_copy(update=changes))
        self.processes.append(process)
        return process

    async def register(self, number: str, tenant_id: str) -> None:
        """A number becomes a hotel's, and the replicas started here know it."""
        self.tenants.add(number, tenant_id)
        await self.until_told()

    async def until_told(self) -> None:
        """Wait until the replicas started here know whose each number is."""
        async with asyncio.timeout(DEADLINE):
            while any(_version_at(kit) != self.tenants.version for kit in self.kits):  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """Drain all replicas."""
        for process in self.processes:
            await process.kill()
        self.processes.clear()
        for channel in self.channels:
            await channel.close()
        for kit in self.kits:
            await kit.drain()
        self.channels.clear()
        self.kits.clear()

    async def row(self, sql: str, *args: object) -> asyncpg.Record:
        """The one row of a query."""
        (row,) = await self.admin.fetch(sql, *args)
        return row

    async def until(self, sql: str, *args: object, value: object = True) -> None:
        """Wait until a query says so."""
        async with asyncio.timeout(DEADLINE):
            while await self.admin.fetchval(sql, *args) != value:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def until_quiet(self) -> None:
        """Wait until nothing is left to do."""
        await self.until(QUIET)

    async def until_answered(self, count: int) -> None:
        """Wait until so many messages were answered by the conversation."""
        await self.until("SELECT count(*) FROM outbox WHERE answers <> '{}'", value=count)

    async def inbox(self) -> InboxStore:
        """The store of the inbox itself."""
        postgres = Postgres(self.urls.app_url, kept=4, overflow=1)
        await postgres.start()
        self.stack.push_async_callback(postgres.close)
        return InboxStore(postgres)

    async def say(self, stub: Any, *items: IngestEventRequest) -> None:
        """Hand items in, as one batch."""
        response = await stub.BatchIngestEvents(BatchIngestEventsRequest(items=items), timeout=10)
        assert all(result.HasField("value") for result in response.results), response

    async def marked(self, count: int) -> list[str]:
        """Wait until so many read marks have come; the messages they are about."""
        async with asyncio.timeout(DEADLINE), self.graph.changed:
            await self.graph.changed.wait_for(lambda: len(self.graph.marks) >= count)
        return self.graph.marks

    async def accepted(self, count: int) -> list[dict[str, Any]]:
        """Wait until the Graph API has taken `count` messages."""
        async with asyncio.timeout(DEADLINE), self.graph.changed:
            await self.graph.changed.wait_for(lambda: len(self.graph.accepted) >= count)
        return self.graph.accepted


QUIET = """
SELECT NOT EXISTS (SELECT FROM inbox WHERE state = 'PENDING')
   AND NOT EXISTS (SELECT FROM effect WHERE state IN ('OPEN', 'ANSWERED'))
   AND NOT EXISTS (SELECT FROM outbox WHERE state IN ('PENDING', 'SENDING'))
"""


def settings_for(urls: DatabaseUrls, **values: Any) -> MessagingSettings:
    """Settings with short times, as tests want them."""
    defaults = {
        "database_url": urls.app_url,
        "redis_url": "redis://127.0.0.1:1/0",
        "target_tenant": "127.0.0.1:1",
        "target_booking": "127.0.0.1:1",
        "graph_access_token": TOKEN,
        "graph_base_url": "http://127.0.0.1:1",
        "poll_seconds": 0.05,
        "burst_pause_seconds": 0.0,
        "typing_after_seconds": 0.0,
        "step_retry_seconds": 0.05,
        "db_pool_size": 4,
        "db_pool_overflow": 4,
        "drain_seconds": 5.0,
        # Nobody may write there: what fetches files says where.
        "media_folder": "/proc/media",
        "log_level": "ERROR",
    }
    return MessagingSettings.model_validate(defaults | values)


@asynccontextmanager
async def running(urls: DatabaseUrls, **values: Any) -> AsyncIterator[Mesh]:
    """The servers around the service; `Mesh.start` starts the service itself."""
    async with AsyncExitStack() as stack:
        tenants, graph = Tenants(), Graph()
        # Only what messaging calls is played; the rest is UNIMPLEMENTED.
        bookings = Bookings()  # type: ignore[abstract]
        credentials = Kept()
        tenant_port = await _serve(
            stack,
            (add_TenantServiceServicer_to_server, tenants, "tenant.v1.TenantService"),
            (add_CredentialServiceServicer_to_server, credentials, "tenant.v1.CredentialService"),
        )
        booking_port = await _serve(
            stack, (add_BookingServiceServicer_to_server, bookings, "booking.v1.BookingService")
        )
        graph_port = await _serve_http(stack, graph)
        admin = await asyncpg.connect(urls.owner_url)
        stack.push_async_callback(admin.close)
        addresses = {
            "target_tenant": f"127.0.0.1:{tenant_port}",
            "target_booking": f"127.0.0.1:{booking_port}",
            "graph_base_url": f"http://127.0.0.1:{graph_port}",
        }
        settings = settings_for(urls, **(addresses | values))
        mesh = Mesh(urls, tenants, credentials, bookings, graph, settings, admin, stack)
        try:
            yield mesh
        finally:
            graph.release.set()
            await mesh.stop()


async def _serve(stack: AsyncExitStack, *services: tuple[Any, Any, str]) -> int:
    server = Server(tracing=Tracing("test"), registry=new_registry())
    for add_fn, servicer, name in services:
        server.add(add_fn, servicer, f"conserje.{name}")
    port = await server.start("127.0.0.1:0")
    await server.set_serving(True)
    stack.push_async_callback(server.stop, 0.1)
    return port


async def _serve_http(stack: AsyncExitStack, graph: Graph) -> int:
    app = web.Application()
    app.router.add_post("/{version}/{number}/messages", graph.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port: int = runner.addresses[0][1]
    return port


def text(
    body: str = "hola",
    *,
    phone: str = "34600000001",
    user: str = "",
    wamid: str = "",
    seconds: int | None = None,
    number: str = NUMBER,
    account: str = ACCOUNT,
    traceparent: str = "",
) -> IngestEventRequest:
    """A guest's text, as the gateway hands it in."""
    wamid = wamid or f"wamid.in{next(_wamids)}"
    event = InboundEvent(
        phone_number_id=number,
        whatsapp_business_account_id=account,
        item_key=b"m" + wamid.encode()[:60],
    )
    if seconds is not None:
        event.event_time.seconds = seconds
    event.message.whatsapp_message_id = wamid
    event.message.type = "text"
    event.message.text.body = body
    event.message.sender.whatsapp_id = phone
    event.message.sender.user_id = user
    request = IngestEventRequest(event=event, traceparent=traceparent)
    request.receive_time.GetCurrentTime()
    return request


def tap(reply_id: str, **about: Any) -> IngestEventRequest:
    """A guest's tap on a button or row of ours."""
    request = text(**about)
    request.event.message.type = "interactive"
    request.event.message.reply.reply_id = reply_id
    return request


def ids_in(sent: dict[str, Any]) -> list[str]:
    """The ids of the buttons and rows in a message of ours."""
    action = sent["interactive"]["action"]
    rows = [row for section in action.get("sections", ()) for row in section["rows"]]
    return [row["id"] for row in rows] + [
        button["reply"]["id"] for button in action.get("buttons", ())
    ]


def status(
    state: DeliveryState.ValueType,
    *,
    wamid: str = "",
    opaque: str = "",
    number: str = NUMBER,
    participant: str = "",
    seconds: int | None = None,
) -> IngestEventRequest:
    """What Meta says of a message of ours."""
    name = f"{wamid}/{opaque}/{state}/{participant}".encode()
    event = InboundEvent(
        phone_number_id=number,
        whatsapp_business_account_id=ACCOUNT,
        item_key=b"s" + name[-60:],
    )
    if seconds is not None:
        event.event_time.seconds = seconds
    event.status.whatsapp_message_id = wamid
    event.status.state = state
    event.status.biz_opaque_callback_data = opaque
    event.status.recipient_participant_id = participant
    return IngestEventRequest(event=event)
