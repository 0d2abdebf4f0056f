"""A hotel's own system that behaves, and misbehaves, like real ones, on one machine.

It implements our own document, `services/booking/pms/generic/openapi.yaml`; its
control API makes it slow, away, half away, forgetful, busy, or lie.
"""
