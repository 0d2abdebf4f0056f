"""What the load test of k6 puts on a mesh, and what it judges: here a mesh that is played."""

from __future__ import annotations

import asyncio
import hmac
import json
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.load import __main__ as load
from tests.load.hotels import COUNT
from tests.load.k6 import command
from tests.tools import tool

SECRET = "a secret of Meta's app"
LIMITS = {
    "iterations": ["count>0"],
    "errors": ["rate<0.01"],
    "webhook_to_reply": ["p(95)<500"],
    "webhooks": ["rate>150"],
}
STEADY = {"executor": "constant-vus", "vus": 100, "duration": "5m0s"}
SPIKE = {
    "executor": "ramping-vus",
    "startVUs": 100,
    "stages": [
        {"duration": "2m0s", "target": 100},
        {"duration": "0s", "target": 300},
        {"duration": "1m0s", "target": 300},
        {"duration": "0s", "target": 100},
        {"duration": "2m0s", "target": 100},
    ],
}
SOAK = {
    "executor": "ramping-vus",
    "startVUs": 0,
    "stages": [
        {"duration": "3m0s", "target": 100},
        {"duration": "54m0s", "target": 100},
        {"duration": "3m0s", "target": 0},
    ],
}


@dataclass
class PlayedMesh:
    """Takes webhooks and has a phone to look at, and does both as well as it is told to."""

    refuses: Callable[[int], bool] = lambda _: False
    silent: Callable[[int], bool] = lambda _: False
    unreadable: Callable[[int], bool] = lambda _: False
    seconds_to_reply: float = 0.0
    address: str = ""
    messages: list[dict[str, Any]] = field(default_factory=list)
    numbers: list[str] = field(default_factory=list)
    forged: int = 0
    replies: list[dict[str, Any]] = field(default_factory=list)

    async def webhook(self, request: web.Request) -> web.Response:
        """Takes one message, whose reply is on the record at once, with the time it is to have."""
        raw = await request.read()
        signature = hmac.digest(SECRET.encode(), raw, "sha256").hex()
        self.forged += request.headers.get("X-Hub-Signature-256") != f"sha256={signature}"
        value = json.loads(raw)["entry"][0]["changes"][0]["value"]
        number, message = value["metadata"]["phone_number_id"], value["messages"][0]
        self.numbers.append(number)
        self.messages.append(message)
        turn = len(self.messages)
        if self.refuses(turn):
            return web.Response(status=503)
        if not self.silent(turn):
            at = time.time() + self.seconds_to_reply
            self.replies.append({"to": message["from"], "phone_number_id": number, "time": at})
        return web.Response()

    async def shown(self, request: web.Request) -> web.Response:
        """What was sent to a phone, as the control API of the fake Graph API tells it."""
        if self.unreadable(len(self.messages)):
            return web.Response(status=500)
        wanted = request.query["to"], request.query["phone_number_id"]
        found = [
            reply
            for reply in self.replies[int(request.query["after"]) :]
            if (reply["to"], reply["phone_number_id"]) == wanted
        ]
        if not found:
            await asyncio.sleep(min(float(request.query["wait"]), 0.1))
        return web.json_response({"messages": found, "next": len(self.replies)})


@pytest.fixture
async def mesh() -> AsyncIterator[PlayedMesh]:
    """One on a free port."""
    played = PlayedMesh()
    app = web.Application()
    app.add_routes(
        [web.post("/webhook", played.webhook), web.get("/control/messages", played.shown)]
    )
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    played.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield played
    await runner.cleanup()


def _plan(address: str = "http://127.0.0.1", **more: Any) -> dict[str, Any]:
    return {
        "webhook": f"{address}/webhook",
        "graph": address,
        "app_secret": SECRET,
        "run": "0123456789abcdef01234567",
        "patience_seconds": 1,
        "numbers": [
            {"phone_number_id": str(number), "account": "1", "voice": {"id": f"voice-{number}"}}
            for number in range(COUNT)
        ],
        "stages": "steady",
        "seconds": None,
        "errors_only": False,
        **more,
    }


def _told(folder: Path, **plan: Any) -> dict[str, Any]:
    """What k6 reads in the file."""
    asked = command(tool("k6"), "inspect", _plan(**plan), folder)
    told: dict[str, Any] = json.loads(subprocess.check_output(asked, timeout=60))
    return told


