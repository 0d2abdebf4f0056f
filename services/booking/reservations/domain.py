"""What one change makes of a reservation. Pure: everything known comes in, the change comes out.

Each function returns the reservation as it will be, under the action that the
table of transitions allows, or raises the refusal of the contract.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum
from uuid import UUID
from zoneinfo import ZoneInfo

from meshkit.money import Money
from services.booking.domain import (
    Deposit,
    LateCheckout,
    Reservation,
    ReservationState,
    Stay,
    refusal,
)
from services.booking.reservations.terms import Charge, Terms, local
from services.booking.reservations.transitions import Action, Origin, rule_for

ZERO = Decimal()
UNCERTAIN = frozenset({ReservationState.AWAITING_DEPOSIT, ReservationState.PENDING_PMS})


class ActorKind(Enum):
    """Who changes a reservation."""

    GUEST = "GUEST"
    STAFF = "STAFF"
    SYSTEM = "SYSTEM"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it: the kind, and an opaque id (never a phone number; empty when not told)."""

    kind: ActorKind = ActorKind.GUEST
    actor_id: str = ""


GUEST = Actor()
SYSTEM = Actor(ActorKind.SYSTEM)


@dataclass(frozen=True, slots=True)
class Order:
    """One request for a change: under which id, by whom, and why."""

    tenant_id: str
    request_id: UUID
    fingerprint: bytes
    actor: Actor = GUEST
    reason: str = ""


def by_staff(actor: Actor) -> Actor:
    """The actor, when it is a person of the hotel; PermissionDenied `STAFF_ONLY` otherwise."""
    if actor.kind is not ActorKind.STAFF:
        raise refusal("STAFF_ONLY")
    return actor


@dataclass(frozen=True, slots=True)
class Facts:
    """What is true when the change is decided, after everybody else's change."""

    now: dt.datetime
    """By the database's clock."""
    time_zone: str
    next_arrival: bool = False
    """Whether somebody arrives, on the day of departure, in a room of the reservation."""

    @property
    def today(self) -> dt.date:
        """The property's date."""
        return local_date(self.now, self.time_zone)


@dataclass(frozen=True, slots=True)
class Change:
    """A reservation as it will be, and what was done to it."""

    action: Action
    reservation: Reservation


@dataclass(frozen=True, slots=True)
class CancellationQuote:
    """What cancelling costs now, and until when (None: it will not cost more)."""

    penalty: Decimal
    valid_until: dt.datetime | None


Decide = Callable[[Reservation, Facts], Change]


def local_date(now: dt.datetime, time_zone: str) -> dt.date:
    """The date on the property's calendar."""
    return now.astimezone(ZoneInfo(time_zone)).date()


def opened(
    reservation: Reservation, origin: Origin | ReservationState, terms: Terms, facts: Facts
) -> Change:
    """A reservation that has just been booked: certain, or provisional until its deposit."""
    amount = _charge(terms.deposit, reservation)
    deposit = None
    if amount:
        arrival = _arrival(reservation, terms, facts)
        deposit = Deposit(amount, terms.deposit_due(arrival, facts.now))
    action = Action.AWAIT_DEPOSIT if deposit else Action.CONFIRM
    rule = rule_for(action, origin)
    booked = replace(reservation, state=rule.to_state, terms=terms, deposit=deposit)
    return Change(action, booked)


def modified(reservation: Reservation) -> Reservation:
    """A reservation with other dates, rooms or guests: what is still awaited is of what it costs.

    What was shown or found paid was paid as it was asked for, and stays.
    """
    if reservation.state is not ReservationState.AWAITING_DEPOSIT:
        return reservation
    return replace(reservation, deposit=_asked(reservation))


def requested(reservation: Reservation, origin: Origin, terms: Terms) -> Change:
    """A reservation that the hotel's own system has still to agree to."""
    rule = rule_for(Action.REQUEST, origin)
    return Change(Action.REQUEST, replace(reservation, state=rule.to_state, terms=terms))


def agreed(reservation: Reservation, facts: Facts) -> Change:
    """The hotel's own system has the booking: certain, or provisional until its deposit."""
    rule_for(Action.CONFIRM, reservation.state)
    return opened(reservation, reservation.state, reservation.terms, facts)


