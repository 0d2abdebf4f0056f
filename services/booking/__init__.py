"""Knows what is free, locks it for a guest, reserves it.

Owns: properties with their room types, rooms, nights and prices; the locks and
their audit; reservations and the rooms given to them. Nobody else reads these
tables.

Promises: a night is never sold beyond its capacity, and never refused while it
has a room; a lock ends by the database's clock; the same `request_id` gets the
same answer for eight days; every decision about a lock is in the audit,
written in the transaction that decided. Postgres alone decides; Redis only
remembers what was free a moment ago.

Where a hotel has a system of its own (`pms/`), that has the last word: a
reservation is certain once it is there, and what others book there is sold here.

Called by: messaging (searches, the commands of its conversations, and what
becomes of reservations), and the gateway, which passes on the notices of hotels'
own systems.
Calls: hotels' own systems, and tenant for their secrets.
"""
