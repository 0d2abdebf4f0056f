"""WhatsApp's side of sending: what can be said, in which shape, and what the answers mean.

`sends` is what may be asked for, `build` what leaves: always within Meta's
limits. `codes` says what to do about each error, `client` makes the request.
"""