def refused(reservation: Reservation, _: Facts) -> Change:
    """The hotel's own system will not have it: the nights are free again."""
    rule = rule_for(Action.REFUSE, reservation.state)
    return Change(Action.REFUSE, replace(reservation, state=rule.to_state))


def cancellation_quote(reservation: Reservation, facts: Facts) -> CancellationQuote:
    """What cancelling costs now; `WRONG_STATE` when it cannot be cancelled any more.

    Nothing while the deposit or the hotel's own system is awaited: until then nothing is
    certain for either side.
    """
    rule_for(Action.CANCEL, reservation.state)
    if reservation.cancel_time is not None:
        return CancellationQuote(reservation.penalty or ZERO, None)
    if reservation.state in UNCERTAIN:
        return CancellationQuote(ZERO, None)
    terms = reservation.terms
    charge, until = terms.penalty_at(_arrival(reservation, terms, facts), facts.now)
    return CancellationQuote(_charge(charge, reservation), until)


def cancel(accepted: Money | None = None, *, waived: bool = False) -> Decide:
    """Cancel at no more than the accepted penalty, or at none when staff waive it."""

    def decide(reservation: Reservation, facts: Facts) -> Change:
        rule = rule_for(Action.CANCEL, reservation.state)
        if reservation.state is rule.to_state:
            return Change(Action.CANCEL, reservation)
        penalty = ZERO if waived else cancellation_quote(reservation, facts).penalty
        if penalty > _accepted(accepted, reservation):
            raise refusal(
                "PENALTY_CHANGED",
                {"penalty": penalty, "currency_code": reservation.currency_code},
            )
        cancelled = replace(
            reservation, state=rule.to_state, penalty=penalty, cancel_time=facts.now
        )
        return Change(Action.CANCEL, cancelled)

    return decide


def check_in(reservation: Reservation, facts: Facts) -> Change:
    """The guests are given their rooms, on any night of the stay."""
    rule = rule_for(Action.CHECK_IN, reservation.state)
    if facts.today < reservation.stay.check_in:
        raise refusal("TOO_EARLY", {"check_in_date": reservation.stay.check_in})
    if facts.today >= reservation.stay.check_out:
        raise refusal("TOO_LATE", {"check_out_date": reservation.stay.check_out})
    if not all(room.room_number for room in reservation.rooms):
        raise refusal("NO_ROOM_ASSIGNED")
    inside = replace(reservation, state=rule.to_state, check_in_time=facts.now)
    return Change(Action.CHECK_IN, inside)


def check_out(reservation: Reservation, facts: Facts) -> Change:
    """The guests leave; nights that they do not sleep are free again, the price stays agreed."""
    rule = rule_for(Action.CHECK_OUT, reservation.state)
    first_free = max(facts.today, reservation.stay.check_in + dt.timedelta(days=1))
    slept = Stay(reservation.stay.check_in, min(first_free, reservation.stay.check_out))
    gone = replace(reservation, state=rule.to_state, stay=slept, check_out_time=facts.now)
    return Change(Action.CHECK_OUT, gone)


def record_no_show(reservation: Reservation, facts: Facts) -> Change:
    """Nobody came: the nights are free, and the no-show penalty is owed."""
    rule = rule_for(Action.RECORD_NO_SHOW, reservation.state)
    arrival = _arrival(reservation, reservation.terms, facts)
    if facts.now < arrival:
        raise refusal("TOO_EARLY", {"arrival_time": arrival.isoformat()})
    penalty = _charge(reservation.terms.no_show, reservation)
    return Change(Action.RECORD_NO_SHOW, replace(reservation, state=rule.to_state, penalty=penalty))


def late_checkout_quote(reservation: Reservation, facts: Facts, until: dt.time) -> LateCheckout:
    """What leaving by `until` costs, unless the hotel or the next guest forbids it."""
    rule_for(Action.ACCEPT_LATE_CHECKOUT, reservation.state)
    terms = reservation.terms
    charge = terms.late_fee(until)
    if until <= terms.check_out or charge is None:
        latest = max((step.until for step in terms.late_checkout), default=terms.check_out)
        hours = {"check_out": f"{terms.check_out:%H:%M}", "latest": f"{latest:%H:%M}"}
        raise refusal("LATE_CHECKOUT_NOT_OFFERED", hours)
    departure = reservation.stay.check_out
    empty = local(departure, until, facts.time_zone)
    if facts.next_arrival:
        ready = local(departure, terms.check_in, facts.time_zone) - terms.room_ready
        if empty > ready:
            raise refusal("NEXT_ARRIVAL", {"empty_by": ready.isoformat()})
    return LateCheckout(empty, _charge(charge, reservation, last_first=True))


