"""Takes what WhatsApp says, leads the conversation, sends the answers.

Owns: the inbox (what came in, deduplicated), the conversations, the effects
(commands to the booking service), the outbox and what WhatsApp says of it, and
the guests' WhatsApp ids. Nobody else reads these tables.

Promises: what it has acknowledged is committed; every item takes effect once,
whatever batch it comes in; a guest's messages are answered in order, each by
one answer; commands are sent byte for byte until there is a final answer; a
send whose outcome is unknown is never taken for failed.

Called by: the gateway (`BatchIngestEvents`) and operators (`TraceMessage`).
Calls: the tenant service, whose directory it copies; the booking service; the
Graph API.
"""
