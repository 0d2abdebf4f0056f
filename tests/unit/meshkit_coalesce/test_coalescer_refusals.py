"""Batches that fail as a whole: halved to the guilty item, or everybody's error."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.errors import (
    Aborted,
    AlreadyExists,
    DeadlineExceeded,
    FailedPrecondition,
    Internal,
    InvalidArgument,
    MeshError,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
    Unimplemented,
)
from tests.unit.meshkit_coalesce.harness import Bench, Call, Item, answer_to, items, turns

ABOUT_CONTENT: list[Exception] = [
    InvalidArgument("INVALID_REQUEST"),
    Internal("UNEXPECTED"),
    NotFound("ROOM_GONE"),
    AlreadyExists("THERE"),
    FailedPrecondition("EXPIRED"),
    Aborted("STALE_FENCE"),
    ResourceExhausted("RESOURCE_EXHAUSTED", "Received message larger than max"),
    ValueError("this item cannot be serialised"),
]
EVERYBODYS: list[MeshError] = [
    Unavailable("UNAVAILABLE", "connection lost"),
    DeadlineExceeded("DEADLINE_EXCEEDED"),
    Unauthenticated("WHO_ARE_YOU"),
    PermissionDenied("NOT_YOURS"),
    Unimplemented("UNIMPLEMENTED"),
    ResourceExhausted("OVERLOADED", retry_after=0.5),
]


def refusing(guilty: set[int], error: Exception) -> Bench:
    """A destination that refuses every batch with a guilty item in it as a whole."""

    def handle(call: Call) -> None:
        if guilty & {item.number for item in call.items}:
            call.fail(error)
        else:
            call.answer()

    return Bench(handle)


@pytest.mark.parametrize("error", ABOUT_CONTENT, ids=lambda error: type(error).__name__)
async def test_a_batch_refused_as_a_whole_is_halved_until_the_guilty_item_is_alone(
    error: Exception,
) -> None:
    bench = refusing({13}, error)
    outcomes = await asyncio.gather(*bench.start(*items(32)), return_exceptions=True)
    expected = type(error) if isinstance(error, MeshError) else Internal
    assert isinstance(outcomes.pop(13), expected)
    assert outcomes == [answer_to(item) for item in items(32) if item.number != 13]
    assert [13] in bench.destination.numbers
    assert len(bench.calls) == 11  # the batch, and two halves on each of five levels
    assert bench.metric("coalescer_halved_batches_total") == 5
    await bench.finish()


@pytest.mark.parametrize("error", EVERYBODYS, ids=lambda error: type(error).__name__)
async def test_an_error_that_says_nothing_about_the_content_is_the_answer_of_each_item(
    error: MeshError,
) -> None:
    bench = refusing({13}, error)
    outcomes = await asyncio.gather(*bench.start(*items(32)), return_exceptions=True)
    assert len(bench.calls) == 1
    assert {type(outcome) for outcome in outcomes} == {type(error)}
    assert len({id(outcome) for outcome in outcomes}) == 32
    assert all(
        isinstance(outcome, MeshError)
        and (outcome.reason, outcome.retry_after) == (error.reason, error.retry_after)
        for outcome in outcomes
    )
    assert bench.metric("coalescer_halved_batches_total") == 0
    await bench.finish()


async def test_the_facts_of_an_error_reach_the_guilty_caller() -> None:
    error = InvalidArgument.field("stay.check_in_date", "there is no 31 June", hotel="mirador")
    bench = refusing({1}, error)
    outcomes = await asyncio.gather(*bench.start(*items(2)), return_exceptions=True)
    refusal = outcomes[1]
    assert isinstance(refusal, InvalidArgument)
    assert (refusal.violations, refusal.metadata) == (error.violations, error.metadata)


async def test_the_cause_of_an_unexpected_exception_is_kept() -> None:
    bench = refusing({1}, ValueError("this item cannot be serialised"))
    outcomes = await asyncio.gather(*bench.start(*items(2)), return_exceptions=True)
    refusal = outcomes[1]
    assert isinstance(refusal, Internal)
    assert isinstance(refusal.__cause__, ValueError)


@given(guilty=st.sets(st.integers(0, 39)), count=st.integers(1, 40))
async def test_any_set_of_guilty_items_fails_and_all_others_are_answered(
    guilty: set[int], count: int
) -> None:
    bench = refusing(guilty, Internal("UNEXPECTED"))
    outcomes = await asyncio.gather(*bench.start(*items(count)), return_exceptions=True)
    for item, outcome in zip(items(count), outcomes, strict=True):
        if item.number in guilty:
            assert isinstance(outcome, Internal)
        else:
            assert outcome == answer_to(item)
    await bench.finish()


async def test_halves_stay_in_the_place_of_their_batch() -> None:
    bench = Bench()
    await bench.occupy(3)
    bench.start(*items(32))
    await turns()
    bench.calls[3].fail(Internal("UNEXPECTED"))
    await turns()
    assert len(bench.destination.open_calls) == 4
    assert [len(call.items) for call in bench.calls[3:]] == [32, 16]
    await bench.finish()


async def test_who_gave_up_meanwhile_is_not_in_the_halves() -> None:
    bench = Bench()
    callers = bench.start(*items(4))
    await turns()
    callers[0].cancel()
    callers[3].cancel()
    await turns()
    bench.calls[0].fail(Internal("UNEXPECTED"))
    await turns()
    await bench.finish()
    assert bench.destination.numbers[1:] == [[1], [2]]


async def test_when_the_whole_half_gave_up_it_is_not_sent() -> None:
    bench = Bench()
    callers = bench.start(*items(4))
    await turns()
    for caller in callers[:2]:
        caller.cancel()
    await turns()
    bench.calls[0].fail(Internal("UNEXPECTED"))
    await turns()
    await bench.finish()
    assert bench.destination.numbers == [[0, 1, 2, 3], [2, 3]]


async def test_a_single_refused_item_is_not_sent_again() -> None:
    bench = refusing({0}, Internal("UNEXPECTED"))
    with pytest.raises(Internal, match="UNEXPECTED"):
        await bench.coalescer.submit(Item(0), 5.0)
    assert len(bench.calls) == 1
