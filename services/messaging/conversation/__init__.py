"""What a hotel says to a guest: a state machine without clock, socket or storage.

`machine.advance` takes the state of one conversation and one event, asks for
what is free by yielding queries, and returns a decision: the next state, the
replies and at most one command for the booking service. The same inputs always
give the same decision, so a step that is repeated after a crash is harmless.
"""
