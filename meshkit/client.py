"""The client side of every RPC: one wrapper around each method of a stub.

Every call carries a deadline (what is left of the caller's budget, 5 s at
most unless told otherwise) and the trace; what the peer answers with comes back
as the `MeshError` it raised.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NoReturn, TypeVar, cast

import grpc

from meshkit import contract, deadlines
from meshkit.contract import Method
from meshkit.errors import DeadlineExceeded
from meshkit.metrics import MethodMetrics, RpcMetrics
from meshkit.status import from_rpc_error
from meshkit.telemetry import STATUS_CODE, Span, Tracing, current_traceparent, is_sampled
from meshkit.transport import Transport

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
    ) -> None:
        """`retries` is for the first caller in the mesh only: others pass errors on."""
        self._target = target
        self._tracing = tracing
        self._metrics = metrics
        self._retries = retries
        self._transport = transport or Transport()
        self._channels: dict[str, grpc.aio.Channel] = {}

    def stub(self, make: Callable[[grpc.aio.Channel], StubT]) -> StubT:
        """A generated stub whose calls are awaited, and raise `MeshError`."""
        return make(cast("grpc.aio.Channel", _StubMaker(self)))

    async def aclose(self) -> None:
        """Close the connections; calls under way are cancelled."""
        for channel in self._channels.values():
            await channel.close()

    def raw(self, path: str) -> grpc.aio.Channel:
        """The gRPC channel for a method: one per service, which has its own retry policy."""
        service = contract.service_of(path)
        if service not in self._channels:
            retried = contract.methods(service).values() if self._retries else ()
            self._channels[service] = grpc.aio.insecure_channel(
                self._target, options=self._transport.client_options(retried)
            )
        return self._channels[service]

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
        return self._channel.wrapper(path).around(
            self._channel.raw(path).unary_unary(path, **options)
        )


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


def _budget(timeout: float | None) -> float:
    budget = deadlines.bounded(deadlines.DEFAULT_TIMEOUT if timeout is None else timeout)
    if budget <= 0:
        raise DeadlineExceeded("BUDGET_SPENT", "No time is left to ask.")
    return budget


def _with_trace(span: Span, metadata: Metadata) -> tuple[tuple[str, str | bytes], ...] | None:
    if not span.traceparent:
        return tuple(metadata) or None
    return ((TRACEPARENT, span.traceparent), *metadata)
