"""`conserje tenant`: the hotels of an installation."""

import argparse
import uuid
from collections.abc import Iterator
from typing import Any

from conserje.tenant.v1 import tenant_service_pb2 as pb
from conserje.tenant.v1.tenant_pb2 import Tenant, TenantState
from google.protobuf.field_mask_pb2 import FieldMask

from cli import hotel_file, meant, tenant_files
from cli.asking import SECONDS, add_hotel, or_else, pages
from cli.booked import booked
from cli.places import UsageError
from cli.tenant_verbs import add_verb

_EPILOG = """examples:
  conserje tenant create --from hotel.yaml
  conserje tenant export casa-azul > hotel.yaml
  conserje tenant edit casa-azul --from hotel.yaml --dry-run
  conserje tenant export > hotels.yaml
  conserje tenant import hotels.yaml --dry-run
"""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    command = commands.add_parser(
        "tenant",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = command.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_file(add_verb(verbs, "create", "a new hotel, with its numbers, from a file", _create))
    add_verb(verbs, "list", "every hotel on one line", _list)
    for name, help, act in (
        ("show", "one hotel", _show),
        ("suspend", "switch a hotel off for now", _suspend),
        ("restore", "switch a hotel on that was suspended or deleted", _restore),
    ):
        add_hotel(add_verb(verbs, name, help, act))
    deleting = add_verb(
        verbs, "delete", "note that a hotel has left; `restore` brings it back", _delete
    )
    add_hotel(deleting)
    meant.add_yes(deleting)
    tenant_files.add_to(verbs)
    editing = add_verb(verbs, "edit", "make a hotel what a file says; numbers aside", _edit)
    add_hotel(editing)
    _add_file(editing)


def describe(tenant: Tenant) -> str:
    """A hotel on one line."""
    state = TenantState.Name(tenant.state).removeprefix("TENANT_STATE_")
    found_by = [number.phone_number_id for number in tenant.numbers] or ["no number"]
    found_by += [one.value for one in tenant.identifiers]
    return f"{tenant.tenant_id}  {state:<9}  {tenant.display_name}  {', '.join(found_by)}"


def _add_file(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--from", dest="file", required=True, metavar="FILE", help="YAML; - is standard input"
    )
    verb.add_argument(
        "--dry-run", action="store_true", help="say what would change, change nothing"
    )


def _create(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    tenant = hotel_file.read(options.file)
    if options.dry_run:
        yield from (f"+ {line}" for line in hotel_file.write(tenant).splitlines())
        return
    request = pb.CreateTenantRequest(request_id=str(uuid.uuid4()), tenant=tenant)
    yield describe(stub.CreateTenant(request, timeout=SECONDS).tenant)


def _edit(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    wanted = hotel_file.read(options.file)
    before = _get(stub, options.tenant_id)
    if wanted.tenant_id != before.tenant_id:
        raise UsageError(f"{options.file} is about {wanted.tenant_id or 'no hotel'}")
    if not hotel_file.found_alike(before, wanted):
        raise UsageError("numbers and identifiers are changed by `conserje number`, not by a file")
    found = list(hotel_file.differences(before, wanted))
    for _, lines in found:
        yield from lines
    if not found:
        yield "nothing differs"
    if options.dry_run or not found:
        return
    request = pb.UpdateTenantRequest(
        tenant_id=before.tenant_id,
        tenant=wanted,
        update_mask=FieldMask(paths=[name for name, _ in found]),
        etag=before.etag,
    )
    stub.UpdateTenant(request, timeout=SECONDS)


@or_else("no hotels")
def _list(stub: Any, _options: argparse.Namespace) -> Iterator[str]:
    for page in pages(stub.ListTenants, pb.ListTenantsRequest()):
        yield from map(describe, page.tenants)


def _show(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    tenant = _get(stub, options.tenant_id)
    yield describe(tenant)
    yield hotel_file.write(tenant)


def _suspend(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    request = pb.SuspendTenantRequest(tenant_id=options.tenant_id)
    yield describe(stub.SuspendTenant(request, timeout=SECONDS).tenant)


def _restore(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    request = pb.ActivateTenantRequest(tenant_id=options.tenant_id)
    yield describe(stub.ActivateTenant(request, timeout=SECONDS).tenant)


def _delete(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    hotel = options.tenant_id
    yield f"{hotel}: {booked(_get(stub, hotel), options.target)}"
    meant.ask(options, hotel, done="deleted", warning=f"{hotel} will answer nobody any more.")
    request = pb.DeleteTenantRequest(tenant_id=options.tenant_id)
    yield describe(stub.DeleteTenant(request, timeout=SECONDS).tenant)


def _get(stub: Any, tenant_id: str) -> Tenant:
    request = pb.GetTenantRequest(tenant_id=tenant_id)
    tenant: Tenant = stub.GetTenant(request, timeout=SECONDS).tenant
    return tenant