def accept_late_checkout(until: dt.time, accepted: Money | None = None) -> Decide:
    """The guest takes the offer, at no more than the accepted fee."""

    def decide(reservation: Reservation, facts: Facts) -> Change:
        quote = late_checkout_quote(reservation, facts, until)
        rule = rule_for(Action.ACCEPT_LATE_CHECKOUT, reservation.state)
        if quote.fee > _accepted(accepted, reservation):
            raise refusal(
                "FEE_CHANGED", {"fee": quote.fee, "currency_code": reservation.currency_code}
            )
        kept = replace(reservation, state=rule.to_state, late_checkout=quote)
        return Change(Action.ACCEPT_LATE_CHECKOUT, kept)

    return decide


def submit_receipt(reference: str) -> Decide:
    """The guest shows that the deposit was paid; from now on it does not lapse."""

    def decide(reservation: Reservation, facts: Facts) -> Change:
        rule = rule_for(Action.SUBMIT_RECEIPT, reservation.state)
        deposit = _deposit(reservation)
        if facts.now >= deposit.due_time:
            raise refusal("TOO_LATE", {"due_time": deposit.due_time.isoformat()})
        shown = replace(deposit, receipt_reference=reference, receipt_time=facts.now)
        changed = replace(reservation, state=rule.to_state, deposit=shown)
        return Change(Action.SUBMIT_RECEIPT, changed)

    return decide


def approve_deposit(reservation: Reservation, _: Facts) -> Change:
    """A person has seen the money."""
    rule = rule_for(Action.APPROVE_DEPOSIT, reservation.state)
    return Change(Action.APPROVE_DEPOSIT, replace(reservation, state=rule.to_state))


def reject_deposit(reservation: Reservation, facts: Facts) -> Change:
    """The receipt proves nothing: the guest has as long as who books now, or as before."""
    rule = rule_for(Action.REJECT_DEPOSIT, reservation.state)
    deposit = _asked(reservation)
    arrival = _arrival(reservation, reservation.terms, facts)
    due = max(deposit.due_time, reservation.terms.deposit_due(arrival, facts.now))
    changed = replace(reservation, state=rule.to_state, deposit=replace(deposit, due_time=due))
    return Change(Action.REJECT_DEPOSIT, changed)


def lapse(reservation: Reservation, facts: Facts) -> Change:
    """The deposit did not come in time: the nights are free again."""
    rule = rule_for(Action.LAPSE, reservation.state)
    if facts.now < _deposit(reservation).due_time:
        raise refusal("TOO_EARLY", {"due_time": _deposit(reservation).due_time.isoformat()})
    return Change(Action.LAPSE, replace(reservation, state=rule.to_state))


def _accepted(accepted: Money | None, reservation: Reservation) -> Decimal:
    """What was agreed to; an amount of another currency is worth nothing here."""
    if accepted is None or accepted.currency != reservation.currency_code:
        return ZERO
    return accepted.amount


def _deposit(reservation: Reservation) -> Deposit:
    assert reservation.deposit is not None, "states about a deposit have one"
    return reservation.deposit


def _asked(reservation: Reservation) -> Deposit:
    """The deposit that the terms ask for, by what the reservation costs now.

    Where that is nothing it stays as it was asked for: it is awaited, so there is one, and a
    person may approve it without a receipt.
    """
    asked = _deposit(reservation)
    amount = _charge(reservation.terms.deposit, reservation)
    return replace(asked, amount=amount or asked.amount)


def _arrival(reservation: Reservation, terms: Terms, facts: Facts) -> dt.datetime:
    return local(reservation.stay.check_in, terms.check_in, facts.time_zone)


def _charge(charge: Charge, reservation: Reservation, *, last_first: bool = False) -> Decimal:
    """What a charge comes to for all rooms; nights are counted from the arrival, or backwards."""
    rooms = [room.quote.nightly_prices for room in reservation.rooms]
    nightly = [sum(prices, Decimal()) for prices in zip(*rooms, strict=True)]
    if last_first:
        nightly.reverse()
    return charge.of(nightly, reservation.total_price, reservation.currency_code)
