"""What becomes of a reservation between the day it is booked and the day the guest leaves.

`transitions` is the one table of legal changes, `terms` what a hotel asks for
deposits, cancellations and late departures, `domain` decides about one change,
`store` carries it out in one transaction with its event and its answer.
"""
