"""One step of a conversation, from the event to all that is to be committed.

Nothing is written here: the generator of `conversation.machine` is driven, its
queries are answered by the services that know, and its decision becomes rows.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from uuid import UUID, uuid5

from google.rpc.status_pb2 import Status

from meshkit.errors import MeshError
from meshkit.status import from_status
from services.messaging import burst, clients
from services.messaging.archive import hotel_json
from services.messaging.clients import Booking
from services.messaging.conversation.decision import Decision
from services.messaging.conversation.events import EffectAnswer, Event
from services.messaging.conversation.hotel import Hotel
from services.messaging.conversation.merging import merged
from services.messaging.conversation.queries import (
    Answer,
    AskProfile,
    AskTerms,
    Query,
    SearchAvailability,
)
from services.messaging.conversation.state import State
from services.messaging.conversation.state_json import from_json, to_json
from services.messaging.opaque import make_opaque
from services.messaging.profiles import Profiles, profile_of
from services.messaging.store.inbox import Lease, PendingItem
from services.messaging.store.steps import (
    EffectDraft,
    EffectRow,
    OutboxDraft,
    Read,
    Standing,
    Step,
)
from services.messaging.whatsapp.build import parts
from services.messaging.whatsapp.replies import send_of

# What our request ids are derived under; changing it would repeat commands.
NAMESPACE = UUID("6f1c2a54-5a0e-4f4b-9a0c-3d9b7a1e8c11")

Advance = Callable[[State, Event, Hotel], Generator[Query, Answer, Decision]]


@dataclass(frozen=True, slots=True)
class Cause:
    """What a step is about: messages of the guest, or the answer of a command.

    Several messages are a burst of texts, which is read and answered as one.
    """

    items: tuple[PendingItem, ...] = ()
    effect: EffectRow | None = None

    @property
    def name(self) -> str:
        """Its name among all causes of a conversation; request ids are derived from it."""
        if self.items:
            return f"item/{self.items[0].inbox_id}"
        assert self.effect is not None
        return f"effect/{self.effect.request_id}"

    @property
    def traceparent(self) -> str:
        """The trace it belongs to."""
        if self.items:
            return self.items[0].traceparent
        return self.effect.traceparent if self.effect is not None else ""

    def event(self) -> Event:
        """It, as conversations know it."""
        if self.items:
            return burst.as_one([item.event for item in self.items])
        assert self.effect is not None
        return heard(self.effect)


class Talk:
    """Decides steps; knows the machine and whom to ask, and no database."""

    def __init__(self, advance: Advance, booking: Booking, profiles: Profiles) -> None:
        self._advance = advance
        self._booking = booking
        self._profiles = profiles

    async def answers_while_suspended(self, hotel: Hotel) -> bool:
        """Whether the hotel has left words for its guests; no, while that cannot be asked."""
        try:
            response = await self._profiles.get(hotel, hotel.default_language)
        except MeshError:
            return False
        return bool(profile_of(response, hotel).suspension_answer)

    async def step(
        self, lease: Lease, standing: Standing, cause: Cause, hotel: Hotel, traceparent: str
    ) -> Step:
        """All that is to be committed for `cause`."""
        state = from_json(standing.state.decode()) if standing.state else State()
        decision, reads = await self._decide(state, cause.event(), hotel)
        waiting = (*standing.unanswered, *(item.inbox_id for item in cause.items))
        answered = bool(decision.replies)
        return Step(
            tenant_id=hotel.tenant_id,
            items=cause.items,
            effect=cause.effect,
            before=standing.state,
            state=to_json(decision.state).encode(),
            unanswered=() if answered else waiting,
            answers=waiting if answered else (),
            sources=waiting,
            messages=_messages(hotel.tenant_id, lease, cause, decision),
            commands=_commands(hotel.tenant_id, lease, cause, decision),
            hotel=hotel_json.to_bytes(hotel),
            reads=reads,
            traceparent=traceparent,
            start_time=hotel.now,
            late=sum(item.order_time < lease.last_order_time for item in cause.items),
            # With a command under way the rest waits for its answer.
            lets_go=bool(decision.commands) or len(lease.items) <= len(cause.items),
            more=lease.more and not decision.commands,
        )

    async def _decide(
        self, state: State, event: Event, hotel: Hotel
    ) -> tuple[Decision, list[Read]]:
        """Drive the machine; also what it read, as it came."""
        reads: list[Read] = []
        steps = self._advance(going_on(state, event), event, hotel)
        try:
            query = next(steps)
            while True:
                answer, read = await self._ask(query, hotel)
                reads.append(read)
                query = steps.send(answer)
        except StopIteration as end:
            decision: Decision = end.value
            return decision, reads

    async def _ask(self, query: Query, hotel: Hotel) -> tuple[Answer, Read]:
        """The answer, and as it came."""
        if isinstance(query, SearchAvailability):
            return await self._booking.search(hotel.tenant_id, query)
        if isinstance(query, AskTerms):
            return await self._booking.terms(hotel.tenant_id)
        try:
            response = await self._profiles.get(hotel, query.language)
        except MeshError as error:
            return clients.failed(error)
        return profile_of(response, hotel), Read(True, response)


def going_on(state: State, event: Event) -> State:
    """The state that an event finds.

    No message comes while an answer is awaited: when one does, that answer was given up, and
    nobody waits for it any more.
    """
    return state if isinstance(event, EffectAnswer) else replace(state, open=None)


def heard(effect: EffectRow) -> EffectAnswer:
    """The answer of a command, as conversations know it."""
    outcome = clients.outcome_of(effect.method, ok=effect.answer_ok, answer=effect.answer)
    return EffectAnswer(effect.command_number, outcome)


def answer_of(query: Query, read: Read, hotel: Hotel) -> Answer:
    """What a step was told that has asked this, from the answer as it came."""
    if not read.ok:
        return clients.failed(from_status(Status.FromString(read.answer)))[0]
    if isinstance(query, AskProfile):
        return profile_of(read.answer, hotel)
    return clients.answer_of(query, read.answer)


def as_one(older: bytes, newer: bytes) -> bytes:
    """Two stored states of one guest as one; an empty one is that of a guest who never wrote."""
    one, other = (from_json(state.decode()) if state else State() for state in (older, newer))
    return to_json(merged(one, other)).encode()


def derived_id(tenant_id: str, mailbox_id: int, cause: Cause, what: str) -> UUID:
    """The same id whenever the same step is taken: a repeated step repeats nothing."""
    return uuid5(NAMESPACE, f"{tenant_id}/{mailbox_id}/{cause.name}/{what}")


def _messages(tenant_id: str, lease: Lease, cause: Cause, decision: Decision) -> list[OutboxDraft]:
    drafts = []
    said = [(reply, part) for reply in decision.replies for part in parts(send_of(reply))]
    for number, (reply, part) in enumerate(said, start=1):
        outbox_id = derived_id(tenant_id, lease.mailbox_id, cause, f"message/{number}")
        body = part.body(make_opaque(tenant_id, outbox_id))
        drafts.append(OutboxDraft(outbox_id, part.kind, body, reply.holds_code))
    return drafts


def _commands(tenant_id: str, lease: Lease, cause: Cause, decision: Decision) -> list[EffectDraft]:
    drafts = []
    for command in decision.commands:
        request_id = derived_id(tenant_id, lease.mailbox_id, cause, f"command/{command.number}")
        method, request = clients.request_of(
            command, tenant_id=tenant_id, mailbox_id=lease.mailbox_id, request_id=request_id
        )
        drafts.append(EffectDraft(request_id, command.number, method, request))
    return drafts
