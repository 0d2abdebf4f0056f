"""What one change makes of a reservation, and what the terms make it cost."""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.errors import FailedPrecondition, PermissionDenied
from meshkit.money import Money
from services.booking.domain import ReservationState
from services.booking.reservations import domain
from services.booking.reservations.domain import Actor, ActorKind, Decide
from services.booking.reservations.snapshot import (
    reservation_from_json,
    reservation_to_json,
    terms_from_json,
    terms_to_json,
)
from services.booking.reservations.terms import (
    NO_TERMS,
    CancellationStep,
    Charge,
    ChargeKind,
    Terms,
    rounded,
)
from services.booking.reservations.transitions import TRANSITIONS, Action, Origin
from tests.unit.booking.reserved import STRICT, at, reservation, room

ANY_PRICE = Money(Decimal(10_000), "EUR")
# Each with a moment at which nothing but the state is in its way.
DECISIONS: dict[Action, tuple[Decide, str]] = {
    Action.CANCEL: (domain.cancel(ANY_PRICE), "2027-03-27T00:00"),
    Action.CHECK_IN: (domain.check_in, "2027-03-27T15:00"),
    Action.CHECK_OUT: (domain.check_out, "2027-03-29T09:00"),
    Action.RECORD_NO_SHOW: (domain.record_no_show, "2027-03-28T00:00"),
    Action.ACCEPT_LATE_CHECKOUT: (
        domain.accept_late_checkout(dt.time(13), ANY_PRICE),
        "2027-03-28T09:00",
    ),
    Action.SUBMIT_RECEIPT: (domain.submit_receipt("receipt"), "2027-01-01T12:00"),
    Action.APPROVE_DEPOSIT: (domain.approve_deposit, "2027-01-01T12:00"),
    Action.REJECT_DEPOSIT: (domain.reject_deposit, "2027-01-01T12:00"),
    Action.LAPSE: (domain.lapse, "2027-01-02T00:00"),
    Action.REFUSE: (domain.refused, "2027-01-01T12:00"),
}


@pytest.mark.parametrize(
    ("action", "state"), list(itertools.product(DECISIONS, ReservationState)), ids=str
)
def test_the_table_alone_says_what_may_follow(action: Action, state: ReservationState) -> None:
    decide, moment = DECISIONS[action]
    rule = TRANSITIONS.get((action, state))
    before = reservation(state)
    if rule is None:
        with pytest.raises(FailedPrecondition, match="WRONG_STATE") as caught:
            decide(before, at(moment))
        assert caught.value.metadata == {"state": state.value}
    else:
        change = decide(before, at(moment))
        assert (change.action, change.reservation.state) == (action, rule.to_state)


def test_nothing_leads_out_of_an_end() -> None:
    ends = {"CHECKED_OUT", "CANCELLED", "NO_SHOW", "LAPSED", "REFUSED"}
    leaving = {
        state.value for (_, state), rule in TRANSITIONS.items() if rule.to_state is not state
    }
    assert leaving == {one.value for one in (*Origin, *ReservationState)} - ends


def test_every_state_can_be_reached() -> None:
    assert {rule.to_state for rule in TRANSITIONS.values()} == set(ReservationState)


@pytest.mark.parametrize(
    ("moment", "penalty", "until"),
    [
        # Arrival is at 15:00 in Madrid, 14:00 UTC; a week before is 20 March.
        ("2027-03-20T13:59:59", "0.00", "2027-03-20T14:00+00:00"),
        ("2027-03-20T14:00:00", "190.00", "2027-03-26T14:00+00:00"),
        ("2027-03-26T13:59:59", "190.00", "2027-03-26T14:00+00:00"),
        ("2027-03-26T14:00:00", "400.55", None),
        ("2027-03-28T14:00:00", "400.55", None),
    ],
)
def test_the_penalty_of_each_moment(moment: str, penalty: str, until: str | None) -> None:
    quote = domain.cancellation_quote(reservation(), at(moment))
    assert quote.penalty == Decimal(penalty)
    assert quote.valid_until == (dt.datetime.fromisoformat(until) if until else None)


def test_the_terms_are_those_of_the_booking() -> None:
    assert domain.cancellation_quote(
        reservation(terms=NO_TERMS), at("2027-03-26T14:00")
    ).penalty == Decimal(0)


@pytest.mark.parametrize("state", ["AWAITING_DEPOSIT", "PENDING_PMS"])
def test_nothing_is_owed_while_the_deposit_is_awaited(state: str) -> None:
    tentative = reservation(ReservationState(state))
    assert domain.cancellation_quote(tentative, at("2027-03-26T14:00")).penalty == 0


