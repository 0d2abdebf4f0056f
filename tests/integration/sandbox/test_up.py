"""`make run` from the first start to the last signal, as a person at a terminal sees it."""

import asyncio
import datetime
import json
import os
import re
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.folders import new_folder

ROOT = Path(__file__).parents[3]
PATIENCE = 120.0
PROCESSES = {"graph", "tenant", "booking", "messaging", "gateway"}


class Up:
    """One `conserje up`, and what it prints."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.printed: list[str] = []
        self._process: asyncio.subprocess.Process | None = None

    @property
    def run_file(self) -> Path:
        return self.folder / "run.json"

    async def start(
        self, *arguments: str, screen: int = asyncio.subprocess.PIPE, **environment: str
    ) -> None:
        self.printed = []
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "cli", "up", "--dir", str(self.folder), *arguments),
            stdout=screen,
            stderr=asyncio.subprocess.STDOUT,
            cwd=ROOT,
            env={**clean_environment(), **environment},
            # A group of its own, as a shell gives it; Ctrl-C goes to the whole group.
            start_new_session=True,
        )

    async def prints(self, pattern: str) -> str:
        """Reads on until a line matches; AssertionError when the output ends first."""
        assert self._process is not None
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            async for raw in self._process.stdout:
                self.printed.append(raw.decode().rstrip())
                if re.search(pattern, self.printed[-1]):
                    return self.printed[-1]
        raise AssertionError("\n".join(self.printed))

    async def ends(self) -> int:
        """Reads to the end and returns the exit code."""
        assert self._process is not None
        async with asyncio.timeout(PATIENCE):
            out, _ = await self._process.communicate()
            self.printed += (out or b"").decode().splitlines()
            return await self._process.wait()

    def interrupt(self) -> None:
        """Ctrl-C."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGINT)

    def signal(self, sign: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(sign)

    def children(self) -> dict[str, psutil.Process]:
        """Everything it has started, by pid and command line."""
        assert self._process is not None
        found: dict[str, psutil.Process] = {}
        for child in psutil.Process(self._process.pid).children(recursive=True):
            # One that has just ended has no command line any more.
            with suppress(psutil.NoSuchProcess):
                found[f"{child.pid} {' '.join(child.cmdline())}"] = child
        return found

    def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("CONSERJE_")}


@pytest.fixture
async def up() -> AsyncIterator[Up]:
    folder = new_folder("up")
    up = Up(folder / "data")
    yield up
    up.kill()
    shutil.rmtree(folder, ignore_errors=True)


async def conserje(up: Up, *arguments: str, stdin: str = "") -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "cli", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={**clean_environment(), "CONSERJE_CLI_RUN_FILE": str(up.run_file)},
    )
    async with asyncio.timeout(PATIENCE):
        out, err = await process.communicate(stdin.encode())
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def gone(children: dict[str, psutil.Process]) -> list[str]:
    """Waits for all to end and names those that do not."""
    _, alive = await asyncio.to_thread(psutil.wait_procs, list(children.values()), 30)
    return [name for name, child in children.items() if child in alive]


@pytest.mark.e2e
async def test_a_newcomers_first_two_runs(up: Up) -> None:
    """First run: chat, doctor, a crash, a second `up`, Ctrl-C. Second: same data, kill -9."""
    await up.start()
    await up.prints(r"\d s  ready$")
    await up.prints("make chat")
    assert "    posada-luna      Posada Luna" in up.printed
    content = json.loads(up.run_file.read_text())
    await up.prints(
        re.escape(f"    {content['processes']['booking']['grpc']}   booking, over gRPC")
    )
    assert set(content["processes"]) == PROCESSES
    assert [hotel["tenant_id"] for hotel in content["hotels"]] == ["hotel-mirador", "posada-luna"]
    # A busy machine may keep a process from its checks just when it is asked.
    assert (await until_doctor_is_content(up)).count("✓") == len(PROCESSES)

    code, out, err = await conserje(up, "chat", stdin="hola\n\nreservar\n")
    assert (code, err) == (0, "")
    assert out.count("Hotel Mirador") >= 2

    other = Up(up.folder)
    await other.start()
    assert await other.ends() == 1
    assert other.printed == [
        "conserje: The mesh is running already; type `make chat` in another terminal, "
        "or stop it with Ctrl-C where it runs."
    ]

    before = up.children()
    [booking] = [child for name, child in before.items() if "services.booking" in name]
    booking.kill()
    await up.prints(r"booking ended with -9; again in 0\.5 s")
    await until_doctor_is_content(up)

    [redis] = [child for name, child in up.children().items() if "redis-server" in name]
    redis.kill()
    await up.prints("redis has ended; starting it again")
    await until_doctor_is_content(up)

    lock_id = await acquire_lock(up)
    children = up.children()
    up.interrupt()
    assert await up.ends() == 0
    assert up.printed[-1].endswith("stopped; `make run` goes on where this ended")
    assert await gone(children) == []
    assert not up.run_file.exists()
    code, _, err = await conserje(up, "chat")
    assert (code, err.count("\n")) == (2, 1)
    assert "start it with `make run`" in err

    await up.start()
    await up.prints(r"\d s  ready$")
    again = json.loads(up.run_file.read_text())
    assert again["processes"] == content["processes"]
    assert await acquire_lock(up) == lock_id
    children = up.children()
    up.signal(signal.SIGKILL)
    assert await gone(children) == []
    code, out, _ = await conserje(up, "doctor")
    assert code == 1
    assert out.startswith("`make run` is not there any more")


