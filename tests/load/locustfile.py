"""Guests who write to ten hotels at once, for Locust.

Each user posts signed webhooks as Meta does and looks at the guest's phone, which is the fake
Graph API, for the reply. `python -m tests.load` starts a mesh and runs this; the environment
tells where the mesh is.
"""

from __future__ import annotations

import hmac
import itertools
import json
import os
import random
import secrets
import time
from typing import Any

from locust import FastHttpUser, LoadTestShape, constant_throughput, task

PLAN: dict[str, Any] = json.loads(os.environ["CONSERJE_LOAD_PLAN"])
"""webhook, graph, app_secret, numbers (phone_number_id, account, voice), stages, patience."""

POSTS_PER_USER = 1.8
"""A second, while replies come in time: 100 users make 180 webhooks a second."""
PHONES_PER_USER = 30
"""Meta takes one message in six seconds to a guest, for long; so many guests take turns."""
VOICE_SHARE = 0.3
TEXTS = (
    "hola",
    "¿qué precio tiene una habitación doble?",
    "quiero una habitación doble del 10 al 12 de diciembre para 2",
    "hello, do you have a room for this weekend?",
)


class Guests(FastHttpUser):
    """A user is thirty guests, one after another, each writing to one of the hotels."""

    host = PLAN["webhook"]
    wait_time = constant_throughput(POSTS_PER_USER)
    connection_timeout = network_timeout = PLAN["patience_seconds"] + 5
    _users = itertools.count()

    def on_start(self) -> None:
        """Take phones that no other user has."""
        user = next(self._users)
        self._phones = itertools.cycle(f"346{user:04}{n:04}" for n in range(PHONES_PER_USER))
        self._seen = 0
        self._run = secrets.token_hex(12)

    @task
    def write(self) -> None:
        """Post a message and wait for what the phone shows."""
        phone, number = next(self._phones), random.choice(PLAN["numbers"])
        body = json.dumps(_webhook(number, phone, self._run))
        signature = hmac.digest(PLAN["app_secret"].encode(), body.encode(), "sha256").hex()
        headers = {
            "X-Hub-Signature-256": f"sha256={signature}",
            "Content-Type": "application/json",
        }
        posted = time.time()
        answer = self.client.post("", data=body, headers=headers, name="webhook")
        if answer.status_code == 200:
            self._await_reply(phone, posted)

    def _await_reply(self, phone: str, posted: float) -> None:
        wait = PLAN["patience_seconds"]
        query = f"{PLAN['graph']}/control/messages?after={self._seen}&to={phone}&wait={wait}"
        shown = self.client.get(query, name="look at the phone").json()
        self._seen = shown["next"]
        replies = [one["time"] for one in shown["messages"] if one["time"] >= posted]
        self.environment.events.request.fire(
            request_type="WhatsApp",
            name="webhook to reply",
            response_time=1e3 * ((replies or [time.time()])[0] - posted),
            response_length=0,
            exception=None if replies else TimeoutError(f"no reply in {wait} s"),
        )


class Stages(LoadTestShape):
    """So many users until so many seconds have passed, one stage after another."""

    def tick(self) -> tuple[int, float] | None:
        """Users and how many more a second; None at the end."""
        for until, users in PLAN["stages"]:
            if self.get_run_time() < until:  # type: ignore[no-untyped-call]
                return users, users
        return None


def _webhook(number: dict[str, Any], phone: str, run: str) -> dict[str, Any]:
    message = {
        "from": phone,
        "id": f"wamid.HBgL{run}{secrets.token_hex(8)}",
        "timestamp": str(int(time.time())),
        **_content(number),
    }
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"phone_number_id": number["phone_number_id"]},
        "contacts": [{"profile": {"name": "Guest"}, "wa_id": phone}],
        "messages": [message],
    }
    entry = {"id": number["account"], "changes": [{"field": "messages", "value": value}]}
    return {"object": "whatsapp_business_account", "entry": [entry]}


def _content(number: dict[str, Any]) -> dict[str, Any]:
    if random.random() < VOICE_SHARE:
        return {"type": "audio", "audio": {**number["voice"], "voice": True}}
    return {"type": "text", "text": {"body": random.choice(TEXTS)}}
