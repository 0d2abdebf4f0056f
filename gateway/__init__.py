"""The door of the mesh: WhatsApp's webhooks in, typed events out; and hotels' systems' notices.

Owns: nothing that lasts. It has no database and no Redis.
Promises: a webhook is answered 200 only after every item of it is committed by
the messaging service; what is not authentic is refused and never stored; what
is authentic is never dropped, whatever it looks like.
Called by: Meta and hotels' own systems, over HTTP. Calls:
`MessagingService.BatchIngestEvents`; `PmsService.ReceivePmsNotice`, which decides
whether a notice is authentic; and the tenant service, whose directory it copies so
that no hotel fills its queue alone.
"""