@pytest.mark.parametrize(
    ("accepted", "waived", "owed"),
    [
        (Money(Decimal("190.00"), "EUR"), False, "190.00"),
        (Money(Decimal("500"), "EUR"), False, "190.00"),
        (None, True, "0"),
        (Money(Decimal("189.99"), "EUR"), False, None),
        (Money(Decimal("190.00"), "USD"), False, None),
        (None, False, None),
    ],
)
def test_nobody_owes_more_than_was_agreed_to(
    accepted: Money | None, waived: bool, owed: str | None
) -> None:
    decide, moment = domain.cancel(accepted, waived=waived), at("2027-03-21T00:00")
    if owed is None:
        with pytest.raises(FailedPrecondition, match="PENALTY_CHANGED") as caught:
            decide(reservation(), moment)
        assert caught.value.metadata == {"penalty": "190.00", "currency_code": "EUR"}
    else:
        cancelled = decide(reservation(), moment).reservation
        assert cancelled.penalty == Decimal(owed)
        assert cancelled.cancel_time == moment.now


def test_cancelling_again_changes_nothing() -> None:
    once = domain.cancel(ANY_PRICE)(reservation(), at("2027-03-21T00:00")).reservation
    assert domain.cancel()(once, at("2027-03-27T00:00")).reservation is once
    assert domain.cancellation_quote(once, at("2027-03-27T00:00")).penalty == Decimal("190.00")


@pytest.mark.parametrize(
    ("moment", "reason"),
    [
        ("2027-03-26T22:59", "TOO_EARLY"),  # 23:59 in Madrid
        ("2027-03-26T23:00", None),
        ("2027-03-28T21:59", None),  # Summer time has begun: 23:59 of the last night
        ("2027-03-28T22:00", "TOO_LATE"),
    ],
)
def test_check_in_is_for_the_days_of_the_stay(moment: str, reason: str | None) -> None:
    if reason:
        with pytest.raises(FailedPrecondition, match=reason):
            domain.check_in(reservation(), at(moment))
    else:
        assert domain.check_in(reservation(), at(moment)).reservation.check_in_time


def test_nobody_is_let_in_without_a_room() -> None:
    homeless = reservation(rooms=(replace(room(1, "1", "1"), room_number=""),))
    with pytest.raises(FailedPrecondition, match="NO_ROOM_ASSIGNED"):
        domain.check_in(homeless, at("2027-03-27T15:00"))


@pytest.mark.parametrize(
    ("moment", "nights"),
    [
        ("2027-03-27T20:00", 1),  # Left on the day of arrival: that night is slept.
        ("2027-03-28T09:00", 1),
        ("2027-03-29T09:00", 2),
        ("2027-03-30T09:00", 2),
    ],
)
def test_nights_that_are_not_slept_are_given_back(moment: str, nights: int) -> None:
    inside = reservation(ReservationState.CHECKED_IN)
    gone = domain.check_out(inside, at(moment)).reservation
    assert gone.stay.night_count == nights
    assert gone.total_price == inside.total_price


def test_a_no_show_is_one_after_the_hour_of_arrival() -> None:
    with pytest.raises(FailedPrecondition, match="TOO_EARLY"):
        domain.record_no_show(reservation(), at("2027-03-27T13:59"))
    missed = domain.record_no_show(reservation(), at("2027-03-27T14:00")).reservation
    assert missed.penalty == Decimal("200.28")  # 200.275, half up


@pytest.mark.parametrize(
    ("until", "next_arrival", "said"),
    [
        ("11:00", False, "LATE_CHECKOUT_NOT_OFFERED"),
        ("11:01", False, "20.00"),
        ("13:00", True, "20.00"),
        ("13:01", True, "NEXT_ARRIVAL"),
        ("13:01", False, "210.55"),
        ("18:00", False, "210.55"),
        ("18:01", False, "LATE_CHECKOUT_NOT_OFFERED"),
    ],
)
def test_leaving_late(until: str, next_arrival: bool, said: str) -> None:
    facts = at("2027-03-28T10:00", next_arrival=next_arrival)
    time = dt.time.fromisoformat(until)
    if said[0].isdigit():
        quote = domain.late_checkout_quote(reservation(), facts, time)
        assert quote.fee == Decimal(said)
        # The clocks have gone forward in between.
        assert quote.until.isoformat() == f"2027-03-29T{time.hour - 2:02}:{time.minute:02}:00+00:00"
    else:
        with pytest.raises(FailedPrecondition, match=said):
            domain.late_checkout_quote(reservation(), facts, time)


def test_a_fee_is_agreed_to() -> None:
    facts = at("2027-03-28T10:00")
    with pytest.raises(FailedPrecondition, match="FEE_CHANGED") as caught:
        domain.accept_late_checkout(dt.time(12))(reservation(), facts)
    assert caught.value.metadata == {"fee": "20.00", "currency_code": "EUR"}
    decide = domain.accept_late_checkout(dt.time(12), Money(Decimal(20), "EUR"))
    late = decide(reservation(), facts).reservation.late_checkout
    assert late is not None
    assert late.fee == Decimal("20.00")


@pytest.mark.parametrize(
    ("moment", "due"),
    [
        ("2027-03-01T09:00", "2027-03-02T09:00+00:00"),
        ("2027-03-27T09:00", "2027-03-27T14:00+00:00"),  # Not beyond the arrival,
        ("2027-03-27T13:30", "2027-03-27T14:30+00:00"),  # but for an hour at least:
        ("2027-03-27T20:00", "2027-03-27T21:00+00:00"),  # who books then lapses not at once.
    ],
)
def test_a_deposit_is_waited_for(moment: str, due: str) -> None:
    booked = domain.opened(reservation(), Origin.LOCKED, STRICT, at(moment)).reservation
    assert booked.state is ReservationState.AWAITING_DEPOSIT
    assert booked.deposit is not None
    assert booked.deposit.amount == Decimal("120.17")  # 120.165, half up
    assert booked.deposit.due_time.isoformat() == dt.datetime.fromisoformat(due).isoformat()


