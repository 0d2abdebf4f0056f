"""Whose number it is, and how old the answer is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.clock import FakeClock
from meshkit.errors import FailedPrecondition, MeshError, NotFound, Unavailable
from services.tenant.domain import Directory, Number, Snapshot, TenantState
from tests.unit.tenant.numbers import DELETED, MIRADOR, READ_TIME, SUSPENDED, snapshot

# Few ids, so that they meet.
ids = st.text("12", min_size=1, max_size=2)
numbers = st.builds(
    Number,
    phone_number_id=ids,
    whatsapp_business_account_id=ids,
    tenant_id=st.sampled_from(["a", "b"]),
    state=st.sampled_from(TenantState),
    display_name=st.just("H"),
    time_zone=st.just("UTC"),
    default_language_code=st.just("es"),
    language_codes=st.just(("es",)),
    currency_code=st.just("EUR"),
    version=st.integers(1, 9),
)


@pytest.mark.parametrize("number", [MIRADOR, SUSPENDED, DELETED])
def test_a_number_resolves_whatever_the_state_of_its_hotel(number: Number) -> None:
    assert snapshot().resolve(number.phone_number_id, "") == number


def test_another_account_is_not_this_hotel() -> None:
    with pytest.raises(FailedPrecondition) as caught:
        snapshot().resolve(MIRADOR.phone_number_id, "999")
    assert caught.value.reason == "WABA_MISMATCH"


@given(st.lists(numbers, unique_by=lambda one: one.phone_number_id), ids, ids | st.just(""))
def test_an_answer_is_the_owner_and_never_a_neighbour(
    known: list[Number], phone_number_id: str, account: str
) -> None:
    owners = [one for one in known if one.phone_number_id == phone_number_id]
    try:
        found: Number | str = snapshot(known).resolve(phone_number_id, account)
    except MeshError as error:
        found = error.reason
    if not owners:
        assert found == "NUMBER_UNKNOWN"
    elif account in ("", owners[0].whatsapp_business_account_id):
        assert found == owners[0]
    else:
        assert found == "WABA_MISMATCH"


@given(st.lists(st.sampled_from("abc"), max_size=5), st.integers(-1, 6), st.booleans())
def test_an_item_is_the_hotels_that_had_the_number_or_got_it_next(
    owners: list[str], hour: int, has_owner: bool
) -> None:
    """Of every hour but the first it is told when it began; the last owner has it still."""
    hours = [READ_TIME + timedelta(hours=n) for n in range(len(owners))]
    past = tuple(
        replace(MIRADOR, tenant_id=owner, until_time=until)
        for owner, until in zip(owners, hours, strict=True)
    )
    known = Snapshot.of(
        1, READ_TIME, 1, [MIRADOR] if has_owner else [], (), {MIRADOR.phone_number_id: past}
    )
    expected = [*owners, MIRADOR.tenant_id if has_owner else "NUMBER_UNKNOWN"]
    arrived = READ_TIME + timedelta(hours=hour)
    try:
        found = known.resolve(MIRADOR.phone_number_id, "", arrive_time=arrived).tenant_id
    except NotFound as error:
        found = error.reason
    assert found == expected[min(max(hour + 1, 0), len(owners))]


def test_errors_do_not_tell_whose_number_it_is() -> None:
    for asked in [(MIRADOR.phone_number_id, "999"), ("404", "")]:
        with pytest.raises((NotFound, FailedPrecondition)) as caught:
            snapshot().resolve(*asked)
        assert MIRADOR.tenant_id not in str(caught.value)
        assert caught.value.metadata == {}


def test_before_the_first_snapshot_nothing_is_guessed() -> None:
    directory = Directory(FakeClock(READ_TIME))
    with pytest.raises(Unavailable) as caught:
        _ = directory.snapshot
    assert caught.value.reason == "DIRECTORY_NOT_LOADED"
    assert caught.value.retry_after
    assert directory.problem()
    assert directory.version is None
    assert directory.age() == 0


def test_the_age_counts_from_the_last_confirmation() -> None:
    clock = FakeClock(READ_TIME)
    directory = Directory(clock)
    clock.advance(10)
    directory.replace(snapshot(version=7))
    assert directory.problem() is None
    assert directory.version == 7
    clock.advance(5)
    assert directory.age() == 5
    directory.confirm()
    clock.advance(2)
    assert directory.age() == 2
