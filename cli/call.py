"""`conserje call`: any method of any service from JSON, over reflection."""

import argparse
import difflib
import re
import sys
from collections.abc import Iterable, Iterator

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from cli import failures
from cli.places import SERVICES, UsageError, need_target, target
from cli.reflection import Reflected
from cli.times import seconds

_EPILOG = """examples:
  conserje call                                     lists services and methods
  conserje call TenantService/ResolveTenant '{"phone_number_id": "100000000000001"}'
  conserje call --target 10.0.0.7:9000 booking/GetReservation - < request.json
"""

_UNKNOWN = re.compile(r'Message type "(\S+)" has no field named "(.*?)"')


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    command = commands.add_parser(
        "call",
        description="Calls a method as the server describes it, with JSON in and out.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "method", nargs="?", default="", metavar="SERVICE/METHOD", help="full or short name"
    )
    command.add_argument(
        "body", nargs="?", default="{}", metavar="JSON", help="the request; - reads it from stdin"
    )
    command.add_argument("--target", default="", metavar="HOST:PORT", help="where the service is")
    command.add_argument("--timeout", type=seconds, default=10.0, metavar="SECONDS")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Lists, or calls."""
    service, _, method = options.method.partition("/")
    if not method:
        return _list(service, options.target)
    where = options.target or _target_for(service)
    try:
        with Reflected(where) as server:
            return _call(server, service, method, options)
    except grpc.RpcError as error:
        return failures.tell(error, where)


def _call(server: Reflected, service: str, name: str, options: argparse.Namespace) -> int:
    method = _find_method(_find_service(server, service), name)
    request = server.request(method)
    try:
        body = sys.stdin.read() if options.body == "-" else options.body
        if not body.lstrip().startswith("{"):  # a list of nothing would pass for an empty request
            raise json_format.ParseError("it must be a JSON object, such as {}")
        json_format.Parse(body, request, descriptor_pool=server.pool)
    except json_format.ParseError as error:
        raise UsageError(
            f"the request does not fit {method.input_type.full_name}: {_told(error, server)}"
        ) from error
    for answer in server.answers(method, request, options.timeout):
        text = json_format.MessageToJson(
            answer,
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
            ensure_ascii=False,
            descriptor_pool=server.pool,
        )
        print(text)
    return 0


def _told(error: json_format.ParseError, server: Reflected) -> str:
    """What is wrong; fields have the names that answers and documents call them by."""
    unknown = _UNKNOWN.search(str(error))
    if unknown is None:
        return str(error)
    message, name = unknown.groups()
    fields = server.pool.FindMessageTypeByName(message).fields
    return f"{message} has no field {name}; it has {', '.join(one.name for one in fields)}"


def _list(service: str, given: str) -> int:
    """Prints every method, one a line; those of one service when it is named."""
    targets = [given] if given else [where for name in SERVICES if (where := target(name))]
    if not targets:
        need_target(service or SERVICES[0])
    code, found = 0, False
    for where in targets:
        try:
            with Reflected(where) as server:
                for line in _lines(server.services(), service):
                    print(line)
                    found = True
        except grpc.RpcError as error:
            code = failures.tell(error, where)
    if not found and not code:
        raise UsageError(f"no service is called {service}; `conserje call` lists all there are")
    return code


def _lines(services: Iterable[ServiceDescriptor], wanted: str) -> Iterator[str]:
    for service in services:
        if not wanted or _is_named(service, wanted):
            for method in service.methods:
                yield f"{service.full_name}/{method.name}"


def _target_for(service: str) -> str:
    """The target that a name such as `booking`, `BookingService` or `media` is served at."""
    named = [name for name in SERVICES if name in service.lower()]
    if named:
        return need_target(named[0])
    need_target(SERVICES[0])
    places = {name: where for name in SERVICES if (where := target(name))}
    offering = {name: where for name, where in places.items() if _offers(where, service)}
    if not offering:
        raise UsageError(f"no service is called {service}; `conserje call` lists all there are")
    if len(offering) > 1:
        told = ", ".join(f"{where} ({name})" for name, where in offering.items())
        raise UsageError(f"{service} is offered by several; say which with --target: {told}")
    return next(iter(offering.values()))


def _offers(where: str, service: str) -> bool:
    try:
        with Reflected(where) as server:
            return any(_is_named(one, service) for one in server.services())
    except grpc.RpcError as error:
        raise UsageError(
            f"what is offered at {where} cannot be asked: {error.code().name}"
        ) from None


def _find_service(server: Reflected, wanted: str) -> ServiceDescriptor:
    services = server.services()
    for service in services:
        if _is_named(service, wanted):
            return service
    known = ", ".join(service.full_name for service in services)
    raise UsageError(f"{server.target} offers no service {wanted}; it has {known}")


def _is_named(service: ServiceDescriptor, wanted: str) -> bool:
    """By the full name, the last part of it, or that without `Service`; case does not matter."""
    names = (service.full_name, service.name, service.name.removesuffix("Service"))
    return wanted.lower() in [name.lower() for name in names]


def _find_method(service: ServiceDescriptor, wanted: str) -> MethodDescriptor:
    for method in service.methods:
        if method.name.lower() == wanted.lower():
            return method
    names = [method.name for method in service.methods]
    close = difflib.get_close_matches(wanted, names, n=1)
    meant = f"; did you mean {close[0]}?" if close else f"; it has {', '.join(names)}"
    raise UsageError(f"{service.full_name} has no method {wanted}{meant}")
