"""`conserje number verify`: whether a number is set up at Meta as it has to be."""

import argparse
from collections.abc import Iterator

from conserje.messaging.v1 import number_service_pb2 as pb
from conserje.messaging.v1.number_service_pb2_grpc import NumberServiceStub

from cli.asking import SaidNoError, add_hotel, asks

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
    asks(verb, "messaging", NumberServiceStub, _verify)


def _verify(stub: NumberServiceStub, options: argparse.Namespace) -> Iterator[str]:
    """Every check; no when guests are not answered like this."""
    request = pb.VerifyNumberRequest(
        tenant_id=options.tenant_id, phone_number_id=options.phone_number_id
    )
    checks = stub.VerifyNumber(request, timeout=SECONDS).checks
    for check in checks:
        yield f"{WORDS.get(check.state, '?'):<6} {check.name:<13} {check.detail}"
    if any(check.state == pb.CHECK_STATE_FAILED for check in checks):
        raise SaidNoError
