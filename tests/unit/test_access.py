"""Who may call what: every method is decided on, and readers only read."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import conserje
import pytest

from meshkit import contract
from meshkit.access import Access
from meshkit.identity import IDENTITIES, READER
from services.booking.access import ACCESS as BOOKING
from services.messaging.access import ACCESS as MESSAGING
from services.tenant.access import ACCESS as TENANT

ALL: Access = {**TENANT, **BOOKING, **MESSAGING}


def _services() -> Iterator[str]:
    """The full names of all services of the contract."""
    for root in map(Path, conserje.__path__):
        for file in root.rglob("*_pb2.py"):
            module = ".".join(("conserje", *file.relative_to(root).with_suffix("").parts))
            described = import_module(module).DESCRIPTOR
            yield from (service.full_name for service in described.services_by_name.values())


SERVICES = sorted(_services())


def test_no_service_of_the_contract_was_missed() -> None:
    assert set(SERVICES) == set(ALL)


@pytest.mark.parametrize("service", SERVICES)
def test_every_method_says_who_may_call_it(service: str) -> None:
    named = set(ALL.get(service, {}))
    offered = {path.rpartition("/")[2] for path in contract.methods(service)}
    assert offered - named == set(), "say in the service's access.py who may call these"
    assert named - offered == set(), "these are gone"


@pytest.mark.parametrize("service", SERVICES)
def test_identities_are_known_and_readers_only_read(service: str) -> None:
    for path, method in contract.methods(service).items():
        allowed = ALL[service][path.rpartition("/")[2]]
        assert set(allowed) <= set(IDENTITIES)
        assert READER not in allowed or method.read, f"{path} changes something"
