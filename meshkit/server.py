"""The server side of every RPC: one wrapper around each handler.

In order: the caller's trace is continued, a budget too small for the work is
refused, the request is validated, the handler runs, whatever it raises becomes
an honest status, and the call is counted. Handlers are wrapped when they are
registered, so a call costs one coroutine more and no interceptor machinery.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from typing import Any, NoReturn, TypeVar

import grpc
import structlog
from google.protobuf.message import Message
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import CollectorRegistry

from meshkit import contract, deadlines, operators
from meshkit.access import Access, require
from meshkit.contract import Method
from meshkit.errors import DeadlineExceeded, Internal, MeshError, Unavailable
from meshkit.identity import OPERATOR, Certificates, identity_of
from meshkit.metrics import MethodMetrics, RpcMetrics
from meshkit.operators import UNNAMED, Operator
from meshkit.status import DETAILS_KEY, to_grpc_code, to_status
from meshkit.streams import Streams
from meshkit.telemetry import STATUS_CODE, Span, Tracing
from meshkit.transport import Transport
from meshkit.validation import validate

TRACEPARENT = "traceparent"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
UNKNOWN = grpc.StatusCode.UNKNOWN

Context = grpc.aio.ServicerContext[Any, Any]
Metadata = Iterable[tuple[str, str | bytes]]
Handler = Any  # grpc types handlers as synchronous ones
Behaviour = Callable[[Any, Context], Awaitable[Any]]
StreamBehaviour = Callable[[Any, Context], AsyncIterator[Any]]
Serializer = Callable[[Any], bytes]
ServicerT = TypeVar("ServicerT")

log = structlog.get_logger()


class Server:
    """This process's gRPC server, with health and reflection."""

    def __init__(
        self,
        *,
        tracing: Tracing,
        registry: CollectorRegistry,
        transport: Transport | None = None,
        certificates: Certificates | None = None,
        access: Access | None = None,
        reflect: bool = True,
    ) -> None:
        """Needs a running event loop, like every `grpc.aio` object.

        With `certificates` every caller must show one of the same authority, and `access` says
        what it may call. Without them, all is served to everybody who can reach the port.
        """
        self._tracing = tracing
        self._certificates = certificates
        self._access = access or {}
        self._reflect = reflect
        self._metrics = RpcMetrics(registry, "server")
        transport = transport or Transport()
        self._streams = Streams(transport.max_age_seconds)
        self._server = grpc.aio.server(options=transport.server_options())
        self._health = health.aio.HealthServicer()
        self._services: list[str] = []
        self.port = 0

    def add(
        self,
        add_fn: Callable[[ServicerT, Any], None],
        servicer: ServicerT,
        service: str,
        verbatim: Collection[str] = (),
    ) -> None:
        """Register `servicer` with the generated `add_…Servicer_to_server`.

        What the methods named in `verbatim` are sent is kept as bytes, whatever its texts hold.
        """
        recorder = _Recorder()
        add_fn(servicer, recorder)
        described = contract.methods(service)
        domain = contract.domain(service)
        wrapped = {
            name: self._wrap(
                handler, described[f"/{service}/{name}"], domain, verbatim=name in verbatim
            )
            for name, handler in recorder.handlers.items()
        }
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, wrapped),)
        )
        self._services.append(service)

    async def start(self, listen: str) -> int:
        """Listen; everything is NOT_SERVING until told otherwise. OSError when it cannot."""
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (*self._services, health.SERVICE_NAME, reflection.SERVICE_NAME)
        if self._reflect:
            reflection.enable_server_reflection(names, self._server)
        await self.set_serving(False)
        try:
            self.port = self._listen(listen)
        except RuntimeError:
            raise OSError(f"cannot listen on {listen} for gRPC: is the port taken?") from None
        await self._server.start()
        return self.port

    def _listen(self, listen: str) -> int:
        if self._certificates is None:
            return self._server.add_insecure_port(listen)
        return self._server.add_secure_port(listen, self._certificates.server())

    async def set_serving(self, serving: bool) -> None:
        """Tell health clients, for the whole process and for each service."""
        state = SERVING if serving else NOT_SERVING
        for service in ("", *self._services):
            await self._health.set(service, state)

    async def leave(self) -> None:
        """NOT_SERVING for good, while calls go on being served; streams are sent elsewhere."""
        await self._health.enter_graceful_shutdown()
        self._streams.end()

    async def stop(self, grace: float) -> None:
        """Refuse new calls; give the running ones `grace` seconds."""
        await self._server.stop(grace)

    def _wrap(self, handler: Handler, method: Method, domain: str, *, verbatim: bool) -> Handler:
        call = _Call(
            method,
            domain,
            self._metrics.method(method.name),
            self._tracing,
            self._allowed(contract.service_of(method.path), method),
            verbatim=verbatim,
        )
        if handler.unary_stream is not None:
            streamed = call.around_stream(handler.unary_stream, self._streams)
            return handler._replace(unary_stream=streamed)
        if handler.unary_unary is None:
            raise ValueError(f"{method.path}: the caller sends one request, not a stream")
        return handler._replace(
            unary_unary=call.around(handler.unary_unary),
            response_serializer=_passing_bytes(handler.response_serializer),
        )

    def _allowed(self, service: str, method: Method) -> Collection[str] | None:
        """Who may call a method; None where callers show no certificate."""
        if self._certificates is None:
            return None
        return self._access.get(service, {}).get(method.path.rpartition("/")[2], ())


