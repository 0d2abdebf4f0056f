"""The gateway's work on a body by itself, and orjson reading the same bytes, in CPU time.

For each line with seconds, a way and the items of a body it tells how many items were done, and the
CPU they took. The clock is the process's CPU time: who else runs on the machine hardly matters.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Sequence

import orjson

from bench.programs.stdio import say
from bench.webhooks import Writer
from gateway import signature
from gateway.payload import translate
from meshkit.run import spare_collector

SECRET = "secret of the bench"
BODIES = 200
"""So many different bodies in turn that none stays warm by itself."""

Signed = tuple[bytes, str]


def translate_signed(signed: Signed) -> None:
    """What the gateway does: the signature checked, the body read, each item an event."""
    body, header = signed
    if not signature.is_authentic(body, header, (SECRET.encode(),)):
        raise RuntimeError("a body of the bench is not authentic")
    translate(body, time.time())


def read_only(signed: Signed) -> None:
    """The least: orjson makes objects of the bytes."""
    orjson.loads(signed[0])


WAYS = {"gateway": translate_signed, "orjson": read_only}


def main() -> None:
    """Answer one line after the other."""
    writer = Writer(SECRET)
    bodies = {items: _signed(writer, items) for items in (1, 100)}
    spare_collector()
    say(ready=True)
    for line in sys.stdin:
        seconds, way, items = line.split()
        count, cpu = _repeat(WAYS[way], bodies[int(items)], float(seconds))
        say(count=count * int(items), seconds=cpu)


def _signed(writer: Writer, items: int) -> list[Signed]:
    bodies = [writer.body(items) for _ in range(BODIES)]
    return [(body, writer.signature(body)) for body in bodies]


def _repeat(
    work: Callable[[Signed], None], signed: Sequence[Signed], seconds: float
) -> tuple[int, float]:
    started = time.process_time()
    for done, one in enumerate(itertools.cycle(signed), start=1):
        work(one)
        used = time.process_time() - started
        if used >= seconds:
            return done, used
    raise AssertionError("a cycle has no end")


if __name__ == "__main__":
    main()
