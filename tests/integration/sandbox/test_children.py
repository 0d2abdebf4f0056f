"""Children end with their supervisor, however it ends, and keep their ports meanwhile."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from sandbox.child import Child
from sandbox.keeper import Keeper
from sandbox.ports import Ports
from sandbox.processes import SandboxError

SUPERVISOR = """
import asyncio, sys
from pathlib import Path
from sandbox.child import Child
from sandbox.keeper import Keeper

async def main():
    keeper = Keeper()
    keeper.start()
    folder = Path(sys.argv[1])
    for name in sys.argv[2:]:
        child = Child(name, (name,), {"PYTHONPATH": str(folder)}, folder / f"{name}.log", keeper)
        await child.start()
        while not (folder / f"{name}.log").read_text():
            await asyncio.sleep(0.01)
        print(child.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""
# Two kinds of children: one goes when it is asked, one has to be made to.
POLITE = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(print("asked to go", flush=True)))
print("up", flush=True)
signal.pause()
"""
STUBBORN = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
while True:
    signal.pause()
"""


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    (tmp_path / "polite.py").write_text(POLITE)
    (tmp_path / "stubborn.py").write_text(STUBBORN)
    return tmp_path


@pytest.fixture
async def keeper() -> AsyncIterator[Keeper]:
    keeper = Keeper()
    keeper.start()
    yield keeper
    await asyncio.to_thread(keeper.release)


def child_of(programs: Path, name: str, keeper: Keeper) -> Child:
    environment = {"PYTHONPATH": str(programs)}
    return Child(name, (name,), environment, programs / f"{name}.log", keeper)


async def until_up(child: Child) -> None:
    while "up" not in child.log_tail():  # noqa: ASYNC110  (another process writes it)
        await asyncio.sleep(0.01)


async def test_a_polite_child_stops_and_starts_again(programs: Path, keeper: Keeper) -> None:
    child = child_of(programs, "polite", keeper)
    assert not child.running
    await child.start()
    await until_up(child)
    first = child.pid
    assert await child.stop(10) is True
    assert (child.running, child.exit_code, child.pid) == (False, 0, 0)
    assert child.log_tail() == "up\nasked to go"
    await child.start()
    assert child.pid not in (0, first)
    await child.kill()
    assert child.exit_code == -signal.SIGKILL


async def test_a_stubborn_child_is_killed_and_that_is_told(programs: Path, keeper: Keeper) -> None:
    child = child_of(programs, "stubborn", keeper)
    await child.start()
    await until_up(child)
    assert await child.stop(0.2) is False
    assert child.exit_code == -signal.SIGKILL


async def test_a_stopped_child_hears_the_request_to_end(programs: Path, keeper: Keeper) -> None:
    child = child_of(programs, "polite", keeper)
    await child.start()
    await until_up(child)
    child.signal(signal.SIGSTOP)
    assert await child.stop(10) is True


async def test_an_interrupt_of_the_terminal_does_not_reach_a_child(
    programs: Path, keeper: Keeper
) -> None:
    child = child_of(programs, "polite", keeper)
    await child.start()
    assert os.getpgid(child.pid) == child.pid
    assert os.getsid(child.pid) == child.pid
    await child.kill()


async def test_children_of_a_killed_supervisor_end_the_stubborn_ones_too(programs: Path) -> None:
    supervisor = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        SUPERVISOR,
        str(programs),
        "polite",
        "stubborn",
        stdout=subprocess.PIPE,
    )
    assert supervisor.stdout is not None
    pids = [int(await supervisor.stdout.readline()) for _ in range(2)]
    children = [psutil.Process(pid) for pid in pids]
    supervisor.kill()
    await supervisor.wait()
    gone, alive = await asyncio.to_thread(psutil.wait_procs, children, 30)
    assert (len(gone), alive) == (2, [])
    assert (programs / "polite.log").read_text() == "up\nasked to go\n"


def test_a_reserved_port_is_there_for_a_child_whenever_it_starts() -> None:
    ports = Ports()
    port = ports.free()
    for _ in range(2):
        with socket.create_server(("127.0.0.1", port)) as child:
            with socket.create_connection(("127.0.0.1", port)), pytest.raises(SandboxError):
                ports.told(port, "the gateway")
            # Who closes first leaves a connection that lingers at its port.
            child.accept()[0].close()
    ports.release()


def test_two_choosers_never_choose_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    ports, others = Ports(), Ports()
    monkeypatch.setattr("sandbox.ports.FIRST", 31_000)
    monkeypatch.setattr("sandbox.ports.LAST", 31_040)
    chosen = [chooser.free() for _ in range(6) for chooser in (ports, others)]
    assert len(set(chosen)) == 12
    ports.release()
    others.release()


def test_the_port_of_last_time_is_taken_again_unless_somebody_listens_there() -> None:
    ports = Ports()
    wish = ports.free()
    ports.release()
    assert ports.free(wish) == wish
    ports.release()
    with socket.create_server(("127.0.0.1", wish)):
        assert ports.free(wish) != wish
        with pytest.raises(SandboxError, match=f"Port {wish}, which the gateway was told"):
            ports.told(wish, "the gateway")
    ports.release()
