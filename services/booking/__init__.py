"""Knows what is free, locks it for a guest, reserves it.

Owns: properties with their room types, rooms, nights and prices; the locks and
their audit; reservations and the rooms given to them. Nobody else reads these
tables.

Promises: a night is never sold beyond its capacity, and never refused while it
has a room; a lock ends by the database's clock; the same `request_id` gets the
same answer for eight days; every decision about a lock is in the audit,
written in the transaction that decided. Postgres alone decides; Redis only
remembers what was free a moment ago.

Called by: messaging (searches, and the commands of its conversations).
Calls: nobody.
"""
