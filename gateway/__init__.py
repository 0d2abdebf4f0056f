"""The door of the mesh: WhatsApp's webhooks in, typed events out.

Owns: nothing that lasts. It has no database and no Redis.
Promises: a webhook is answered 200 only after every item of it is committed by
the messaging service; what is not authentic is refused and never stored; what
is authentic is never dropped, whatever it looks like.
Called by: Meta, over HTTP. Calls: `MessagingService.BatchIngestEvents`, and the
tenant service, whose directory it copies so that no hotel fills its queue alone.
"""
