"""What the walks over all methods share: they ask with another hotel's ids and get nothing.

Methods are found in the contract and in the code, so that one to come is walked too, or the walk
says what it needs to know of it.
"""

from __future__ import annotations

import inspect
import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

Values = Mapping[str, Any]
"""What things are called by, as fields and parameters name them."""
NAMES_SOMETHING = re.compile(r"(_ids?|_key|_token|_number|_code|_reference)$")
NAMES_NOTHING = {"page_token", "language_code", "currency_code"}


def methods_of(services: Iterable[str]) -> dict[str, MethodDescriptor]:
    """All methods of these services, by `service/method`."""
    pool = descriptor_pool.Default()
    return {
        f"{service}/{method.name}": method
        for service in services
        for method in pool.FindServiceByName(service).methods
    }


def caller(channel: Any, path: str, method: MethodDescriptor) -> Callable[..., Any]:
    """The method over a channel, synchronous or not."""
    make = channel.unary_stream if method.server_streaming else channel.unary_unary
    call: Callable[..., Any] = make(
        f"/{path}",
        request_serializer=GetMessageClass(method.input_type).SerializeToString,
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )
    return call


def asked(values: Values, described: Descriptor) -> Message:
    """A request with each field that is known by its name, one of whatever it is a list of.

    Of fields that may be given instead of each other the first that is known. Raises KeyError
    for one that names something of a hotel and is not known.
    """
    request = GetMessageClass(described)()
    for field in described.fields:
        one_of = field.containing_oneof
        if one_of is not None and request.WhichOneof(one_of.name):
            continue
        _fill(request, field, values)
    return request


def _fill(request: Message, field: FieldDescriptor, values: Values) -> None:
    if field.name not in values:
        described = field.message_type
        if field.is_repeated and described is not None and not described.GetOptions().map_entry:
            getattr(request, field.name).append(asked(values, described))
        elif NAMES_SOMETHING.search(field.name) and field.name not in NAMES_NOTHING:
            raise KeyError(f"say what {field.full_name} is")
        return
    value = values[field.name]
    if field.is_repeated:
        getattr(request, field.name).extend(value)
    elif field.type == FieldDescriptor.TYPE_MESSAGE:
        getattr(request, field.name).CopyFrom(value)
    elif value is not None:
        setattr(request, field.name, value)


def refusal_of(error: grpc.RpcError) -> str:
    """All that a refusal says."""
    metadata = error.trailing_metadata() or ()
    return f"{error.details()} {list(metadata)}"


def store_methods(package: ModuleType) -> dict[str, Callable[..., Any]]:
    """The public methods of all that is made with a pool of Postgres or Redis, by their names.

    A method that several have from one of them is told once.
    """
    found: dict[str, Callable[..., Any]] = {}
    for module in _modules(package):
        for kind in vars(module).values():
            if inspect.isclass(kind) and kind.__module__ == module.__name__ and _stores(kind):
                for name, method in inspect.getmembers(kind, inspect.isfunction):
                    if not name.startswith("_"):
                        found[method.__qualname__] = method
    return found


def kind_of(method: Callable[..., Any]) -> Any:
    """The class that a method is of."""
    return getattr(import_module(method.__module__), method.__qualname__.partition(".")[0])


def _modules(package: ModuleType) -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not found.name.endswith("__main__"):
            yield import_module(found.name)


def _stores(kind: Any) -> bool:
    given = getattr(kind.__init__, "__annotations__", {})
    return not {"Postgres", "Redis"}.isdisjoint(given.values())


def arguments(method: Callable[..., Any], values: Values) -> dict[str, Any]:
    """What to call a method of a store with, by the names of its parameters or by their types.

    Raises KeyError for a parameter that is not known and has no default.
    """
    given = {}
    for parameter in list(inspect.signature(method).parameters.values())[1:]:
        annotation = str(parameter.annotation)
        if parameter.name in values:
            given[parameter.name] = values[parameter.name]
        elif annotation in values:
            given[parameter.name] = values[annotation]
        elif parameter.default is parameter.empty:
            raise KeyError(f"say what {method.__qualname__} gets as {parameter}")
    return given