def test_without_a_deposit_it_is_certain() -> None:
    change = domain.opened(reservation(), Origin.LOCKED, NO_TERMS, at("2027-03-01T09:00"))
    assert change.action is Action.CONFIRM
    assert change.reservation.state is ReservationState.CONFIRMED
    assert change.reservation.deposit is None


@pytest.mark.parametrize(
    ("moment", "due"),
    [
        ("2027-02-01T00:00", "2027-02-02T00:00:00+00:00"),
        ("2027-03-27T20:00", "2027-03-27T21:00:00+00:00"),  # The guest may be at the desk.
    ],
)
def test_a_rejected_receipt_gives_the_term_again(moment: str, due: str) -> None:
    received = reservation(ReservationState.DEPOSIT_RECEIVED)
    again = domain.reject_deposit(received, at(moment)).reservation
    assert again.deposit is not None
    assert again.deposit.due_time.isoformat() == due


def test_a_deposit_follows_the_price_while_it_is_awaited() -> None:
    whole = replace(STRICT, deposit=Charge(ChargeKind.PERCENT, Decimal(100)))
    for price in ("50.00", "433.00"):
        cheaper = (room(1, price, price),)
        for state in (ReservationState.AWAITING_DEPOSIT, ReservationState.DEPOSIT_RECEIVED):
            before = reservation(state, whole, cheaper)
            assert before.deposit is not None
            after = domain.modified(before)
            now = replace(before.deposit, amount=Decimal(price) * 2)
            awaited = state is ReservationState.AWAITING_DEPOSIT
            assert after.deposit == (now if awaited else before.deposit)
        # What is asked for again is what it costs.
        again = domain.reject_deposit(after, at("2027-02-01T00:00")).reservation
        assert again.deposit is not None
        assert again.deposit.amount == Decimal(price) * 2


@pytest.mark.parametrize(
    "state", [ReservationState.AWAITING_DEPOSIT, ReservationState.DEPOSIT_RECEIVED]
)
def test_a_deposit_that_would_come_to_nothing_stays_as_it_was(state: ReservationState) -> None:
    first_night = replace(STRICT, deposit=Charge(ChargeKind.NIGHTS, Decimal(1)))
    before = reservation(state, first_night, (room(1, "0.00", "80.00"),))
    assert before.deposit is not None
    assert domain.modified(before).deposit == before.deposit
    rejected = reservation(ReservationState.DEPOSIT_RECEIVED, first_night, before.rooms)
    again = domain.reject_deposit(rejected, at("2027-02-01T00:00")).reservation.deposit
    assert again is not None
    assert again.amount == before.deposit.amount


def test_a_receipt_after_the_deadline_is_too_late() -> None:
    tentative = reservation(ReservationState.AWAITING_DEPOSIT)
    with pytest.raises(FailedPrecondition, match="TOO_LATE"):
        domain.submit_receipt("late")(tentative, at("2027-01-02T00:00"))
    with pytest.raises(FailedPrecondition, match="TOO_EARLY"):
        domain.lapse(tentative, at("2027-01-01T23:59"))


@pytest.mark.parametrize("kind", list(ActorKind))
def test_some_things_are_for_people_of_the_hotel(kind: ActorKind) -> None:
    if kind is ActorKind.STAFF:
        assert domain.by_staff(Actor(kind)).kind is kind
    else:
        with pytest.raises(PermissionDenied, match="STAFF_ONLY"):
            domain.by_staff(Actor(kind))


charges = st.builds(
    Charge,
    st.sampled_from(ChargeKind),
    st.integers(0, 100).map(Decimal),
)


@given(
    prices=st.lists(st.integers(0, 10**6).map(lambda cents: Decimal(cents) / 100), min_size=1),
    charge=charges,
    currency=st.sampled_from(["EUR", "JPY", "TND"]),
)
def test_a_charge_is_payable_and_never_more_than_the_total(
    prices: list[Decimal], charge: Charge, currency: str
) -> None:
    total = sum(prices, Decimal())
    amount = charge.of(prices, total, currency)
    assert 0 <= amount <= rounded(total, currency)
    assert Money(amount, currency).is_payable()


@given(steps=st.lists(st.builds(CancellationStep, st.integers(0, 1000), charges)))
def test_terms_and_reservations_are_read_as_they_were_written(
    steps: list[CancellationStep],
) -> None:
    terms = Terms(cancellation=tuple(steps))
    assert terms_from_json(terms_to_json(terms)) == terms
    kept = reservation(terms=terms)
    assert reservation_from_json(reservation_to_json(kept)) == kept


def test_a_hotel_without_terms_asks_for_nothing() -> None:
    assert terms_from_json("{}") == NO_TERMS
