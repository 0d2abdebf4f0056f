"""The state survives storage, other versions of the program, and damage."""

import json
from dataclasses import fields
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.money import Money
from services.messaging.conversation.state import (
    AfterRelease,
    Asking,
    CommandKind,
    Deposit,
    Draft,
    Lock,
    Missing,
    Offer,
    OpenCommand,
    Reservation,
    Room,
    State,
    Stay,
    Tax,
)
from services.messaging.conversation.state_json import from_json, to_json

TEXTS = st.text(max_size=20)
COUNTS = st.integers(0, 10**6)
DAYS = st.dates()
MONEY = st.builds(
    Money,
    st.decimals(allow_nan=False, allow_infinity=False, places=2),
    st.sampled_from(["EUR", "MXN"]),
)
NAMES = st.dictionaries(st.sampled_from(["es", "en"]), TEXTS)
STAYS = st.builds(Stay, DAYS, DAYS, COUNTS, COUNTS)
TAXES = st.lists(st.builds(Tax, NAMES, MONEY, st.booleans()), max_size=2).map(tuple)
ROOMS = st.builds(Room, TEXTS, NAMES, STAYS, MONEY, COUNTS, TAXES)
NO_OR_COUNT = st.none() | COUNTS
STATES = st.builds(
    State,
    language=st.sampled_from(["", "es", "en"]),
    asking=st.sampled_from(Asking),
    cancelling=TEXTS,
    draft=st.builds(
        *(Draft, st.none() | DAYS, st.none() | DAYS, NO_OR_COUNT, NO_OR_COUNT, COUNTS),
        st.lists(TEXTS, max_size=3).map(tuple),
        st.none() | DAYS,
    ),
    offer=st.none()
    | st.builds(
        Offer,
        COUNTS,
        st.lists(ROOMS, max_size=3).map(tuple),
        st.lists(st.builds(Missing, NAMES, TEXTS, COUNTS), max_size=2).map(tuple),
        st.booleans(),
    ),
    lock=st.none()
    | st.builds(
        *(Lock, TEXTS, TEXTS, COUNTS, ROOMS, st.lists(MONEY, max_size=3).map(tuple)),
        st.datetimes(timezones=st.just(UTC)),
    ),
    open=st.none()
    | st.builds(
        *(OpenCommand, COUNTS, st.sampled_from(CommandKind), st.none() | ROOMS),
        *(st.sampled_from(AfterRelease), TEXTS),
    ),
    reservations=st.lists(
        st.builds(
            *(Reservation, TEXTS, TEXTS, TEXTS, ROOMS, st.none() | MONEY),
            st.none() | st.builds(Deposit, MONEY, st.datetimes(timezones=st.just(UTC))),
        ),
        max_size=2,
    ).map(tuple),
    cancelled=st.none() | st.builds(Reservation, TEXTS, TEXTS, TEXTS, ROOMS),
    command_count=COUNTS,
    offer_count=COUNTS,
)
STAY = Stay(date(2026, 12, 10), date(2026, 12, 12), 2, 0)
ROOM = Room("rt-2", {"es": "Doble"}, STAY, Money(Decimal("240.00"), "EUR"), 2)
FULL = State(
    language="es",
    draft=Draft(STAY.check_in, STAY.check_out, None, 2, 0, ("doble",)),
    offer=Offer(1, (ROOM,)),
    lock=Lock("l", "t", 1, ROOM, (), datetime(2026, 11, 23, tzinfo=UTC)),
    reservations=(Reservation("r1", "C1", "l", ROOM), Reservation("r2", "C2", "l", ROOM)),
    command_count=7,
    offer_count=3,
)


@given(STATES)
def test_what_is_stored_comes_back(state: State) -> None:
    stored = to_json(state)
    assert from_json(stored) == state
    assert from_json(stored.encode()) == state
    assert stored.isascii()


def test_every_field_is_stored() -> None:
    stored = json.loads(to_json(State()))
    assert set(stored) == {field.name for field in fields(State)} | {"version"}


def test_keys_that_are_missing_or_unknown_do_no_harm() -> None:
    assert from_json("{}") == State()
    stored = json.loads(to_json(FULL)) | {"version": 99, "added_later": {"x": 1}}
    assert from_json(json.dumps(stored)) == FULL


@pytest.mark.parametrize("text", ["", "null", "[]", "7", "{", '"x"', "[" * 100_000, b"\xff"])
def test_what_is_no_state_is_a_fresh_one(text: str | bytes) -> None:
    assert from_json(text) == State()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from([field.name for field in fields(State)]), JSON)
def test_a_damaged_part_does_not_take_the_others_with_it(part: str, damage: Any) -> None:
    stored = json.loads(to_json(FULL)) | {part: damage}
    read = from_json(json.dumps(stored))
    for field in fields(State):
        if field.name != part:
            assert getattr(read, field.name) == getattr(FULL, field.name)
    assert from_json(to_json(read)) == read


def test_a_damaged_reservation_does_not_hide_the_others() -> None:
    stored = json.loads(to_json(FULL))
    stored["reservations"][0]["room"] = "gone"
    assert [known.code for known in from_json(json.dumps(stored)).reservations] == ["C2"]
