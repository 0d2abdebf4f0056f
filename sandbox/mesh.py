"""All processes of the product on one machine, as children of whoever uses this.

`make run`, the end-to-end tests, the kill tests and the benches use the same class:

    async with Mesh(folder, given=Given(postgres_url=…, redis_url=…)) as mesh:
        await mesh.graph.say("34600000001", "hola", phone_number_id)
        await mesh.kill("messaging-1")
        await mesh.start("messaging-1")

Several of them live side by side, each in its own folder.
"""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import aiohttp

from sandbox import demo
from sandbox.child import Child
from sandbox.databases import DatabaseUrls
from sandbox.graph.client import GraphControl
from sandbox.graph.settings import Number
from sandbox.keeper import Keeper
from sandbox.ports import Ports
from sandbox.processes import SandboxError
from sandbox.rundir import RunDir
from sandbox.servers import Given, Servers
from sandbox.wiring import (
    ENCRYPTING,
    MODULES,
    SERVICES,
    Address,
    Credentials,
    Process,
    Wiring,
    choose_addresses,
    keep_key,
)

DEFAULT_PROCESSES = ("graph", "tenant", "booking", "messaging", "gateway")
# What takes work in stops first, so that what is under way finds everybody it needs.
STOP_ORDER = (("gateway",), ("messaging",), ("booking", "tenant"), ("graph",))
READY_SECONDS = 30.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.03
FIRST_RESTART, LAST_RESTART = 0.5, 15.0
HEALTHY_SECONDS = 30.0

Load = Callable[[Mapping[str, DatabaseUrls]], Awaitable[None]]


