"""The waiting room against a plain list: order, weights and shares after any history."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from meshkit.coalesce.room import Limits, Ticket, WaitingRoom
from meshkit.errors import MeshError

LIMITS = Limits(in_flight=1, batch_items=4, batch_bytes=20, waiting_items=12, waiting_bytes=80)


class Nobody:
    """Where answers go that no test waits for."""

    def done(self) -> bool:
        """It takes none."""
        return True

    def set_result(self, outcome: str | MeshError, /) -> None:
        """Never called."""


class WaitingRoomAgainstList(RuleBasedStateMachine):
    """What waits is a list of (tenant, size) in order of arrival; everything else follows."""

    def __init__(self) -> None:
        super().__init__()
        self.room: WaitingRoom[int, str] = WaitingRoom(LIMITS)
        self.model: list[Ticket[int, str]] = []

    @rule(tenant=st.sampled_from(["mirador", "luna", "sol"]), size=st.integers(0, 30))
    def arrive(self, tenant: str, size: int) -> None:
        """An item comes; it is refused exactly when a bound says so."""
        ticket: Ticket[int, str] = Ticket(0, Nobody(), tenant, size, 0.0, 1.0, "")
        own = [other.size for other in self.model if other.tenant == tenant]
        everybody = [other.size for other in self.model]
        too_much = len(everybody) >= 12 or sum(everybody) + size > 80
        own_too_much = len(own) >= 6 or sum(own) + size > 40
        refusal = self.room.refusal(ticket)
        expected = "QUEUE_FULL" if too_much else "TENANT_QUEUE_FULL" if own_too_much else None
        assert (refusal.reason if refusal is not None else None) == expected
        if refusal is None:
            self.room.add(ticket)
            self.model.append(ticket)

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        """Somebody in the queue leaves it."""
        ticket = data.draw(st.sampled_from(self.model))
        self.room.remove(ticket)
        self.model.remove(ticket)

    @precondition(lambda self: self.model)
    @rule(most=st.integers(1, 6))
    def take(self, most: int) -> None:
        """A batch leaves: the longest beginning of the queue that keeps the limits."""
        taken = self.room.take(most)
        assert taken == self.model[: len(taken)]
        assert 1 <= len(taken) <= min(most, 4)
        weight = sum(ticket.size for ticket in taken)
        assert weight <= 20 or len(taken) == 1
        del self.model[: len(taken)]
        if self.model and len(taken) < min(most, 4):
            assert weight + self.model[0].size > 20

    @invariant()
    def agrees_with_the_list(self) -> None:
        """The same items in the same order, weighed and counted right."""
        assert list(self.room) == self.model
        assert len(self.room) == len(self.model)
        assert self.room.bytes == sum(ticket.size for ticket in self.model)
        assert self.room.tenants == len({ticket.tenant for ticket in self.model})
        full = len(self.model) >= 4 or self.room.bytes >= 20
        assert self.room.fills_batch == full


TestWaitingRoomAgainstList = WaitingRoomAgainstList.TestCase
