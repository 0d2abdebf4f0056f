"""A hotel's front desk in memory and a guest's phone, for conversations without a network."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from meshkit.money import Money
from services.messaging.conversation.commands import (
    AcquireLock,
    CancelReservation,
    Command,
    ConfirmReservation,
    ReleaseLock,
)
from services.messaging.conversation.decision import Decision
from services.messaging.conversation.events import (
    EffectAnswer,
    Event,
    GuestOther,
    GuestTap,
    GuestText,
)
from services.messaging.conversation.hotel import Hotel
from services.messaging.conversation.machine import advance
from services.messaging.conversation.outcomes import (
    Cancelled,
    CancelRefused,
    ConfirmRefused,
    LockGranted,
    LockRefused,
    Outcome,
    Released,
    ReleaseRefused,
    ReservationConfirmed,
)
from services.messaging.conversation.queries import (
    AlternativeStay,
    Answer,
    AskProfile,
    AskTerms,
    Availability,
    Failed,
    HouseTerms,
    Query,
    RoomOffer,
    SearchAvailability,
)
from services.messaging.conversation.state import Deposit, State, Tax
from services.messaging.conversation.state_json import from_json, to_json
from services.messaging.conversation.turn import Steps
from services.messaging.replies.model import Buttons, ListMenu, Reply
from tests.unit.replies.hotels import NOW, mirador
from tests.unit.replies.test_whatsapp_limits import check

LOCK_MINUTES = 20
HORIZON_DAYS = 540


@dataclass
class RoomType:
    """A room type of the desk; `sold` counts by night."""

    room_type_id: str
    names: dict[str, str]
    price: int
    guests: int
    rooms: int
    sold: dict[date, int] = field(default_factory=dict)

    def free(self, nights: list[date]) -> int:
        return min(self.rooms - self.sold.get(night, 0) for night in nights)

    def take(self, nights: list[date], count: int) -> None:
        for night in nights:
            self.sold[night] = self.sold.get(night, 0) + count


@dataclass
class HeldLock:
    """A lock of the desk."""

    room: RoomType
    nights: list[date]
    expire_time: datetime
    price: int
    state: str = "LIVE"
    reservation_id: str = ""


def demo_rooms() -> list[RoomType]:
    """The rooms of Hotel Mirador."""
    return [
        RoomType("rt-1", {"es": "Individual", "en": "Single"}, 80, 1, 3),
        RoomType("rt-2", {"es": "Habitación doble", "en": "Double room"}, 120, 2, 2),
        RoomType("rt-3", {"es": "Suite", "en": "Suite"}, 250, 4, 1),
    ]


def nights_of(check_in: date, check_out: date) -> list[date]:
    return [check_in + timedelta(days=n) for n in range((check_out - check_in).days)]


def euros(amount: int) -> Money:
    return Money(Decimal(amount), "EUR")


class FrontDesk:
    """Decides like the booking service: by night, with locks that lapse."""

    def __init__(self, rooms: list[RoomType] | None = None) -> None:
        self.rooms = {room.room_type_id: room for room in rooms or demo_rooms()}
        self.locks: dict[str, HeldLock] = {}
        self.reservations: dict[str, HeldLock] = {}
        self.now = NOW
        self.penalty = 0
        self.deposit = 0
        self.taxes: tuple[Tax, ...] = ()
        """Of every room, whatever the stay."""
        self.rules: dict[str, tuple[str, int]] = {}
        """Why the hotel does not sell a type, and what would do."""
        self.profile: Answer = Failed("UNAVAILABLE", "TENANT_AWAY")
        self.terms: Answer = HouseTerms(time(14), time(12))
        self.queries: list[SearchAvailability] = []
        self.commands: list[Command] = []

    @property
    def today(self) -> date:
        return self.now.date()

    def sweep(self) -> None:
        for lock in self.locks.values():
            if lock.state == "LIVE" and lock.expire_time <= self.now:
                lock.state = "EXPIRED"
                lock.room.take(lock.nights, -1)

    def search(self, query: Query) -> Answer:
        if isinstance(query, AskProfile):
            return self.profile
        if isinstance(query, AskTerms):
            return self.terms
        self.queries.append(query)
        self.sweep()
        refused = self._refused(query.check_in, query.check_out)
        if refused is not None:
            last = self.today + timedelta(days=HORIZON_DAYS)
            return Failed("INVALID_ARGUMENT", refused, last if "HORIZON" in refused else None)
        nights = nights_of(query.check_in, query.check_out)
        guests = query.adults + query.children
        offers = tuple(self._offer(room, nights, guests) for room in self.rooms.values())
        if any(not offer.reason for offer in offers):
            return Availability(offers)
        return Availability(offers, self._alternatives(query, guests))

    def _refused(self, check_in: date, check_out: date) -> str | None:
        if check_in < self.today:
            return "CHECK_IN_PAST"
        beyond = check_out > self.today + timedelta(days=HORIZON_DAYS)
        return "BEYOND_HORIZON" if beyond else None

    def _offer(self, room: RoomType, nights: list[date], guests: int) -> RoomOffer:
        free = max(room.free(nights), 0)
        reason = "" if free else "SOLD_OUT"
        if guests > room.guests:
            reason = "TOO_MANY_GUESTS"
        reason, detail = self.rules.get(room.room_type_id, (reason, 0))
        nightly = tuple(euros(room.price) for _ in nights)
        return RoomOffer(
            room_type_id=room.room_type_id,
            names=room.names,
            max_guests=room.guests,
            free_count=0 if reason else free,
            nightly=nightly,
            total=self.total(room, len(nights)),
            reason=reason,
            detail=detail,
            taxes=self.taxes,
        )

    def total(self, room: RoomType, nights: int) -> Money:
        """The nights, and what is added to them."""
        added = sum((tax.amount.amount for tax in self.taxes if not tax.included), Decimal())
        return Money(room.price * nights + added, "EUR")

    def _alternatives(self, query: SearchAvailability, guests: int) -> tuple[AlternativeStay, ...]:
        found = []
        for shift in (1, -1, 2, -2, 3, -3):
            days = (query.check_in + timedelta(shift), query.check_out + timedelta(shift))
            nights = nights_of(*days)
            for room in self.rooms.values():
                fits = guests <= room.guests and days[0] >= self.today
                fits = fits and room.room_type_id not in self.rules
                if fits and room.free(nights) > 0:
                    total = self.total(room, len(nights))
                    found.append(AlternativeStay(room.room_type_id, *days, total))
                    break
        return tuple(found[:3])

    def do(self, command: Command) -> Outcome:
        self.commands.append(command)
        self.sweep()
        match command:
            case AcquireLock():
                return self._acquire(command)
            case ReleaseLock():
                return self._release(command)
            case ConfirmReservation():
                return self._confirm(command)
            case CancelReservation():
                return self._cancel(command)

    def _acquire(self, wanted: AcquireLock) -> Outcome:
        refused = self._refused(wanted.check_in, wanted.check_out)
        if refused is not None:
            return LockRefused(refused, self.today + timedelta(days=HORIZON_DAYS))
        room = self.rooms.get(wanted.room_type_id)
        nights = nights_of(wanted.check_in, wanted.check_out)
        if room is None:
            return LockRefused("ROOM_TYPE_UNKNOWN")
        if wanted.adults + wanted.children > room.guests:
            return LockRefused("TOO_MANY_GUESTS")
        if wanted.room_type_id in self.rules:
            return LockRefused(self.rules[wanted.room_type_id][0])
        if room.free(nights) < 1:
            return LockRefused("SOLD_OUT")
        room.take(nights, 1)
        lock_id = f"lock-{len(self.locks) + 1}"
        expire_time = self.now + timedelta(minutes=LOCK_MINUTES)
        self.locks[lock_id] = HeldLock(room, nights, expire_time, room.price)
        nightly = tuple(euros(room.price) for _ in nights)
        return LockGranted(
            *(lock_id, f"token-{lock_id}", len(self.locks), room.room_type_id),
            *(wanted.check_in, wanted.check_out, nightly, self.total(room, len(nights))),
            expire_time,
            taxes=self.taxes,
        )

    def _release(self, command: ReleaseLock) -> Outcome:
        lock = self.locks.get(command.lock_id)
        if lock is None or command.owner_token != f"token-{command.lock_id}":
            return ReleaseRefused("LOCK_UNKNOWN" if lock is None else "NOT_LOCK_OWNER")
        if lock.state == "CONVERTED":
            return ReleaseRefused("LOCK_CONVERTED")
        if lock.state == "LIVE":
            lock.state = "RELEASED"
            lock.room.take(lock.nights, -1)
        return Released()

    def _confirm(self, command: ConfirmReservation) -> Outcome:
        lock = self.locks.get(command.lock_id)
        if lock is None:
            return ConfirmRefused("LOCK_UNKNOWN")
        if lock.state in ("RELEASED", "CONVERTED"):
            return ConfirmRefused(f"LOCK_{lock.state}")
        if lock.state == "EXPIRED":
            if lock.room.free(lock.nights) < 1:
                return ConfirmRefused("LOCK_EXPIRED")
            if lock.room.price != lock.price:
                return ConfirmRefused("PRICE_CHANGED")
            lock.room.take(lock.nights, 1)
        lock.state = "CONVERTED"
        lock.reservation_id = f"res-{len(self.reservations) + 1}"
        self.reservations[lock.reservation_id] = lock
        check_in, check_out = lock.nights[0], lock.nights[-1] + timedelta(days=1)
        total = euros(lock.price * len(lock.nights))
        code = f"KQXM{1000 + len(self.reservations)}"
        room = lock.room.room_type_id
        due = Deposit(euros(self.deposit), self.now + timedelta(days=1)) if self.deposit else None
        return ReservationConfirmed(
            lock.reservation_id, code, room, check_in, check_out, total, due
        )

    def _cancel(self, command: CancelReservation) -> Outcome:
        lock = self.reservations.get(command.reservation_id)
        if lock is None:
            return CancelRefused("RESERVATION_UNKNOWN")
        accepted = command.accepted_penalty or euros(0)
        if self.penalty > accepted.amount:
            return CancelRefused("PENALTY_CHANGED", euros(self.penalty))
        if lock.state == "CONVERTED":
            lock.state = "CANCELLED"
            lock.room.take(lock.nights, -1)
        return Cancelled(command.reservation_id)


def think(state: State, event: Event, hotel: Hotel, ask: Callable[..., Answer]) -> Decision:
    """Runs one step to its decision."""
    return _drive(advance(state, event, hotel), ask)


def _drive(step: Steps, ask: Callable[..., Answer]) -> Decision:
    try:
        query = next(step)
        while True:
            query = step.send(ask(query))
    except StopIteration as end:
        decision: Decision = end.value
        return decision


class Chat:
    """One guest's phone; every step is checked for what holds of all of them."""

    def __init__(self, desk: FrontDesk | None = None, hotel: Hotel | None = None) -> None:
        self.desk = desk or FrontDesk()
        self.hotel = hotel or mirador()
        self.state = State()
        self.ask: Callable[[Query], Answer] = self.desk.search
        self.do: Callable[[Command], Outcome] = self.desk.do
        self.replies: list[Reply] = []
        self.answers: list[Answer] = []

    def later(self, **span: int) -> None:
        """Time goes by."""
        self.desk.now += timedelta(**span)
        self.hotel = replace(self.hotel, now=self.desk.now)

    def writes(self, text: str) -> Reply:
        return self.happens(GuestText(text))

    def sends(self, kind: str) -> Reply:
        return self.happens(GuestOther(kind))

    def taps(self, title: str, of: Reply | None = None) -> Reply:
        """Taps what begins with the title, of the newest message or of an older one."""
        return self.happens(GuestTap(reply_id(of or self.replies[-1], title), title))

    def happens_by_row(self, of: Reply, index: int) -> Reply:
        """Taps a row by its place."""
        return self.happens(GuestTap(*choices(of)[index]))

    def happens(self, event: Event) -> Reply:
        """A message and all that follows from it: exactly one reply."""
        before = len(self.replies)
        decision = self.step(event)
        while decision.commands:
            (command,) = decision.commands
            decision = self.step(EffectAnswer(command.number, self.do(command)))
        assert len(self.replies) == before + 1
        return self.replies[-1]

    def step(self, event: Event) -> Decision:
        """One step, checked."""
        before, answers = self.state, []

        def ask(query: Query) -> Answer:
            answers.append(self.ask(query))
            return answers[-1]

        decision = think(before, event, self.hotel, ask)
        self.answers += answers
        replayed = iter(answers)
        assert think(before, event, self.hotel, lambda _: next(replayed)) == decision
        assert len(decision.replies) + len(decision.commands) == 1
        assert bool(decision.state.open) == bool(decision.commands)
        assert from_json(to_json(decision.state)) == decision.state
        for command in decision.commands:
            assert command.number == before.command_count + 1 == decision.state.command_count
        for reply in decision.replies:
            check(reply)
            self.replies.append(reply)
        self.state = decision.state
        return decision


def reply_id(reply: Reply, title: str) -> str:
    """The id behind a button or row."""
    items = choices(reply)
    return next(item_id for item_id, shown in items if shown.startswith(title))


def choices(reply: Reply) -> list[tuple[str, str]]:
    """Ids and titles of everything that can be tapped."""
    if isinstance(reply, Buttons):
        return [(button.id, button.title) for button in reply.buttons]
    if isinstance(reply, ListMenu):
        return [(row.id, row.title) for row in reply.rows]
    return []


def aware(day: date, hour: int) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
