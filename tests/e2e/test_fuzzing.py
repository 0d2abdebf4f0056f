"""Bodies, signatures and headers bent in every way, at a gateway that goes on as if nothing was."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import psutil
import pytest

from sandbox.mesh import Mesh
from sandbox.servers import Given
from tests import bodies
from tests.e2e.folders import mesh_folder
from tests.e2e.logs import unexpected

pytestmark = pytest.mark.e2e

SEED = int(os.environ.get("CONSERJE_TEST_SEED", "20261127"))
SECONDS = {"short": 60, "full": 600}
SENDERS = 2
MOST_GROWTH = 0.1
"""Of a process's memory, from the end of the first half to the end of the second."""
VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 10**20, 1e308, "", "\x00", "\ud800", "7", "messages", "wamid.x"),
    *([], {}, [[]], {"": ""}, "x" * 70_000, ["x"] * 500),
)


@pytest.fixture
async def lone(run_servers: Given) -> AsyncIterator[Mesh]:
    """A mesh that nobody else uses, whose memory is looked at."""
    with mesh_folder() as folder:
        async with Mesh(folder, given=run_servers) as mesh:
            yield mesh


@dataclass(frozen=True)
class Shot:
    """One request, and which answers are right."""

    what: str
    body: bytes
    headers: dict[str, str]
    right: frozenset[int]
    method: str = "POST"


@dataclass
class Fuzzer:
    """Makes shots of the bodies that are known; one seed always makes the same."""

    secret: str
    chance: random.Random
    _known: tuple[bodies.Body, ...] = field(default_factory=bodies.load)

    def shots(self) -> Iterator[Shot]:
        """One after another, without end."""
        ways: tuple[Callable[[], Shot], ...] = (
            *(self._bent, self._bent, self._cut, self._noise),
            *(self._signature, self._method, self._headers),
        )
        while True:
            yield self.chance.choice(ways)()

    def _signed(self, what: str, body: bytes, **headers: str) -> Shot:
        signature = {"X-Hub-Signature-256": bodies.sign(body, self.secret)}
        kind = {"Content-Type": "application/json"}
        return Shot(what, body, {**kind, **signature, **headers}, frozenset({200}))

    def _json(self) -> Any:
        return copy.deepcopy(self.chance.choice(self._known).json)

    def _bent(self) -> Shot:
        """Values replaced, dropped or doubled somewhere in the tree."""
        content = self._json()
        for _ in range(self.chance.randint(1, 4)):
            _bend(self.chance, content)
        return self._signed("bent", json.dumps(content).encode())

    def _cut(self) -> Shot:
        body = json.dumps(self._json()).encode()
        return self._signed("cut", body[: self.chance.randrange(len(body))])

    def _noise(self) -> Shot:
        body = bytearray(json.dumps(self._json()).encode())
        for _ in range(self.chance.randint(1, 20)):
            body[self.chance.randrange(len(body))] = self.chance.randrange(256)
        return self._signed("noise", bytes(body))

    def _signature(self) -> Shot:
        body = json.dumps(self._json()).encode()
        right = bodies.sign(body, self.secret)
        wrong = self.chance.choice(
            [right[:-1], right.upper(), right + "0", "sha1=x", "", "sha256=", "é" * 9, right[7:]]
        )
        headers = {"X-Hub-Signature-256": wrong, "Content-Type": "application/json"}
        return Shot("signature", body, headers, frozenset({401}))

    def _method(self) -> Shot:
        method = self.chance.choice(["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
        return Shot("method", b"{}", {}, frozenset({403, 405, 400}), method)

    def _headers(self) -> Shot:
        """Odd headers are nobody's business as long as the bytes are signed."""
        body = json.dumps(self._json()).encode()
        odd = self.chance.choice(
            [
                {"Content-Type": "text/plain; charset=utf-99"},
                {"Content-Type": ""},
                {"traceparent": "00-" + "f" * 200},
                {"X-Forwarded-For": "x" * 4000},
                {"Accept-Encoding": 'br;q=x, "' + "x" * 99},
            ]
        )
        return self._signed("headers", body, **odd)


@pytest.mark.parametrize("size", ["short", pytest.param("full", marks=pytest.mark.soak)])
async def test_whatever_is_posted_nothing_breaks_leaks_or_grows(lone: Mesh, size: str) -> None:
    print(f"seed {SEED}")
    shots = Fuzzer(lone.credentials.app_secret, random.Random(SEED)).shots()
    answers: Counter[tuple[str, int]] = Counter()
    wrong: list[str] = []
    half = SECONDS[size] / 2
    await _shoot(lone, shots, answers, wrong, half)
    before = _usage(lone)
    await _shoot(lone, shots, answers, wrong, half)
    after = _usage(lone)
    print(dict(sorted(answers.items())), before, after)
    assert not wrong
    for name, (memory, files) in after.items():
        assert memory < before[name][0] * (1 + MOST_GROWTH), f"{name} grows"
        assert files <= before[name][1] + 2 * SENDERS, f"{name} leaves files or sockets open"
    assert not lone.crashes
    assert not unexpected(lone)


async def _shoot(
    mesh: Mesh,
    shots: Iterator[Shot],
    answers: Counter[tuple[str, int]],
    wrong: list[str],
    seconds: float,
) -> None:
    until = time.monotonic() + seconds

    async def send(session: aiohttp.ClientSession) -> None:
        while time.monotonic() < until:
            shot = next(shots)
            async with session.request(
                shot.method, mesh.webhook_url, data=shot.body, headers=shot.headers
            ) as answer:
                await answer.read()
            answers[shot.what, answer.status] += 1
            if answer.status not in shot.right:
                wrong.append(f"{shot.what} {answer.status}: {shot.headers} {shot.body[:500]!r}")

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(send(session) for _ in range(SENDERS)))


def _usage(mesh: Mesh) -> dict[str, tuple[int, int]]:
    """Bytes of memory and open files of each process that takes part."""
    found = {}
    for name in ("gateway", "messaging", "tenant"):
        process = psutil.Process(mesh.pid(name))
        found[name] = process.memory_info().rss, process.num_fds()
    return found


def _bend(chance: random.Random, tree: Any) -> None:
    """Replace, drop or double one value somewhere in a tree."""
    while isinstance(tree, (dict, list)) and tree:
        key: Any = chance.choice(list(tree) if isinstance(tree, dict) else range(len(tree)))
        if chance.random() < 0.7 and isinstance(tree[key], (dict, list)) and tree[key]:
            tree = tree[key]
            continue
        how = chance.random()
        if how < 0.6:
            tree[key] = copy.deepcopy(chance.choice(VALUES))
        elif how < 0.8:
            del tree[key]
        elif isinstance(tree, list):
            tree.append(copy.deepcopy(tree[key]))
        else:
            tree[f"{key}2"] = copy.deepcopy(tree[key])
        return
