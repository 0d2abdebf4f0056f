"""The checks of a number, one after the other, in the order in which it is set up.

Source: "Manage webhooks", "Manage accounts" and "Phone numbers" of the WhatsApp
Business Platform. Nothing is changed at Meta.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from copies.directory import Record
from meshkit.clock import Clock
from meshkit.errors import FailedPrecondition, Unavailable
from services.messaging.store.numbers import NumberStore
from services.messaging.templates.model import APPROVED
from services.messaging.tokens import Tokens
from services.messaging.whatsapp.reader import GraphReader

SCOPES = ("whatsapp_business_management", "whatsapp_business_messaging")
NUMBER_FIELDS = ",".join(
    (
        *("display_phone_number", "verified_name", "quality_rating"),
        *("code_verification_status", "webhook_configuration"),
    )
)
SOON_SECONDS = 7 * 86_400


class State(Enum):
    """What came of a check."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that has to be right."""

    name: str
    state: State
    detail: str


Look = Callable[[Record, str], Awaitable[tuple[State, str]]]
"""At a number, with its token."""


class Verifier:
    """Asks Meta, and compares with what is known here."""

    def __init__(
        self, reader: GraphReader, tokens: Tokens, store: NumberStore, clock: Clock
    ) -> None:
        self._reader = reader
        self._tokens = tokens
        self._store = store
        self._clock = clock

    async def verify(self, record: Record) -> list[Check]:
        """All checks of a number; Meta's refusals are among them."""
        checks: dict[str, Look] = {
            "token": self._token,
            "number": self._number,
            "account": self._account,
            "subscription": self._subscription,
            "webhook": self._webhook,
            "templates": self._templates,
        }
        try:
            token = await self._tokens.of(record.tenant_id, record.phone_number_id)
        except FailedPrecondition as error:
            return [Check("token", State.FAILED, error.message)]
        return [await _checked(name, check, record, token) for name, check in checks.items()]

    async def _token(self, _record: Record, token: str) -> tuple[State, str]:
        facts = _object(await self._reader.token_facts(token), "data")
        if facts.get("is_valid") is not True:
            return State.FAILED, "Meta says that the token is not valid: make a new one."
        scopes = facts.get("scopes")
        known = scopes if isinstance(scopes, list) else []
        missing = [scope for scope in SCOPES if scope not in known]
        if missing:
            return State.FAILED, f"The token lacks {', '.join(missing)}."
        ends = facts.get("expires_at")
        if isinstance(ends, int) and ends:
            left = ends - self._clock.now().timestamp()
            day = datetime.fromtimestamp(ends, UTC).date()
            state = State.WARNING if left < SOON_SECONDS else State.OK
            return state, f"The token ends on {day}; one of a system user never does."
        return State.OK, "The token is valid and does not end."

    async def _number(self, record: Record, token: str) -> tuple[State, str]:
        facts = await self._reader.get(record.phone_number_id, {"fields": NUMBER_FIELDS}, token)
        shown = f"{facts.get('display_phone_number', '')} {facts.get('verified_name', '')}".strip()
        if facts.get("code_verification_status") == "EXPIRED":
            return State.WARNING, f"{shown}: its verification has expired; verify it again."
        if facts.get("quality_rating") == "RED":
            return State.WARNING, f"{shown}: its quality is low; Meta may lower its limits."
        return State.OK, shown

    async def _account(self, record: Record, token: str) -> tuple[State, str]:
        account = record.whatsapp_business_account_id
        async for page in self._reader.pages(f"{account}/phone_numbers", {"fields": "id"}, token):
            if any(str(one.get("id")) == record.phone_number_id for one in page):
                return State.OK, f"The number is under the account {account}."
        return (
            State.FAILED,
            f"Meta has the number under another account than {account}: messages to it are"
            " quarantined.",
        )

    async def _subscription(self, record: Record, token: str) -> tuple[State, str]:
        account = record.whatsapp_business_account_id
        mine = str(_object(await self._reader.token_facts(token), "data").get("app_id", ""))
        apps = [
            str(_object(one, "whatsapp_business_api_data").get("id", ""))
            async for page in self._reader.pages(f"{account}/subscribed_apps", {}, token)
            for one in page
        ]
        if mine in apps:
            return State.OK, "The app of the token is subscribed to the account."
        return (
            State.FAILED,
            "The app of the token is not subscribed to the account, so no message comes: "
            f"POST /{account}/subscribed_apps.",
        )

    async def _webhook(self, record: Record, token: str) -> tuple[State, str]:
        facts = await self._reader.get(record.phone_number_id, {"fields": NUMBER_FIELDS}, token)
        known = _object(facts, "webhook_configuration")
        urls = [
            known.get(at) for at in ("phone_number", "whatsapp_business_account", "application")
        ]
        url = next((one for one in urls if isinstance(one, str) and one), "")
        if not url:
            return State.FAILED, "No webhook is set in the Meta app."
        status = await self._reader.probe(url)
        if status != 403:
            answer = f"HTTP {status}" if status else "no answer"
            return (
                State.FAILED,
                f"{url} is not a gateway of ours: {answer} to a wrong verify token.",
            )
        heard = await self._store.last_heard(record.tenant_id, record.phone_number_id)
        if heard is None:
            return State.WARNING, f"{url} answers; nothing has come from Meta yet."
        return State.OK, f"{url} answers; Meta last called {heard:%Y-%m-%d %H:%M:%S} UTC."

    async def _templates(self, record: Record, token: str) -> tuple[State, str]:
        found: dict[tuple[str, str], str] = {}
        async for page in self._reader.templates(record.whatsapp_business_account_id, token):
            for one in page:
                found[(str(one.get("name")), str(one.get("language")))] = str(one.get("status"))
        known = await self._store.templates(record.tenant_id, record.whatsapp_business_account_id)
        told = ", ".join(_counts(found)) or "none"
        if chosen := await self._store.window_template(record.tenant_id):
            standing = found.get(chosen, "not there")
            if standing != APPROVED:
                name, language = chosen
                return (
                    State.WARNING,
                    f"{told}; that of shut windows, {name} {language}: {standing}.",
                )
        if found != known:
            changed = sum(1 for key in found.keys() | known if found.get(key) != known.get(key))
            return State.WARNING, f"{told}; {changed} differ here: `conserje template sync`."
        return State.OK, f"{told}; the catalogue is the same."


async def _checked(name: str, look: Look, record: Record, token: str) -> Check:
    try:
        state, detail = await look(record, token)
    except (FailedPrecondition, Unavailable) as error:
        if not error.reason.startswith("GRAPH_"):
            raise
        return Check(name, State.FAILED, error.message)
    return Check(name, state, detail)


def _counts(found: Mapping[tuple[str, str], str]) -> Iterator[str]:
    for status, count in sorted(Counter(found.values()).items()):
        yield f"{count} {status.lower()}"


def _object(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    inner = value.get(key)
    return inner if isinstance(inner, dict) else {}
