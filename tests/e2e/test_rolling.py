"""The last release and today's code side by side under load, then everything restarted in turn."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
import zipfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import date, timedelta
from pathlib import Path

import aiohttp
import pytest
from conserje.booking.v1.booking_service_pb2 import SearchAvailabilityRequest
from conserje.booking.v1.booking_service_pb2_grpc import BookingServiceStub
from conserje.tenant.v1.tenant_service_pb2 import ResolveTenantRequest
from conserje.tenant.v1.tenant_service_pb2_grpc import TenantServiceStub
from prometheus_client import CollectorRegistry

from meshkit.client import Channel
from meshkit.dates import from_date
from meshkit.metrics import RpcMetrics
from meshkit.telemetry import Tracing
from sandbox.mesh import Mesh
from sandbox.servers import Given
from sandbox.wiring import WEBHOOK_PATH, Process
from tests import bodies
from tests.e2e.folders import NO_PAUSE, mesh_folder
from tests.e2e.guests import LUNA, MIRADOR

pytestmark = pytest.mark.e2e

(WHEEL,) = (Path(__file__).parent.parent / "compat").glob("*.whl")
PAIRS = ("tenant", "booking", "messaging", "gateway")
UNKNOWN_TO_THE_LAST: frozenset[str] = frozenset()
MIXED_MESSAGES = {"short": 150, "full": 6000}
"""A hundred a second at most: the full one lasts a minute and more."""
WRITERS = 4
PAUSE_SECONDS = {"short": 0.2, "full": 0.04}
"""Between two messages of a writer, or two questions; the short one is about the restarts."""
LOOK_SECONDS = 0.4


@pytest.fixture
def old_code(tmp_path: Path) -> dict[str, str]:
    """The environment in which a process runs the last release."""
    with zipfile.ZipFile(WHEEL) as wheel:
        wheel.extractall(tmp_path / "old")
    return {"PYTHONPATH": str(tmp_path / "old"), "PYTHONSAFEPATH": "1"}


@pytest.fixture
async def mixed(old_code: dict[str, str], run_servers: Given) -> AsyncIterator[Mesh]:
    """One replica of each process as it is today, and one of the last release."""
    new = [_today(name) for name in PAIRS]
    old = [
        Process(f"{name}-2", env={**old_code, **_notice(name)}, without=UNKNOWN_TO_THE_LAST)
        for name in PAIRS
    ]
    with mesh_folder() as folder:
        async with Mesh(folder, given=run_servers, processes=("graph", *new, *old)) as mesh:
            yield mesh


@pytest.mark.parametrize("size", ["short", pytest.param("full", marks=pytest.mark.soak)])
async def test_nothing_fails_beside_the_last_release_and_while_all_is_restarted(
    mixed: Mesh, size: str
) -> None:
    crowd = Crowd(mixed, PAUSE_SECONDS[size])
    async with crowd.writing():
        await crowd.until(MIXED_MESSAGES[size])
        for name in PAIRS:
            await crowd.restart(_today(f"{name}-2"))
            await crowd.restart(_today(name))
        await crowd.until(len(crowd.said) + MIXED_MESSAGES["short"])
    await crowd.check()


def _today(name: str) -> Process:
    """A process of today's code; settings that the last release lacks are its own."""
    service = name.removesuffix("-2")
    pause = NO_PAUSE if service == "messaging" else {}
    return Process(name, env={**_notice(service), **pause})


def _notice(service: str) -> dict[str, str]:
    """A process that stops serves on until everybody has noticed; the chart gives it 5 s."""
    return {f"CONSERJE_{service.upper()}_NOTICE_SECONDS": "1"}


