"""Callers that stop waiting, by their deadline or cancelled, and what the bounds refuse."""

from __future__ import annotations

import asyncio
import gc

import pytest

from meshkit.coalesce import Limits, Ticket
from meshkit.coalesce.room import Bundle
from meshkit.errors import DeadlineExceeded, ResourceExhausted, Unavailable
from tests.unit.meshkit_coalesce.harness import LONG, Bench, Item, answer_to, items, turns

SHORT = 0.01


async def test_an_item_given_up_before_it_left_is_never_sent() -> None:
    bench = Bench()
    await bench.occupy(4)
    callers = bench.start(*items(10))
    await turns()
    for caller in callers[3:7]:
        caller.cancel()
    await turns()
    assert len(bench.coalescer._room) == 6
    await bench.finish()
    assert bench.destination.numbers[4:] == [[0, 1, 2, 7, 8, 9]]
    assert bench.metric("coalescer_given_up_items_total", when="before") == 4


async def test_an_item_given_up_in_the_turn_it_came_is_never_sent() -> None:
    bench = Bench()
    first, second = bench.start(*items(2))
    await asyncio.sleep(0)
    first.cancel()
    second.cancel()
    await turns()
    assert not bench.calls
    await bench.finish()


async def test_after_it_left_its_answer_is_thrown_away_and_the_others_get_theirs() -> None:
    bench = Bench()
    callers = bench.start(*items(3))
    await turns()
    callers[1].cancel()
    await turns()
    assert not bench.calls[0].cancelled
    bench.calls[0].answer()
    assert await callers[0] == answer_to(Item(0))
    assert await callers[2] == answer_to(Item(2))
    assert callers[1].cancelled()
    assert bench.metric("coalescer_given_up_items_total", when="after") == 1
    await bench.finish()


async def test_the_call_is_cancelled_when_nobody_waits_any_more() -> None:
    bench = Bench()
    callers = bench.start(*items(3))
    await turns()
    for caller in callers[:2]:
        caller.cancel()
    await turns()
    assert not bench.calls[0].cancelled
    callers[2].cancel()
    await turns()
    assert bench.calls[0].cancelled
    bench.check_nothing_left()


async def test_a_batch_given_up_before_its_first_step_frees_its_place() -> None:
    bench = Bench(limits=Limits(in_flight=1))
    await bench.occupy(1)
    (caller,) = bench.start(Item(0))
    await turns()
    bench.calls[0].answer()
    await asyncio.sleep(0)  # the occupant is answered; in the next turn its place goes to the item
    caller.cancel()  # and later in that turn the caller gives up
    await turns()
    assert len(bench.calls) == 1
    assert bench.metric("coalescer_given_up_items_total", when="after") == 1
    bench.start(Item(1))
    await turns()
    assert bench.destination.numbers[1:] == [[1]]
    await bench.finish()


async def test_an_answer_that_meets_a_cancellation_harms_nobody() -> None:
    bench = Bench()
    callers = bench.start(*items(2))
    await turns()
    bench.calls[0].answer()
    callers[0].cancel()  # before the answer is handed on
    assert await callers[1] == answer_to(Item(1))
    await asyncio.wait([callers[0]])
    await bench.finish()


async def test_the_second_answer_of_an_item_is_thrown_away() -> None:
    bundle: Bundle[str] = Bundle(2, asyncio.get_running_loop())
    tickets = [Ticket(n, bundle.place(n), "mirador", 1, 0.0, 1.0, "") for n in range(2)]
    for ticket in tickets:
        for outcome in ("first", "second"):
            ticket.settle(f"{outcome} {ticket.item}")
    assert await bundle.complete == ["first 0", "first 1"]


async def test_items_submitted_together_are_given_up_together() -> None:
    bench = Bench(limits=Limits(in_flight=1, batch_items=4))
    together = asyncio.create_task(bench.coalescer.submit_all(items(10), LONG))
    await turns()
    together.cancel()
    await turns()
    assert bench.calls[0].cancelled
    assert len(bench.calls) == 1
    bench.check_nothing_left()


async def test_a_caller_waits_by_its_own_deadline_only() -> None:
    bench = Bench()
    (patient,) = bench.start(Item(0), timeout=LONG)
    (hasty,) = bench.start(Item(1), timeout=SHORT)
    await turns()
    with pytest.raises(DeadlineExceeded, match="NOT_ANSWERED"):
        await hasty
    assert bench.destination.numbers == [[0, 1]]
    bench.calls[0].answer()
    assert await patient == answer_to(Item(0))
    await bench.finish()


async def test_a_batch_has_the_deadline_of_its_longest_item() -> None:
    bench = Bench()
    for number, timeout in enumerate((20.0, 50.0, 10.0)):
        bench.start(Item(number), timeout=timeout)
    await turns()
    (call,) = bench.calls
    assert 20.0 < call.timeout <= 50.0
    expiries = [ticket.expires for ticket in call.tickets]
    assert expiries[2] < expiries[0] < expiries[1]
    await bench.finish()


async def test_time_runs_out_in_the_queue_as_well() -> None:
    bench = Bench()
    await bench.occupy(4)
    (hasty,) = bench.start(Item(0), timeout=SHORT)
    (patient,) = bench.start(Item(1))
    with pytest.raises(DeadlineExceeded):
        await hasty
    await bench.finish()
    assert bench.destination.numbers[4:] == [[1]]
    assert await patient == answer_to(Item(1))


