"""`conserje dead-letters`: messages whose steps failed time and again."""

import argparse
from collections.abc import Iterator
from typing import Any

from conserje.messaging.v1 import messaging_operations_service_pb2 as pb
from conserje.messaging.v1.messaging_operations_service_pb2_grpc import (
    MessagingOperationsServiceStub,
)

from cli.asking import SECONDS, add_hotel, asks, number, or_else, pages
from cli.counts import counted
from cli.times import second


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its three verbs."""
    command = commands.add_parser("dead-letters")
    verbs = command.add_subparsers(title="verbs", metavar="VERB", required=True)
    for name, act, sentence in (
        ("list", _list, "a hotel's dead letters, the oldest first"),
        ("retry", _retry, "take the step of one again"),
        ("drop", _drop, "give one up for good"),
    ):
        verb = verbs.add_parser(name, help=sentence)
        add_hotel(verb)
        if name != "list":
            verb.add_argument(
                "dead_letter_id", metavar="ID", type=number, help="the dead letter's id"
            )
        asks(verb, "messaging", MessagingOperationsServiceStub, act)


@or_else("no dead letters")
def _list(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    request = pb.ListDeadLettersRequest(tenant_id=options.tenant_id)
    for page in pages(stub.ListDeadLetters, request):
        yield from map(line, page.dead_letters)


def _retry(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    request = pb.RetryDeadLetterRequest(
        tenant_id=options.tenant_id, dead_letter_id=options.dead_letter_id
    )
    stub.RetryDeadLetter(request, timeout=SECONDS)
    yield f"retried 1: the step of {options.dead_letter_id} is taken again"


def _drop(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    request = pb.DropDeadLetterRequest(
        tenant_id=options.tenant_id, dead_letter_id=options.dead_letter_id
    )
    stub.DropDeadLetter(request, timeout=SECONDS)
    yield f"dropped 1: {options.dead_letter_id} is given up for good"


def line(letter: pb.DeadLetter) -> str:
    """One dead letter."""
    came = second(letter.arrive_time)
    return (
        f"{letter.dead_letter_id:>12}  {came}  {letter.reason}  after "
        f"{counted(letter.attempt_count, 'attempt')}  conversation {letter.conversation_id}"
    )
