"""`conserje tenant import` and `export`: hotels as files, many at once."""

import argparse
import uuid
from collections.abc import Iterator
from typing import Any

from conserje.tenant.v1 import tenant_service_pb2 as pb
from conserje.tenant.v1.tenant_pb2 import Tenant

from cli import hotel_file
from cli.asking import SECONDS, pages
from cli.channels import MAX_MESSAGE_BYTES
from cli.places import UsageError
from cli.tenant_verbs import add_verb

IMPORT_SECONDS = 120
"""A thousand hotels take some seconds."""


def add_to(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the commands."""
    exporting = add_verb(verbs, "export", "one hotel as a file, or all of them", _export)
    exporting.add_argument(
        "tenant_id", metavar="HOTEL", nargs="?", default="", help="the hotel's id; without it, all"
    )
    importing = add_verb(
        verbs, "import", "make many hotels what a file says: all of them or none", _import
    )
    importing.add_argument("file", metavar="FILE", help="YAML as `export` writes; - is stdin")
    importing.add_argument(
        "--dry-run", action="store_true", help="show the difference, change nothing"
    )


def _export(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    if options.tenant_id:
        request = pb.GetTenantRequest(tenant_id=options.tenant_id)
        yield hotel_file.write(stub.GetTenant(request, timeout=SECONDS).tenant)
        return
    for page in pages(stub.ListTenants, pb.ListTenantsRequest()):
        if page.tenants:
            yield hotel_file.write_many(page.tenants)


def _import(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    wanted = hotel_file.read_many(options.file)
    there = {
        tenant.tenant_id: tenant
        for page in pages(stub.ListTenants, pb.ListTenantsRequest())
        for tenant in page.tenants
    }
    request = pb.ImportTenantsRequest(request_id=str(uuid.uuid4()), validate_only=options.dry_run)
    for tenant in wanted:
        lines = list(_difference(there.get(tenant.tenant_id), tenant))
        if lines:
            yield from lines
            etag = there[tenant.tenant_id].etag if tenant.tenant_id in there else ""
            request.items.add(tenant=tenant, etag=etag)
    if not request.items:
        yield "nothing differs"
        return
    if request.ByteSize() > MAX_MESSAGE_BYTES:
        raise UsageError(f"{options.file} changes more than fits into 8 MiB: import it in parts")
    actions = stub.ImportTenants(request, timeout=IMPORT_SECONDS).actions
    created, changed = (
        sum(action == wished for action in actions)
        for wished in (pb.IMPORT_ACTION_CREATED, pb.IMPORT_ACTION_CHANGED)
    )
    done = "would be" if options.dry_run else "are"
    yield f"{created} hotels {done} new, {changed} {done} changed"


def _difference(before: Tenant | None, after: Tenant) -> Iterator[str]:
    """What an import changes of one hotel, by lines; none when it changes nothing."""
    if before is None:
        yield f"{after.tenant_id}: new"
        yield from (f"+ {line}" for line in hotel_file.write(after).splitlines())
        return
    lines = [line for _, told in hotel_file.differences(before, after) for line in told]
    if not hotel_file.found_alike(before, after):
        lines.append("numbers or identifiers: as the file has them")
    if lines:
        yield f"{after.tenant_id}: changed"
        yield from lines