async def test_each_deadline_rings_whatever_the_order_they_came_in() -> None:
    bench = Bench()
    timeouts = (0.3, 0.1, 0.5, 0.2, 0.4)
    callers = [bench.start(Item(n), timeout=timeout)[0] for n, timeout in enumerate(timeouts)]
    ended: list[int] = []  # in the order of their deadlines
    for caller in callers:
        caller.add_done_callback(lambda caller: ended.append(callers.index(caller)))
    await asyncio.wait(callers)
    assert ended == [1, 3, 0, 4, 2]
    await turns()
    assert bench.calls[0].cancelled
    await bench.finish()


async def test_without_time_left_nothing_is_sent() -> None:
    bench = Bench()
    with pytest.raises(DeadlineExceeded):
        await bench.coalescer.submit(Item(0), 0.0)
    assert bench.coalescer._alarm is None  # it was refused, not sent away
    await turns()
    assert not bench.calls
    bench.check_nothing_left()


async def test_a_batch_cut_off_from_outside_leaves_no_caller_waiting() -> None:
    bench = Bench()
    (caller,) = bench.start(Item(0))
    await turns()
    bench.calls[0].reply.cancel()
    with pytest.raises(Unavailable):
        await caller
    await bench.finish()


async def test_the_queue_takes_4096_items_and_refuses_the_next_at_once() -> None:
    bench = Bench()
    await bench.occupy(4)
    bench.start(*items(2048, tenant="mirador"), *items(2048, first=2048, tenant="luna"))
    await turns()
    assert len(bench.coalescer._room) == 4096
    with pytest.raises(ResourceExhausted, match="QUEUE_FULL") as refusal:
        await bench.coalescer.submit(Item(4096, tenant="third"), LONG)
    assert refusal.value.retry_after
    assert len(bench.coalescer._room) == 4096
    assert bench.metric("coalescer_refused_items_total", reason="QUEUE_FULL") == 1
    await bench.finish()


async def test_no_tenant_takes_more_than_half_of_the_queue() -> None:
    bench = Bench()
    await bench.occupy(4)
    bench.start(*items(2048, tenant="mirador"))
    await turns()
    with pytest.raises(ResourceExhausted, match="TENANT_QUEUE_FULL") as refusal:
        await bench.coalescer.submit(Item(2048, tenant="mirador"), LONG)
    assert refusal.value.retry_after
    (neighbour,) = bench.start(Item(2049, tenant="luna"))
    await bench.finish()
    assert await neighbour == answer_to(Item(2049))


@pytest.mark.parametrize(
    ("tenants", "fits", "reason"),
    [(("mirador",), 8, "TENANT_QUEUE_FULL"), (("mirador", "luna"), 16, "QUEUE_FULL")],
)
async def test_the_queue_holds_16_mib(tenants: tuple[str, ...], fits: int, reason: str) -> None:
    mib = 1024 * 1024
    bench = Bench()
    await bench.occupy(4)
    bench.start(*(Item(n, tenants[n % len(tenants)], mib) for n in range(fits)))
    await turns()
    with pytest.raises(ResourceExhausted, match=f"^{reason}"):
        await bench.coalescer.submit(Item(99, tenants[-1]), LONG)
    await bench.finish()


async def test_the_bounds_are_for_what_waits_not_for_what_can_leave() -> None:
    bench = Bench(limits=Limits(batch_bytes=100, waiting_bytes=200))
    (huge,) = bench.start(Item(0, size=1000))
    await turns()
    assert bench.destination.numbers == [[0]]
    await bench.finish()
    assert await huge == answer_to(Item(0))


async def test_of_items_submitted_together_those_beyond_the_bounds_are_refused() -> None:
    bench = Bench(limits=Limits(in_flight=1, batch_items=2, waiting_items=8))
    together = asyncio.create_task(bench.coalescer.submit_all(items(10), LONG))
    await turns()
    await bench.finish()
    outcomes = await together
    refused = [n for n, outcome in enumerate(outcomes) if isinstance(outcome, ResourceExhausted)]
    assert refused == [6, 7, 8, 9]  # two left, and half of eight waited
    assert list(outcomes[:6]) == [answer_to(item) for item in items(6)]


async def test_room_that_was_given_up_can_be_taken_again() -> None:
    bench = Bench(limits=Limits(in_flight=1, batch_items=2, waiting_items=4))
    await bench.occupy(1)
    for _ in range(3):
        callers = bench.start(*items(2))
        await turns()
        with pytest.raises(ResourceExhausted):
            await bench.coalescer.submit(Item(9), LONG)
        for caller in callers:
            caller.cancel()
        await turns()
    await bench.finish()


def kept_items() -> list[Item]:
    """The items of all tickets in memory that these tests own."""
    tickets = [thing for thing in gc.get_objects() if isinstance(thing, Ticket)]
    return [ticket.item for ticket in tickets if ticket.tenant == "fleeting"]


async def test_nothing_is_kept_of_answered_items_even_without_the_garbage_collector() -> None:
    bench = Bench(lambda call: call.answer())
    gc.disable()
    try:
        await asyncio.gather(*bench.start(*items(300, tenant="fleeting")))
        await bench.finish()
        bench.calls.clear()
        bench.callers.clear()
        assert kept_items() == []
    finally:
        gc.enable()


async def test_nothing_is_kept_of_cancelled_items() -> None:
    bench = Bench()
    bench.start(*items(300, tenant="fleeting"))
    await turns()
    for _ in range(len(bench.callers)):
        bench.callers.pop().cancel()
    await bench.finish()
    bench.calls.clear()
    gc.collect()  # asyncio's own cycle: a cancelled future and the frame that awaited it
    assert kept_items() == []