@pytest.mark.e2e
async def test_sigterm_while_starting_leaves_nothing(up: Up) -> None:
    await up.start()
    await up.prints("migrating")
    children = up.children()
    up.signal(signal.SIGTERM)
    assert await up.ends() == 0
    assert await gone(children) == []


@pytest.mark.e2e
async def test_a_terminal_that_is_closed_ends_everything(up: Up) -> None:
    terminal, screen = os.openpty()
    await up.start(screen=screen)
    os.close(screen)
    seen = b""
    while b"Ctrl-C stops" not in seen:
        seen += await asyncio.to_thread(os.read, terminal, 4096)
    children = up.children()
    os.close(terminal)
    up.signal(signal.SIGHUP)
    assert await gone(children) == []
    await up.ends()
    assert not up.run_file.exists()


async def test_ctrl_c_while_python_still_loads_is_no_traceback(tmp_path: Path) -> None:
    starting = await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "importtime", "-m", "sandbox", "--dir", str(tmp_path / "run")),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env=clean_environment(),
    )
    assert starting.stderr is not None
    async with asyncio.timeout(PATIENCE):
        while b" asyncio.base_events" not in await starting.stderr.readline():
            pass
        starting.send_signal(signal.SIGINT)
        _, told = await starting.communicate()
    assert b"Traceback" not in told
    assert starting.returncode in (0, -signal.SIGINT)


async def test_a_busy_port_is_one_sentence(up: Up) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        await up.start("--gateway-port", str(port))
        assert await up.ends() == 1
    assert up.printed == [
        f"conserje: Port {port}, which --gateway-port was told to use, is taken; "
        "name another one or stop what uses it."
    ]
    assert not up.run_file.exists()


@pytest.mark.parametrize("listen", ["8080", "127.0.0.1:", "127.0.0.1:x"])
async def test_an_address_that_is_none_is_one_sentence(up: Up, listen: str) -> None:
    await up.start(CONSERJE_BOOKING_GRPC_LISTEN=listen)
    assert await up.ends() == 1
    assert up.printed == [
        "conserje: CONSERJE_BOOKING_GRPC_LISTEN must be host:port, such as 127.0.0.1:8080."
    ]


async def until_doctor_is_content(up: Up) -> str:
    """What it says then."""
    async with asyncio.timeout(PATIENCE):
        while (said := await conserje(up, "doctor"))[0] != 0:  # noqa: ASYNC110  (another process)
            await asyncio.sleep(0.2)
    return said[1]


async def acquire_lock(up: Up) -> str:
    """The same request every time: the database of the first run answers with the same lock."""
    day = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=30)
    request = {
        "tenant_id": "hotel-mirador",
        "request_id": "6f1c2f0e-8a5e-4d0a-9d55-0f6a0d6a7f01",
        "room_type_id": "doble",
        "check_in_date": date(day),
        "check_out_date": date(day + datetime.timedelta(days=1)),
        "adult_count": 2,
        "guest_id": "guest-1",
    }
    code, out, err = await conserje(up, "call", "booking/AcquireLock", json.dumps(request))
    assert (code, err) == (0, "")
    return str(json.loads(out)["lock"]["lock_id"])


def date(day: datetime.date) -> dict[str, int]:
    return {"year": day.year, "month": day.month, "day": day.day}
