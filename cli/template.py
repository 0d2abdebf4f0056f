"""`conserje template`: what Meta has approved for a hotel, and sends of it."""

import argparse
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from conserje.messaging.v1 import template_service_pb2 as pb
from conserje.messaging.v1.template_pb2 import Template
from conserje.messaging.v1.template_service_pb2_grpc import TemplateServiceStub

from cli.asking import SECONDS, add_hotel, asks, or_else, pages
from cli.counts import counted
from cli.guest import name_by_id

SYNC_SECONDS = 120
"""An account with thousands of templates comes in many pages."""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its verbs."""
    command = commands.add_parser("template")
    verbs = command.add_subparsers(title="verbs", metavar="VERB", required=True)
    listing = verbs.add_parser("list", help="a hotel's templates, and how they stand with Meta")
    sync = verbs.add_parser("sync", help="read them from Meta now")
    send = verbs.add_parser(
        "send",
        help="send one to a guest",
        description="To a guest who has never written, too. The same --request-id is sent once.",
    )
    for verb, act in ((listing, _list), (sync, _sync), (send, _send)):
        add_hotel(verb)
        asks(verb, "messaging", TemplateServiceStub, act)
    for verb in (sync, send):
        verb.add_argument(
            "phone_number_id", metavar="NUMBER", help="Meta's id of the hotel's number"
        )
    send.add_argument("template_name", metavar="NAME", help="the template's name")
    guest = send.add_mutually_exclusive_group(required=True)
    name_by_id(guest)
    guest.add_argument(
        "--guest", dest="whatsapp_id", metavar="DIGITS", help="the guest's number with its country"
    )
    guest.add_argument("--user-id", metavar="ID", help="the guest's user id")
    send.add_argument(
        "--language", dest="language_code", default="es", metavar="CODE", help="its language; es"
    )
    send.add_argument(
        "--parameter",
        dest="body_parameters",
        action="append",
        default=[],
        metavar="TEXT",
        help="for its body, in order",
    )
    send.add_argument(
        "--header",
        dest="header_parameter",
        default="",
        metavar="TEXT",
        help="what its header needs",
    )
    send.add_argument(
        "--button",
        dest="button_parameters",
        action="append",
        default=[],
        metavar="TEXT",
        help="what its buttons need",
    )
    send.add_argument("--request-id", default="", metavar="UUID", help="a new one without it")


@or_else("no templates; `conserje template sync` reads them from Meta")
def _list(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    request = pb.ListTemplatesRequest(tenant_id=options.tenant_id)
    for page in pages(stub.ListTemplates, request):
        yield from map(line, page.templates)


def _sync(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    request = pb.SyncTemplatesRequest(
        tenant_id=options.tenant_id, phone_number_id=options.phone_number_id
    )
    answer = stub.SyncTemplates(request, timeout=SYNC_SECONDS)
    yield f"{counted(answer.template_count, 'template')}, {answer.removed_count} removed"


def _send(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    request = pb.SendTemplateRequest(
        tenant_id=options.tenant_id,
        request_id=options.request_id or str(uuid4()),
        phone_number_id=options.phone_number_id,
        template_name=options.template_name,
        language_code=options.language_code,
        body_parameters=options.body_parameters,
        header_parameter=options.header_parameter,
        button_parameters=options.button_parameters,
    )
    if options.conversation_id:
        request.conversation_id = options.conversation_id
    elif options.whatsapp_id:
        request.whatsapp_id = options.whatsapp_id
    else:
        request.user_id = options.user_id
    sent = stub.SendTemplate(request, timeout=SECONDS)
    yield f"{sent.send_id}  conversation {sent.conversation_id}"


def line(template: Template) -> str:
    """One template."""
    needs = [f"{{{{{name}}}}}" for name in template.body_parameters]
    needs += [f"header {template.header_parameter}"] if template.header_parameter else []
    needs += [f"button {place}" for place in template.button_parameters]
    standing = " ".join(filter(None, (template.whatsapp_status, template.reason)))
    return (
        f"{template.template_name}  {template.language_code}  {standing}  {template.category}  "
        f"{template.quality}  {', '.join(needs) or 'needs nothing'}"
    )
