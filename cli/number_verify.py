"""`conserje number verify`: whether a number is set up at Meta as it has to be."""

import argparse

import grpc
from conserje.messaging.v1 import number_service_pb2 as pb
from conserje.messaging.v1.number_service_pb2_grpc import NumberServiceStub

from cli import failures
from cli.asking import add_hotel
from cli.channels import open_channel
from cli.places import need_target

SECONDS = 60
WORDS = {
    pb.CHECK_STATE_OK: "ok",
    pb.CHECK_STATE_WARNING: "look",
    pb.CHECK_STATE_FAILED: "WRONG",
}


def add_to(verb: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    add_hotel(verb)
    verb.add_argument("phone_number_id", metavar="NUMBER", help="Meta's id of the number")
    verb.add_argument("--target", default="", metavar="HOST:PORT", help="address of messaging")
    verb.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints every check; 1 when guests are not answered like this."""
    target = need_target("messaging", options.target)
    request = pb.VerifyNumberRequest(
        tenant_id=options.tenant_id, phone_number_id=options.phone_number_id
    )
    with open_channel(target) as channel:
        try:
            checks = NumberServiceStub(channel).VerifyNumber(request, timeout=SECONDS).checks
        except grpc.RpcError as error:
            return failures.tell(error, target)
    for check in checks:
        print(f"{WORDS.get(check.state, '?'):<6} {check.name:<13} {check.detail}")
    return int(any(check.state == pb.CHECK_STATE_FAILED for check in checks))