class Mesh:
    """Starts everything on entering, stops everything on leaving."""

    def __init__(
        self,
        run_dir: Path,
        *,
        processes: Sequence[str | Process] = DEFAULT_PROCESSES,
        given: Given = Given(),  # noqa: B008  (frozen)
        numbers: Sequence[Number] = demo.NUMBERS,
        load: Load | None = demo.load,
        env: Mapping[str, str] | None = None,
        told: Mapping[str, str] | None = None,
        restart_crashed: bool = False,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Names what will run.

        - `processes`: names (`messaging-1`, `messaging-2` are replicas) or `Process`.
        - `given`: servers and databases that exist already; the rest is embedded.
        - `load`: fills the migrated databases; None leaves them as they are.
        - `env`: set for every process. `told`: an environment whose `CONSERJE_*_LISTEN`
          say where to listen.
        - `restart_crashed`: start again, with growing pauses, what ended by itself.
        - `tell`: gets a sentence for everything that happens.
        """
        self.folder = RunDir(run_dir)
        self.crashes: list[str] = []
        self._processes = [_process(one) for one in processes]
        self._given = given
        self._numbers = numbers
        self._load = load
        self._env = {**os.environ, **(env or {})}
        self._told = told or {}
        self._restart_crashed = restart_crashed
        self._tell = tell
        self._keeper = Keeper()
        self._ports = Ports()
        self._children: dict[str, Child] = {}
        self._watchers: dict[str, asyncio.Task[None]] = {}
        self._expected_down: set[str] = set()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Mesh":
        try:
            await self._start_all()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @property
    def credentials(self) -> Credentials:
        """The app secret, the access token, the verify token."""
        return self.wiring.credentials

    @property
    def databases(self) -> Mapping[str, DatabaseUrls]:
        """The URLs of each service's database."""
        return self.servers.databases

    @property
    def webhook_url(self) -> str:
        """Where the gateway takes webhooks."""
        return self.wiring.webhook_url

    def address(self, name: str) -> Address:
        """Where a process listens."""
        return self.wiring.addresses[name]

    def log(self, name: str) -> Path:
        """The file a process writes its log to."""
        return self.folder.log(name)

    def running(self, name: str) -> bool:
        """Whether the process is there."""
        return self._children[name].running

    def pid(self, name: str) -> int:
        """Its process id; 0 when it is not there."""
        return self._children[name].pid

    def signal(self, name: str, sign: signal.Signals) -> None:
        """Sends a signal, such as SIGSTOP."""
        self._children[name].signal(sign)

    async def kill(self, name: str) -> None:
        """`kill -9`."""
        self._expected_down.add(name)
        await self._children[name].kill()

    async def stop(self, name: str) -> bool:
        """SIGTERM; False when the process had to be killed."""
        self._expected_down.add(name)
        return await self._children[name].stop(STOP_SECONDS)

    async def start(self, name: str, *, wait: bool = True) -> None:
        """Starts a process that is down, on its old addresses."""
        await self._forget(self._watchers.pop(name, None))
        self._expected_down.discard(name)
        child = self._children[name]
        await child.start()
        self._watchers[name] = asyncio.create_task(self._watch(child))
        if wait:
            await self.wait_ready(name)

    async def restart(self, name: str) -> None:
        """Stops it in order and starts it again."""
        await self.stop(name)
        await self.start(name)

    async def replace(self, process: Process) -> None:
        """Stops the process of that name in order, and starts this one on its addresses."""
        await self.stop(process.name)
        self._children[process.name] = self._child(process)
        await self.start(process.name)

    async def wait_ready(self, name: str, seconds: float = READY_SECONDS) -> None:
        """Returns once the process can serve; `SandboxError` tells why it cannot."""
        until = time.monotonic() + seconds
        child = self._children[name]
        while reason := await self.not_ready(name):
            if not child.running and not self._restart_crashed:
                raise SandboxError(
                    f"{name} ended with {child.exit_code}; its last lines:\n{child.log_tail()}"
                )
            if time.monotonic() > until:
                raise SandboxError(
                    f"{name} is not ready after {seconds:.0f} s: {reason}; log: {child.log}"
                )
            await asyncio.sleep(POLL_SECONDS)

    async def not_ready(self, name: str) -> str:
        """Why a process cannot serve; empty when it can."""
        assert self._session is not None
        try:
            async with self._session.get(self._probe(name)) as response:
                text = await response.text()
                return "" if response.status == 200 else text
        except (aiohttp.ClientError, TimeoutError, OSError):
            return "it does not answer"

    async def metrics(self, name: str) -> str:
        """What the process exposes at `/metrics`."""
        assert self._session is not None
        async with self._session.get(f"http://{self.address(name).ops}/metrics") as response:
            return await response.text()

    async def aclose(self) -> None:
        """Stops everything in order; calling it again does nothing."""
        self._expected_down.update(self._children)
        await self._forget(*self._watchers.values())
        for services in STOP_ORDER:
            await asyncio.gather(
                *(
                    child.stop(STOP_SECONDS)
                    for name, child in self._children.items()
                    if Process(name).service in services
                )
            )
        await self._close_rest()

    async def _forget(self, *watchers: asyncio.Task[None] | None) -> None:
        """Nobody starts again what these were watching."""
        tasks = [watcher for watcher in watchers if watcher is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _close_rest(self) -> None:
        if self._session is not None:
            await self._session.close()
            await self.graph.aclose()
        if self.folder.held:
            await self.servers.stop()
            await asyncio.to_thread(self._keeper.release)
            self.folder.release()
        self._ports.release()

    async def _start_all(self) -> None:
        self.folder.hold()
        self.servers = Servers(self.folder.path, self._given, self._keeper)
        self._keeper.start()
        last_ports = self.folder.ports_of_last_time()
        addresses = self._choose_addresses(last_ports)
        await self._start_servers(last_ports)
        self.wiring = Wiring(
            addresses=addresses,
            databases=self.servers.databases,
            redis_url=self.servers.redis_url,
            credentials=Credentials.kept_in(self.folder.credentials),
            keys={service: keep_key(self.folder.keys(service)) for service in ENCRYPTING},
            media=self.folder.media,
            numbers=self._numbers,
            base=self._env,
        )
        self.folder.remember_ports(addresses, **self.servers.ports)
        if self._restart_crashed:
            keeping = self.servers.keep_running(self._tell)
            self._watchers["servers"] = asyncio.create_task(keeping)
        await self._fill_databases()
        await self._start_processes()
        hotels = [asdict(hotel) for hotel in demo.HOTELS]
        self.folder.announce(addresses, self.graph.address, self.webhook_url, hotels)

    def _choose_addresses(self, last_ports: Mapping[str, int]) -> dict[str, Address]:
        """One for every process, and one where nobody listens for services that do not run."""
        names = [one.name for one in self._processes]
        services = {one.service for one in self._processes}
        names += [service for service in MODULES if service not in services]
        return choose_addresses(names, self._ports, self._told, last_ports)

    async def _start_servers(self, last_ports: Mapping[str, int]) -> None:
        self._tell(self.servers.plan())
        await _all(
            self.servers.start_postgres(self._ports.free(last_ports.get("postgres", 0))),
            self.servers.start_redis(self._ports.free(last_ports.get("redis", 0))),
        )

    async def _fill_databases(self) -> None:
        self._tell("migrating the databases")
        await _all(*(self._migrate(service) for service in SERVICES))
        if self._load is not None:
            self._tell("loading the demo hotels")
            await self._load(self.servers.databases)

    async def _migrate(self, service: str) -> None:
        if not self.servers.databases[service].owner_url:
            return
        name, arguments = f"migrate-{service}", (MODULES[service], "migrate")
        environment = self.wiring.migration_environment(service)
        child = Child(name, arguments, environment, self.log(name), self._keeper)
        await child.start()
        if await child.wait() != 0:
            raise SandboxError(f"The {service} database was not migrated:\n{child.log_tail()}")

    async def _start_processes(self) -> None:
        self._tell("starting " + ", ".join(one.name for one in self._processes))
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2))
        self.graph = GraphControl(f"http://{self.wiring.addresses['graph'].http}")
        for one in self._processes:
            self._children[one.name] = self._child(one)
            await self.start(one.name, wait=False)
        await _all(*(self.wait_ready(one.name) for one in self._processes))

    def _child(self, process: Process) -> Child:
        arguments = (MODULES[process.service], *self._arguments(process))
        environment = self.wiring.environment(process)
        return Child(process.name, arguments, environment, self.log(process.name), self._keeper)

    def _arguments(self, process: Process) -> tuple[str, ...]:
        if process.service == "graph":
            journal = ("--log", str(self.folder.journal))
            return (*self.wiring.graph_arguments(), *journal, *process.arguments)
        return process.arguments

    def _probe(self, name: str) -> str:
        ops = self.address(name).ops
        return f"http://{ops}/readyz" if ops else f"{self.graph.address}/control/report"

    async def _watch(self, child: Child) -> None:
        pause = FIRST_RESTART
        while True:
            started = time.monotonic()
            code = await child.wait()
            if child.name in self._expected_down:
                return
            self.crashes.append(f"{child.name} ended with {code}")
            if not self._restart_crashed:
                self._tell(f"{child.name} ended with {code}; its log: {child.log}")
                return
            if time.monotonic() - started > HEALTHY_SECONDS:
                pause = FIRST_RESTART
            self._tell(f"{child.name} ended with {code}; again in {pause:.1f} s (log: {child.log})")
            await asyncio.sleep(pause)
            pause = min(2 * pause, LAST_RESTART)
            await child.start()


def _process(one: str | Process) -> Process:
    return Process(one) if isinstance(one, str) else one


async def _all(*work: Coroutine[Any, Any, None]) -> None:
    """Does everything at once; when one fails, or we are cancelled, the others are ended first."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