class Crowd:
    """Guests who write through a balancer, and programs that ask the services all the time."""

    def __init__(self, mesh: Mesh, pause: float) -> None:
        self._mesh = mesh
        self._pause = pause
        self.said: list[str] = []
        self.failures: list[str] = []
        self.answers = 0
        self.hushed = False
        self._numbers = itertools.count()
        self._more = asyncio.Condition()
        # What a balancer knows: the gateways that are not about to stop.
        self._gateways = [mesh.address(name).http for name in ("gateway", "gateway-2")]
        registry = CollectorRegistry()
        self._tracing = Tracing("test", ratio=0.0)
        self._metrics = RpcMetrics(registry, "client")

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """While it is entered, guests write and programs ask."""
        steps = [self.write] * WRITERS + [self.ask_tenant, self.ask_booking]
        tasks = [asyncio.create_task(step()) for step in steps]
        yield
        self.hushed = True
        await asyncio.gather(*tasks)

    async def until(self, count: int) -> None:
        """Return when so many messages were taken."""
        async with self._more:
            await self._more.wait_for(lambda: len(self.said) >= count)

    async def restart(self, process: Process) -> None:
        """Replace one process; a gateway gets no more work before it stops, as in a cluster."""
        where = self._mesh.address(process.name).http
        if where:
            self._gateways.remove(where)
        await self._mesh.replace(process)
        if where:
            self._gateways.append(where)

    async def write(self) -> None:
        """One guest after another says hello, each to the gateway that is next."""
        async with aiohttp.ClientSession() as session:
            while not self.hushed:
                number = next(self._numbers)
                guest, hotel = f"346{number:08}", (MIRADOR, LUNA)[number % 2]
                gateway = self._gateways[number % len(self._gateways)]
                if fault := await _post(session, self._mesh, gateway, _hello(guest, hotel)):
                    self.failures.append(fault)
                async with self._more:
                    self.said.append(guest)
                    self._more.notify_all()
                await asyncio.sleep(self._pause)

    async def ask_tenant(self) -> None:
        """Whose number is it, again and again."""
        stub = self._channel("tenant").stub(TenantServiceStub)
        await self._ask(stub.ResolveTenant, lambda: ResolveTenantRequest(phone_number_id=MIRADOR))

    async def ask_booking(self) -> None:
        """What is free, again and again."""
        stub = self._channel("booking").stub(BookingServiceStub)
        await self._ask(stub.SearchAvailability, _search)

    async def check(self) -> None:
        """No webhook and no call failed; each message has one answer."""
        assert not self.failures
        assert self.answers > len(self.said) / 10, "the programs asked"
        await self._mesh.graph.settled(60)
        async with asyncio.timeout(60):
            heard = await self._heard()
            while heard.total() < len(self.said):
                await asyncio.sleep(LOOK_SECONDS)
                heard = await self._heard()
        assert heard == Counter(self.said)
        assert not self._mesh.crashes

    async def _heard(self) -> Counter[str]:
        return Counter(one["to"] for one in await self._mesh.graph.accepted())

    def _channel(self, service: str) -> Channel:
        target = self._mesh.wiring.target(service)
        return Channel(target, tracing=self._tracing, metrics=self._metrics, retries=True)

    async def _ask(
        self, call: Callable[..., Awaitable[object]], request: Callable[[], object]
    ) -> None:
        while not self.hushed:
            try:
                await call(request())
                self.answers += 1
            except Exception as error:
                self.failures.append(repr(error))
            await asyncio.sleep(self._pause)


async def _post(session: aiohttp.ClientSession, mesh: Mesh, gateway: str, body: bytes) -> str:
    """What went wrong; empty when the gateway took it."""
    signature = bodies.sign(body, mesh.credentials.app_secret)
    headers = {"X-Hub-Signature-256": signature, "Content-Type": "application/json"}
    try:
        async with session.post(
            f"http://{gateway}{WEBHOOK_PATH}", data=body, headers=headers
        ) as answer:
            return "" if answer.status == 200 else f"{answer.status} {await answer.text()}"
    except aiohttp.ClientError as error:
        return repr(error)


def _hello(guest: str, hotel: str) -> bytes:
    account = {MIRADOR: "200000000000001", LUNA: "200000000000002"}[hotel]
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"phone_number_id": hotel},
        "contacts": [{"profile": {"name": "Guest"}, "wa_id": guest}],
        "messages": [
            {
                "from": guest,
                "id": f"wamid.rolling{guest}",
                "timestamp": str(int(time.time())),
                "type": "text",
                "text": {"body": "hola"},
            }
        ],
    }
    entry = {"id": account, "changes": [{"field": "messages", "value": value}]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def _search() -> SearchAvailabilityRequest:
    request = SearchAvailabilityRequest(tenant_id="hotel-mirador", adult_count=2)
    arrive = date.today() + timedelta(days=30)
    from_date(arrive, request.check_in_date)
    from_date(arrive + timedelta(days=2), request.check_out_date)
    return request
