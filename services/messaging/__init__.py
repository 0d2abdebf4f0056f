"""Takes what WhatsApp says, leads the conversation, sends the answers.

Owns: the inbox (what came in, deduplicated) and its encrypted archive (`archive/`),
the conversations, the effects (commands to the booking service), the outbox and
what WhatsApp says of it, the guests' WhatsApp ids, the windows in which they may
be written to, the hotels' templates, what Meta bills and the files that guests
send, whose content is on a shelf outside the database (`media/`). Nobody else
reads these tables. Spoken replies and transcripts are kept in Redis alone.

Promises: what it has acknowledged is committed; every item takes effect once,
whatever batch it comes in; a guest's messages are answered in order, each by
one answer; commands are sent byte for byte until there is a final answer; a
send whose outcome is unknown is never taken for failed; a guest's file is kept as
it was sent, once, and the access token is shown to no other host for it.

Called by: the gateway (`BatchIngestEvents`) and operators.
Calls: the tenant service, whose directory it copies and whose tokens it sends
with; the booking service, whose reservations it follows; the Graph API.
"""