@dataclass
class Ran:
    """How k6 ended, what it printed, and what it measured."""

    code: int | None
    told: str
    metrics: dict[str, Any]

    @property
    def missed(self) -> set[str]:
        """The metrics that missed a threshold."""
        return {
            name
            for name, metric in self.metrics.items()
            if not all(one["ok"] for one in metric.get("thresholds", {}).values())
        }


async def _run(mesh: PlayedMesh, folder: Path, *, errors_only: bool) -> Ran:
    """A second of it."""
    results = folder / "results.json"
    plan = _plan(mesh.address, seconds=1, errors_only=errors_only, results=str(results))
    process = await asyncio.create_subprocess_exec(
        *command(tool("k6"), "run", plan, folder),
        "--quiet",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 120)
    return Ran(process.returncode, out.decode(), json.loads(results.read_text())["metrics"])


@pytest.mark.parametrize(
    ("stages", "scenario"), [("steady", STEADY), ("spike", SPIKE), ("soak", SOAK)]
)
def test_the_load_is_a_hundred_users_with_stages_for_spike_and_soak(
    stages: str, scenario: dict[str, Any], tmp_path: Path
) -> None:
    told = _told(tmp_path, stages=stages)
    assert told["scenarios"].keys() == {stages}
    assert scenario.items() <= told["scenarios"][stages].items()
    assert told["thresholds"] == LIMITS


def test_a_short_edition_may_judge_errors_alone(tmp_path: Path) -> None:
    told = _told(tmp_path, seconds=30, errors_only=True)
    assert told["scenarios"]["steady"]["duration"] == "30s"
    assert told["thresholds"] == {name: LIMITS[name] for name in ("iterations", "errors")}


async def test_webhooks_are_signed_over_ten_hotels_and_three_of_ten_are_voice_notes(
    mesh: PlayedMesh, tmp_path: Path
) -> None:
    ran = await _run(mesh, tmp_path, errors_only=True)
    assert (ran.code, ran.missed, mesh.forged) == (0, set(), 0), ran.told
    assert len(set(mesh.numbers)) == COUNT
    assert len({one["id"] for one in mesh.messages}) == len(mesh.messages)
    voices = [
        (number, one["audio"])
        for number, one in zip(mesh.numbers, mesh.messages, strict=True)
        if one["type"] == "audio"
    ]
    # Exact for every ten messages; the second ends within a ten.
    assert len(voices) / len(mesh.messages) == pytest.approx(0.3, abs=0.05)
    assert all(audio == {"id": f"voice-{number}", "voice": True} for number, audio in voices)
    assert f"{len(mesh.messages)} webhooks to {COUNT} hotels; burst pause 0" in ran.told


@pytest.mark.parametrize("fault", ["refuses", "silent", "unreadable"])
async def test_what_is_refused_or_never_answered_is_an_error(
    fault: str, mesh: PlayedMesh, tmp_path: Path
) -> None:
    setattr(mesh, fault, lambda turn: turn % 25 == 0)
    ran = await _run(mesh, tmp_path, errors_only=True)
    assert ran.code != 0
    assert ran.missed == {"errors"}, ran.told


async def test_the_time_of_a_reply_is_read_from_the_record_of_the_fake_graph_api(
    mesh: PlayedMesh, tmp_path: Path
) -> None:
    mesh.seconds_to_reply = 60
    ran = await _run(mesh, tmp_path, errors_only=False)
    assert ran.code != 0
    assert ran.missed - {"webhooks"} == {"webhook_to_reply"}, ran.told
    assert ran.metrics["webhook_to_reply"]["values"]["min"] >= 60_000


async def test_speed_is_not_judged_where_errors_alone_are(mesh: PlayedMesh, tmp_path: Path) -> None:
    mesh.seconds_to_reply = 60
    ran = await _run(mesh, tmp_path, errors_only=True)
    assert (ran.code, ran.missed) == (0, set()), ran.told
    assert "MISSED, not judged" in ran.told


def test_without_k6_it_is_told_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(load, "find_tool", lambda _: None)
    assert load.main([]) == 1
    assert "scripts/tools.sh" in capsys.readouterr().err
