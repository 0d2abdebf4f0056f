"""`conserje window`: until when guests may be written to freely, and who turned out to be one."""

import argparse
from collections.abc import Iterator
from typing import Any

from conserje.messaging.v1 import messaging_operations_service_pb2 as pb
from conserje.messaging.v1.messaging_operations_service_pb2_grpc import (
    MessagingOperationsServiceStub,
)

from cli.asking import SECONDS, add_hotel, asks, or_else, pages
from cli.guest import name_guest, named
from cli.places import UsageError
from cli.times import second


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its verbs."""
    command = commands.add_parser("window")
    verbs = command.add_subparsers(title="verbs", metavar="VERB", required=True)
    show = verbs.add_parser("show", help="the window of one guest")
    template = verbs.add_parser(
        "template",
        help="what messages leave as when the window is shut",
        description="Without options it is shown; with NAME it is chosen, with --none taken away.",
    )
    merges = verbs.add_parser("merges", help="conversations that turned out to be one guest's")
    for verb, act in ((show, _show), (template, _template), (merges, _merges)):
        add_hotel(verb)
        asks(verb, "messaging", MessagingOperationsServiceStub, act)
    name_guest(show)
    template.add_argument("template_name", nargs="?", metavar="NAME", help="the template's name")
    template.add_argument(
        "--language", dest="language_code", default="es", metavar="CODE", help="its language; es"
    )
    template.add_argument(
        "--parameter",
        dest="parameters",
        action="append",
        metavar="TEXT",
        help="for its body, in order; {text} stands for the words of the message, as by default",
    )
    template.add_argument("--none", action="store_true", help="choose none")


def _show(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    request = named(pb.GetWindowRequest(tenant_id=options.tenant_id), options)
    yield line(stub.GetWindow(request, timeout=SECONDS).window)


def _template(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    if options.none and options.template_name:
        raise UsageError("a template's name and --none at once make no sense.")
    if options.template_name or options.none:
        stub.SetWindowTemplate(_choice(options), timeout=SECONDS)
    asked = pb.GetWindowTemplateRequest(tenant_id=options.tenant_id)
    chosen = stub.GetWindowTemplate(asked, timeout=SECONDS)
    if chosen.HasField("template"):
        told = chosen.template
        yield f"{told.template_name}  {told.language_code}  {'  '.join(told.parameters)}"
    else:
        yield "none: what cannot be sent freely is held until the guest writes"


@or_else("no conversations turned out to be one")
def _merges(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    request = pb.ListMergesRequest(tenant_id=options.tenant_id)
    for page in pages(stub.ListMerges, request):
        for merge in page.merges:
            yield (
                f"{second(merge.merge_time)}  conversation {merge.from_conversation_id} is "
                f"{merge.into_conversation_id} now  {merge.reason}"
            )


def _choice(options: argparse.Namespace) -> pb.SetWindowTemplateRequest:
    request = pb.SetWindowTemplateRequest(tenant_id=options.tenant_id)
    if options.template_name:
        request.template.template_name = options.template_name
        request.template.language_code = options.language_code
        request.template.parameters.extend(options.parameters or ["{text}"])
    return request


def line(window: pb.GuestWindow) -> str:
    """One window."""
    parts = [f"conversation {window.conversation_id}", "open" if window.open else "shut"]
    if window.HasField("last_inbound_time"):
        parts.append(f"guest wrote {second(window.last_inbound_time)}")
    else:
        parts.append("not known when the guest wrote")
    if window.HasField("close_time"):
        parts.append(f"{'until' if window.open else 'since'} {second(window.close_time)}")
    if window.HasField("refuse_time"):
        parts.append("WhatsApp refused a message")
    return "  ".join(parts)
