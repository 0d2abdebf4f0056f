"""When items leave, with whom, and that each caller gets the answer to its own item."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.coalesce import Limits
from meshkit.errors import Internal, MeshError, NotFound
from tests.unit.meshkit_coalesce.harness import LONG, Bench, Call, Item, answer_to, items, turns


async def test_an_item_of_an_idle_coalescer_leaves_without_waiting_for_time_or_company() -> None:
    bench = Bench()
    bench.start(Item(1))
    await turns(4)  # the caller submits, the turn ends, the batch leaves
    assert bench.destination.numbers == [[1]]
    await bench.finish()


async def test_while_places_are_free_nobody_waits_for_a_batch_under_way() -> None:
    bench = Bench()
    for number in range(4):
        bench.start(Item(number))
        await turns()
    assert bench.destination.numbers == [[0], [1], [2], [3]]
    await bench.finish()


async def test_beyond_four_batches_items_queue_and_leave_together() -> None:
    bench = Bench()
    await bench.occupy(4)
    bench.start(*items(20))
    await turns()
    assert len(bench.calls) == 4
    bench.calls[2].answer()
    await turns()
    assert bench.destination.numbers[4:] == [list(range(20))]
    await bench.finish()


async def test_what_is_submitted_in_one_turn_leaves_together() -> None:
    bench = Bench()
    bench.start(*items(20))
    await turns()
    assert bench.destination.numbers == [list(range(20))]
    await bench.finish()


async def test_a_crowd_is_shared_out_between_the_free_places() -> None:
    bench = Bench()
    await bench.occupy(2)
    bench.start(*items(100))
    await turns()
    assert [len(call.items) for call in bench.calls[2:]] == [50, 50]
    await bench.finish()


async def test_nobody_waits_behind_the_slow_batch_of_another() -> None:
    bench = Bench()
    await bench.occupy(3)
    slow = bench.calls.copy()
    bench.destination.handle = Call.answer
    answers = await asyncio.gather(*bench.start(*items(500)))
    assert answers == [answer_to(item) for item in items(500)]
    assert not any(call.reply.done() for call in slow)
    await bench.finish()


async def test_a_batch_holds_no_more_items_than_allowed() -> None:
    bench = Bench()
    await bench.occupy(4)
    bench.start(*items(600))
    await turns()
    for call in bench.calls[:4]:
        call.answer()
    await turns()
    sizes = [len(call.items) for call in bench.calls[4:]]
    assert max(sizes) <= 256
    assert sum(sizes) == 600
    await bench.finish()


async def test_a_method_may_take_bigger_batches() -> None:
    bench = Bench(limits=Limits(in_flight=1, batch_items=1000))
    await bench.occupy(1)
    bench.start(*items(1500))
    await turns()
    bench.calls[0].answer()
    await turns()
    assert len(bench.calls[1].items) == 1000
    await bench.finish()


async def test_a_batch_weighs_no_more_than_allowed_and_a_bigger_item_goes_alone() -> None:
    limits = Limits(in_flight=1, batch_bytes=100, waiting_bytes=1000)
    bench = Bench(limits=limits)
    await bench.occupy(1)
    bench.start(Item(0, size=60), Item(1, size=40), Item(2, size=1), Item(3, size=300), Item(4))
    await turns()
    await bench.finish()
    assert bench.destination.numbers[1:] == [[0, 1], [2], [3], [4]]


async def test_a_full_batch_does_not_wait_for_the_end_of_the_turn() -> None:
    bench = Bench(limits=Limits(batch_items=2, waiting_items=4))
    bench.start(*items(8))
    await turns()
    assert bench.destination.numbers == [[0, 1], [2, 3], [4, 5], [6, 7]]
    await bench.finish()


async def test_one_bad_item_fails_alone() -> None:
    def handle(call: Call) -> None:
        call.reply.set_result(
            [NotFound("ROOM_GONE") if item.number == 7 else answer_to(item) for item in call.items]
        )

    bench = Bench(handle)
    outcomes = await asyncio.gather(*bench.start(*items(20)), return_exceptions=True)
    assert isinstance(outcomes.pop(7), NotFound)
    assert outcomes == [answer_to(item) for item in items(20) if item.number != 7]
    await bench.finish()


async def test_items_submitted_together_are_answered_in_their_order() -> None:
    def handle(call: Call) -> None:
        outcomes: list[str | MeshError] = [answer_to(item) for item in call.items]
        for index, item in enumerate(call.items):
            if item.number % 50 == 3:
                outcomes[index] = NotFound("ROOM_GONE")
        call.reply.set_result(outcomes)

    bench = Bench(handle)
    outcomes = await bench.coalescer.submit_all(items(600), LONG)
    refused = [index for index, outcome in enumerate(outcomes) if isinstance(outcome, NotFound)]
    assert refused == [index for index in range(600) if index % 50 == 3]
    assert all(
        outcome == answer_to(Item(index))
        for index, outcome in enumerate(outcomes)
        if index not in refused
    )
    assert len(bench.calls) >= 3
    await bench.finish()


async def test_nothing_submitted_is_nothing_sent() -> None:
    bench = Bench()
    assert list(await bench.coalescer.submit_all([], LONG)) == []
    await turns()
    assert not bench.calls


async def test_a_single_item_submitted_as_a_list_has_its_answer_or_its_error_in_one() -> None:
    bench = Bench(lambda call: call.reply.set_result([answer_to(call.items[0])]))
    assert list(await bench.coalescer.submit_all(items(1), LONG)) == [answer_to(Item(0))]
    refusing = Bench(lambda call: call.reply.set_result([NotFound("NO_ROOM", "there is none")]))
    (outcome,) = await refusing.coalescer.submit_all(items(1), LONG)
    assert isinstance(outcome, NotFound)
    await bench.finish()
    await refusing.finish()


async def test_a_server_that_answers_another_number_of_items_is_not_believed() -> None:
    bench = Bench(lambda call: call.reply.set_result(["answer"]))
    for outcome in await bench.coalescer.submit_all(items(3), LONG):
        assert isinstance(outcome, Internal)
        assert outcome.reason == "RESULTS_MISMATCH"
    assert len(bench.calls) == 1
    await bench.finish()


async def test_a_batch_carries_the_trace_of_each_item_and_nothing_else_of_its_callers() -> None:
    caller: ContextVar[str] = ContextVar("caller", default="nobody")
    seen: list[str] = []
    bench = Bench(lambda _: seen.append(caller.get()), traceparent=lambda: f"trace {caller.get()}")
    for name in ("ana", "luis"):
        caller.set(name)
        bench.start(Item(1))
    await turns()
    assert [ticket.traceparent for ticket in bench.calls[0].tickets] == ["trace ana", "trace luis"]
    assert seen == ["nobody"]
    await bench.finish()


async def test_after_closing_what_was_taken_is_answered_and_nothing_more_is_taken() -> None:
    bench = Bench()
    await bench.occupy(4)
    queued = bench.start(*items(10))
    await turns()
    closing = asyncio.create_task(bench.coalescer.aclose())
    await turns()
    with pytest.raises(MeshError, match="SHUTTING_DOWN"):
        await bench.coalescer.submit(Item(99), LONG)
    assert not closing.done()
    await bench.finish()
    await closing
    assert [task.result() for task in queued] == [answer_to(item) for item in items(10)]
    assert bench.coalescer._alarm is None


async def test_what_is_counted() -> None:
    bench = Bench()
    await bench.occupy(4)
    bench.start(*items(6))
    await turns()
    assert bench.metric("coalescer_in_flight_batches") == 4
    assert bench.metric("coalescer_waiting_items") == 6
    await bench.finish()
    assert bench.metric("coalescer_batch_items_count") == 5
    assert bench.metric("coalescer_batch_items_sum") == 10
    assert bench.metric("coalescer_wait_seconds_count") == 5
    assert bench.metric("coalescer_in_flight_batches") == 0
    assert bench.metric("coalescer_waiting_items") == 0


def test_limits_that_leave_a_tenant_no_whole_batch_are_refused() -> None:
    for limits in ({"waiting_items": 511}, {"waiting_bytes": 1024}, {"in_flight": 0}):
        with pytest.raises(ValueError, match="batch"):
            Limits(**limits)


@given(data=st.data())
async def test_whatever_the_order_of_things_every_caller_gets_the_answer_to_its_own_item(
    data: st.DataObject,
) -> None:
    limits = Limits(in_flight=2, batch_items=4, batch_bytes=20, waiting_bytes=10_000)
    bench = Bench(limits=limits)
    number = 0
    for step in data.draw(st.lists(st.sampled_from(["submit", "answer", "cancel"]))):
        if step == "submit":
            sizes = data.draw(st.lists(st.integers(1, 30), min_size=1, max_size=9))
            bench.start(*(Item(number + i, size=size) for i, size in enumerate(sizes)))
            number += len(sizes)
        elif step == "answer" and bench.destination.open_calls:
            data.draw(st.sampled_from(bench.destination.open_calls)).answer()
        elif step == "cancel" and bench.callers:
            data.draw(st.sampled_from(bench.callers)).cancel()
        await turns(data.draw(st.integers(0, 4)))
    await turns()
    await bench.finish()
    for index, caller in enumerate(bench.callers):
        assert caller.cancelled() or caller.result() == answer_to(Item(index))
    sent = [number for call in bench.destination.numbers for number in call]
    assert len(sent) == len(set(sent))
