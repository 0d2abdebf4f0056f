"""The client side of every RPC: one wrapper around each method of a stub.

Every call carries a deadline (what is left of the caller's budget, 5 s at
most unless told otherwise) and the trace; what the peer answers with comes back
as the `MeshError` it raised.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any, NoReturn, TypeVar, cast

import grpc

from meshkit import contract, deadlines
from meshkit.contract import Method
from meshkit.errors import DeadlineExceeded, Unavailable
from meshkit.identity import Certificates
from meshkit.metrics import MethodMetrics, RpcMetrics
from meshkit.status import from_rpc_error
from meshkit.telemetry import STATUS_CODE, Span, Tracing, current_traceparent, is_sampled
from meshkit.transport import Options, Transport

TRACEPARENT = "traceparent"

StubT = TypeVar("StubT")
Metadata = Iterable[tuple[str, str | bytes]]


class Channel:
    """The way to one destination. Connections are opened by the first call."""

    def __init__(
        self,
        target: str,
        *,
        tracing: Tracing,
        metrics: RpcMetrics,
        retries: bool = False,
        transport: Transport | None = None,
        certificates: Certificates | None = None,
    ) -> None:
        """`retries` is for the first caller in the mesh only: others pass errors on."""
        self._target = target
        self._tracing = tracing
        self._metrics = metrics
        self._retries = retries
        self._transport = transport or Transport()
        self._certificates = certificates
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._dials: list[_Dial] = []

    def stub(self, make: Callable[[grpc.aio.Channel], StubT]) -> StubT:
        """A generated stub whose calls are awaited, and raise `MeshError`."""
        return make(cast("grpc.aio.Channel", _StubMaker(self)))

    async def aclose(self) -> None:
        """Close the connections; calls under way are cancelled."""
        for channel in self._channels.values():
            await channel.close()

    async def renew(self) -> None:
        """Go on with new connections, as after a change of certificates.

        Calls under way are finished on the old ones, within the grace of the transport.
        """
        old, self._channels = self._channels, {}
        for dial in self._dials:
            dial.connect(self._raw(dial.path))
        grace = self._transport.age_grace_seconds
        await asyncio.gather(*(channel.close(grace) for channel in old.values()))

    def dial(self, path: str, kind: str, options: Mapping[str, Any]) -> _Dial:
        """A method of gRPC's own stub, over the connections of the day."""
        dial = _Dial(path, kind, options)
        dial.connect(self._raw(path))
        self._dials.append(dial)
        return dial

    def _raw(self, path: str) -> grpc.aio.Channel:
        """The gRPC channel for a method: one per service, which has its own retry policy."""
        service = contract.service_of(path)
        if service not in self._channels:
            retried = contract.methods(service).values() if self._retries else ()
            options = self._transport.client_options(retried)
            self._channels[service] = self._open(options)
        return self._channels[service]

    def _open(self, options: Options) -> grpc.aio.Channel:
        if self._certificates is None:
            return grpc.aio.insecure_channel(self._target, options=options)
        return grpc.aio.secure_channel(self._target, self._certificates.client(), options=options)

    def wrapper(self, path: str) -> _Call:
        """What is around the calls of one method."""
        method = contract.methods(contract.service_of(path))[path]
        return _Call(method, self._metrics.method(method.name), self._tracing)


class _StubMaker:
    """Stands in for a channel while a generated stub collects its methods."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def unary_unary(self, path: str, **options: Any) -> Any:
        """A method with one request and one answer."""
        return self._channel.wrapper(path).around(self._channel.dial(path, "unary_unary", options))

    def unary_stream(self, path: str, **options: Any) -> Any:
        """A method with one request and many answers."""
        dial = self._channel.dial(path, "unary_stream", options)
        return self._channel.wrapper(path).around_stream(dial)


class _Dial:
    """One method over whichever channel its owner has at the moment."""

    def __init__(self, path: str, kind: str, options: Mapping[str, Any]) -> None:
        self.path = path
        self._kind = kind
        self._options = options
        self._method: Any = None

    def connect(self, channel: grpc.aio.Channel) -> None:
        """Calls from now on go over `channel`."""
        self._method = getattr(channel, self._kind)(self.path, **self._options)

    def __call__(self, *arguments: Any, **more: Any) -> Any:
        return self._method(*arguments, **more)


class _Call:
    """The wrapper around one method."""

    def __init__(self, method: Method, metrics: MethodMetrics, tracing: Tracing) -> None:
        self._name = method.name
        self._metrics = metrics
        self._tracing = tracing

    def around(self, inner: Any) -> Callable[..., Awaitable[Any]]:
        """The method to call instead of `inner`."""
        metrics = self._metrics

        async def call(
            request: Any, *, timeout: float | None = None, metadata: Metadata = (), **more: Any
        ) -> Any:
            budget = _budget(timeout)
            started = time.perf_counter()
            rpc = None
            with self._span() as span:
                try:
                    rpc = inner(
                        request, timeout=budget, metadata=_with_trace(span, metadata), **more
                    )
                    response = await rpc
                except grpc.aio.AioRpcError as error:
                    self._fail(error, span)
                except asyncio.CancelledError:
                    self._leave(rpc, span)
                    raise
                finally:
                    metrics.observe(time.perf_counter() - started)
            metrics.count("OK")
            return response

        return call

    def around_stream(self, inner: Any) -> Callable[..., AsyncIterator[Any]]:
        """The streaming method to call instead of `inner`; it has a deadline only if given one."""

        async def follow(
            request: Any, *, timeout: float | None = None, metadata: Metadata = (), **more: Any
        ) -> AsyncIterator[Any]:
            # No span is made current: whoever reads may do so from several tasks.
            span = Span(current_traceparent())
            rpc = inner(request, timeout=timeout, metadata=_with_trace(span, metadata), **more)
            with self._metrics.stream():
                try:
                    async for message in rpc:
                        yield message
                except grpc.aio.AioRpcError as error:
                    self._fail(error, span)
                except (asyncio.CancelledError, GeneratorExit) as error:
                    self._leave(rpc, span)
                    if _connection_closed(error):
                        raise Unavailable("CONNECTION_CLOSED", "Resume on a new one.") from None
                    raise
            self._metrics.count("OK")

        return follow

    def _span(self) -> Span:
        current = current_traceparent()
        if not current or not is_sampled(current):
            return Span(current)
        return self._tracing.start_span(self._name, kind="client")

    def _fail(self, error: grpc.aio.AioRpcError, span: Span) -> NoReturn:
        known = from_rpc_error(error)
        self._metrics.count(error.code().name)
        span.set(STATUS_CODE, error.code().value[0])
        raise known from error

    def _leave(self, rpc: Any, span: Span) -> None:
        """Whoever waits for the answer has gone: the server shall know."""
        self._metrics.count("CANCELLED")
        span.set(STATUS_CODE, grpc.StatusCode.CANCELLED.value[0])
        if rpc is not None:
            rpc.cancel()


def _connection_closed(error: BaseException) -> bool:
    """Whether the reader was not cancelled himself, but his channel was closed under him."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and (task is None or not task.cancelling())


def _budget(timeout: float | None) -> float:
    budget = deadlines.bounded(deadlines.DEFAULT_TIMEOUT if timeout is None else timeout)
    if budget <= 0:
        raise DeadlineExceeded("BUDGET_SPENT", "No time is left to ask.")
    return budget


def _with_trace(span: Span, metadata: Metadata) -> tuple[tuple[str, str | bytes], ...] | None:
    if not span.traceparent:
        return tuple(metadata) or None
    return ((TRACEPARENT, span.traceparent), *metadata)