class _Call:
    """The wrapper around one method."""

    def __init__(
        self,
        method: Method,
        domain: str,
        metrics: MethodMetrics,
        tracing: Tracing,
        allowed: Collection[str] | None,
        *,
        verbatim: bool,
    ) -> None:
        self._name = method.name
        self._domain = domain
        self._allowed = allowed
        self._floor = deadlines.READ_FLOOR if method.read else deadlines.WRITE_FLOOR
        self._reads = method.read
        self._validates = not method.batch
        self._verbatim = verbatim
        self._metrics = metrics
        self._tracing = tracing

    def around(self, behaviour: Behaviour) -> Behaviour:
        """The handler to register instead of `behaviour`."""
        metrics = self._metrics

        async def handle(request: Message, context: Context) -> Any:
            started = time.perf_counter()
            metadata = _metadata(context)
            with self._continue_trace(metadata) as span:
                try:
                    self._admit(request, context, metadata)
                    response = await behaviour(request, context)
                except BaseException as error:
                    await self._end(error, context, span)
                finally:
                    metrics.observe(time.perf_counter() - started)
            metrics.count("OK")
            return response

        return handle

    def around_stream(self, behaviour: StreamBehaviour, streams: Streams) -> Behaviour:
        """The handler to register instead of `behaviour`, which answers with many messages."""

        async def handle(request: Message, context: Context) -> None:
            metadata = _metadata(context)
            with self._continue_trace(metadata) as span, self._metrics.stream():
                try:
                    self._admit(request, context, metadata)
                    await streams.send(behaviour(request, context), context)
                except BaseException as error:
                    await self._end(error, context, span)
            self._metrics.count("OK")

        return handle

    def _continue_trace(self, metadata: Metadata) -> Span:
        return self._tracing.start_span(
            self._name, kind="server", traceparent=_traceparent(metadata)
        )

    def _admit(self, request: Message, context: Context, metadata: Metadata) -> None:
        operators.note(self._operator(context, metadata))
        left = context.time_remaining()
        if left is not None:
            left -= deadlines.RESERVE
            if left < self._floor:
                raise DeadlineExceeded("BUDGET_TOO_SMALL", "Too little time is left to do it.")
        deadlines.start(left)
        if self._validates:
            validate(request, verbatim=self._verbatim)

    def _operator(self, context: Context, metadata: Metadata) -> Operator | None:
        """Who changes something by hand. Without certificates it is who gives a name."""
        identity = None
        if self._allowed is not None:
            identity = identity_of(context.auth_context())
            require(self._allowed, identity)
        if self._reads or identity not in (None, OPERATOR):
            return None
        actor = operators.named(metadata) or (UNNAMED if identity else None)
        return None if actor is None else Operator(actor, self._name)

    async def _end(self, error: BaseException, context: Context, span: Span) -> NoReturn:
        """Turn what the handler raised into the status of the call."""
        if isinstance(error, grpc.aio.AbortError):
            self._count(_code_of(context), span)
            raise error
        known = self._explain(error)
        code = to_grpc_code(known)
        span.fail(known.reason)
        # The status is sent even when the caller seems to have gone: one who has not
        # would wait out his whole deadline.
        self._count(grpc.StatusCode.CANCELLED if _caller_left(error) else code, span)
        status = to_status(known, self._domain)
        trailing = ((DETAILS_KEY, status.SerializeToString()),)
        await context.abort(code, status.message, trailing)

    def _count(self, code: grpc.StatusCode, span: Span) -> None:
        self._metrics.count(code.name)
        span.set(STATUS_CODE, code.value[0])

    def _explain(self, error: BaseException) -> MeshError:
        if isinstance(error, MeshError) and not isinstance(error, Internal):
            return error
        if isinstance(error, asyncio.CancelledError):
            return Unavailable("CANCELLED_INSIDE", "The work was cancelled on its way.")
        return fault(error, self._name)


def fault(error: BaseException, rpc: str) -> Internal:
    """What a caller is told of a fault of ours: an id, under which the log has it."""
    error_id = uuid.uuid4().hex[:16]
    log.error("rpc failed", rpc=rpc, error_id=error_id, exc_info=error)
    return Internal("INTERNAL", "Something went wrong on our side.", error_id=error_id)


class _Recorder:
    """Stands in for a server, to learn which handlers a generated `add_…` registers."""

    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}

    def add_generic_rpc_handlers(self, handlers: Sequence[object]) -> None:
        """Not needed: the same handlers come by name."""

    def add_registered_method_handlers(
        self, _service: str, handlers: Mapping[str, Handler]
    ) -> None:
        """Keep the handlers by method name."""
        self.handlers.update(handlers)


def _passing_bytes(serialize: Serializer) -> Serializer:
    """Lets a response pass that is bytes already, see `meshkit.parts`."""
    return lambda response: response if isinstance(response, bytes) else serialize(response)


def _traceparent(metadata: Metadata) -> str:
    for key, value in metadata:
        if key == TRACEPARENT:
            return value if isinstance(value, str) else ""
    return ""


def _metadata(context: Context) -> Metadata:
    """What came with the call. gRPC decodes all of it each time it is asked, so once a call."""
    return context.invocation_metadata() or ()


def _caller_left(error: BaseException) -> bool:
    """Whether gRPC cancelled the call (the caller left, time is over, the server stops).

    Another cancellation comes from something the handler waited for.
    """
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


def _code_of(context: Context) -> grpc.StatusCode:
    """What `abort` was called with: a number here, a StatusCode there."""
    code = context.code()
    return next((one for one in grpc.StatusCode if code in (one, one.value[0])), UNKNOWN)
