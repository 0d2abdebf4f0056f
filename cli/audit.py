"""`conserje audit`: what people have changed by hand, and who it was."""

import argparse
import json
import re
from collections.abc import Iterator
from typing import Any

from conserje.audit.v1.audit_service_pb2 import ListOperatorChangesRequest, OperatorChange
from conserje.audit.v1.audit_service_pb2_grpc import AuditServiceStub

from cli.asking import asks, or_else, pages
from cli.places import SERVICES
from cli.times import second


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    command = commands.add_parser("audit")
    services = command.add_subparsers(title="services", metavar="SERVICE", required=True)
    for service in SERVICES:
        listing = services.add_parser(service, help=f"changes in the database of {service}")
        listing.add_argument(
            "tenant_id", metavar="HOTEL", nargs="?", default="", help="only its own"
        )
        asks(listing, service, AuditServiceStub, _list)


@or_else("no changes by hand")
def _list(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    request = ListOperatorChangesRequest(tenant_id=options.tenant_id)
    for page in pages(stub.ListOperatorChanges, request):
        yield from map(describe, page.changes)


def describe(change: OperatorChange) -> str:
    """One line that names the row, and below it each column that changed."""
    rpc = change.method.rpartition("/")[2]
    hotel = change.tenant_id or "-"
    when = second(change.change_time)
    before, after = (_row(text) for text in (change.before_json, change.after_json))
    which = "".join(f"  {name} {before[name]}" for name in _names(before, after))
    lines = [f"{when}  {change.actor}  {rpc}  {hotel}  {change.table_name}{which}"]
    for column in sorted(before.keys() | after.keys()):
        was, now = before.get(column), after.get(column)
        if was != now:
            lines.append(f"    {column}: {_shown(was)} -> {_shown(now)}")
    return "\n".join(lines)


def _names(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """The columns of a changed row that say which it is, such as the type and the night."""
    for column in sorted(before.keys() & after.keys() - {"tenant_id"}):
        names = column == "night" or re.search("(?<!request)_id$", column)
        if names and before[column] and before[column] == after[column]:
            yield column


def _row(text: str) -> dict[str, Any]:
    return dict(json.loads(text)) if text else {}


def _shown(value: Any) -> str:
    return "-" if value is None else json.dumps(value, ensure_ascii=False)
