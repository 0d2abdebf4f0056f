"""What a change of a reservation means for the hotel's own system, where it has one.

Written in the transaction of the change, so that neither is without the other.
What was under way for the reservation does not count any more: the number of its
lease is another one. Hotels without a system have no rows here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.booking.domain import Reservation
from services.booking.reservations.transitions import Action

if TYPE_CHECKING:
    from meshkit.postgres import Connection

TO_CREATE = """
INSERT INTO pms_booking (tenant_id, reservation_id, step, create_time, due_time)
VALUES ($1, $2, 'CREATE', clock_timestamp(), clock_timestamp())
"""
TO_MODIFY = """
UPDATE pms_booking SET step = 'MODIFY', due_time = clock_timestamp(), absence_count = 0,
    lease_number = lease_number + 1, failure_count = 0, failure = ''
WHERE tenant_id = $1 AND reservation_id = $2
"""
TO_CANCEL = """
UPDATE pms_booking SET step = 'CANCEL', due_time = clock_timestamp(), absence_count = 0,
    lease_number = lease_number + 1, failure_count = 0, failure = ''
WHERE tenant_id = $1 AND reservation_id = $2
"""
TOLD = {
    Action.REQUEST: TO_CREATE,
    Action.MODIFY: TO_MODIFY,
    Action.CANCEL: TO_CANCEL,
    Action.LAPSE: TO_CANCEL,
    Action.RECORD_NO_SHOW: TO_CANCEL,
}


async def tell_pms(connection: Connection, action: Action, after: Reservation) -> None:
    """Have it done there as well."""
    sql = TOLD.get(action)
    if sql is not None:
        await connection.execute(sql, after.tenant_id, after.reservation_id)
