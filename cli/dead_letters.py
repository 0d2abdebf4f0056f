"""`conserje dead-letters`: messages whose steps failed time and again."""

import argparse

import grpc
from conserje.messaging.v1 import messaging_operations_service_pb2 as pb
from conserje.messaging.v1.messaging_operations_service_pb2_grpc import (
    MessagingOperationsServiceStub,
)

from cli import failures
from cli.channels import open_channel
from cli.places import need_target

SECONDS = 10


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its three verbs."""
    command = commands.add_parser("dead-letters", help="messages that were given up")
    verbs = command.add_subparsers(title="verbs", metavar="VERB", required=True)
    for name, run, sentence in (
        ("list", run_list, "a hotel's dead letters, the oldest first"),
        ("retry", run_retry, "take the step of one again"),
        ("drop", run_drop, "give one up for good"),
    ):
        verb = verbs.add_parser(name, help=sentence)
        verb.add_argument("tenant", metavar="TENANT", help="the hotel's id")
        if name != "list":
            verb.add_argument("letter", metavar="ID", type=int, help="the dead letter's id")
        verb.add_argument("--target", default="", metavar="HOST:PORT", help="messaging's address")
        verb.set_defaults(run=run)


def run_list(options: argparse.Namespace) -> int:
    """Prints page after page."""
    target = need_target("messaging", options.target)
    request = pb.ListDeadLettersRequest(tenant_id=options.tenant)
    with open_channel(target) as channel:
        stub = MessagingOperationsServiceStub(channel)
        try:
            while True:
                page = stub.ListDeadLetters(request, timeout=SECONDS)
                for letter in page.dead_letters:
                    print(line(letter))
                if not page.next_page_token:
                    return 0
                request.page_token = page.next_page_token
        except grpc.RpcError as error:
            return failures.tell(error, target)


def run_retry(options: argparse.Namespace) -> int:
    """Has a step taken again."""
    request = pb.RetryDeadLetterRequest(tenant_id=options.tenant, dead_letter_id=options.letter)
    return _decide(options, "RetryDeadLetter", request)


def run_drop(options: argparse.Namespace) -> int:
    """Gives a message up."""
    request = pb.DropDeadLetterRequest(tenant_id=options.tenant, dead_letter_id=options.letter)
    return _decide(options, "DropDeadLetter", request)


def _decide(
    options: argparse.Namespace,
    method: str,
    request: pb.RetryDeadLetterRequest | pb.DropDeadLetterRequest,
) -> int:
    target = need_target("messaging", options.target)
    with open_channel(target) as channel:
        call = getattr(MessagingOperationsServiceStub(channel), method)
        try:
            call(request, timeout=SECONDS)
        except grpc.RpcError as error:
            return failures.tell(error, target)
    return 0


def line(letter: pb.DeadLetter) -> str:
    """One dead letter."""
    came = f"{letter.arrive_time.ToDatetime():%Y-%m-%d %H:%M:%S}"
    return (
        f"{letter.dead_letter_id:>12}  {came}  {letter.reason}  after {letter.attempt_count} "
        f"attempts  conversation {letter.conversation_id}"
    )
