"""Options of gRPC connections: both ends from one place, because they must agree."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from meshkit.contract import Method

MAX_MESSAGE_BYTES = 8 * 1024 * 1024
"""A batch is 1 MiB at most; one big webhook may reach 3 MiB."""

Options = Sequence[tuple[str, str | int]]


@dataclass(frozen=True)
class Transport:
    """How connections are kept; a client that pings faster than the server allows is cut off."""

    connect_seconds: float = 3.0
    ping_seconds: float = 60.0
    ping_timeout_seconds: float = 10.0
    min_ping_seconds: float = 30.0
    max_age_seconds: float = 600.0
    """Clients resolve anew when a connection ends, so new replicas get their share."""
    age_grace_seconds: float = 60.0
    """Longer than the longest call: one that is still running after it is killed."""

    def server_options(self) -> Options:
        """For `grpc.aio.server`."""
        return (
            # Two servers on one port would share its connections at random.
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
            ("grpc.http2.min_recv_ping_interval_without_data_ms", _ms(self.min_ping_seconds)),
            ("grpc.keepalive_permit_without_calls", 1),
            # Clients also ping to measure the way. A server that was too busy to send anything in
            # between would take that for an attack and cut the connection off.
            ("grpc.http2.max_ping_strikes", 0),
            ("grpc.max_connection_age_ms", _ms(self.max_age_seconds)),
            ("grpc.max_connection_age_grace_ms", _ms(self.age_grace_seconds)),
        )

    def client_options(self, retried: Iterable[Method] = ()) -> Options:
        """For `grpc.aio.insecure_channel`; the methods named are retried when UNAVAILABLE."""
        return (
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
            ("grpc.keepalive_time_ms", _ms(self.ping_seconds)),
            ("grpc.keepalive_timeout_ms", _ms(self.ping_timeout_seconds)),
            ("grpc.keepalive_permit_without_calls", 1),
            # A peer that restarts is back within a second or two; the default waits up to 120 s.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 1000),
            # Despite its name, how long one attempt to connect may take.
            ("grpc.min_reconnect_backoff_ms", _ms(self.connect_seconds)),
            ("grpc.service_config", _service_config(retried)),
        )


def _service_config(retried: Iterable[Method]) -> str:
    names = [_method_name(method) for method in retried if method.idempotent]
    policies = [{"name": names, "retryPolicy": _RETRY_POLICY}] if names else []
    return json.dumps(
        {
            "loadBalancingConfig": [{"round_robin": {}}],
            # A replica that says NOT_SERVING gets no more calls. Without this, calls that
            # arrive at the moment of a stop would end as CANCELLED, unseen by any handler.
            "healthCheckConfig": {"serviceName": ""},
            "methodConfig": policies,
        }
    )


_RETRY_POLICY = {
    # Three waits of up to 0.1, 0.3 and 0.9 s: a rolling restart, well within a deadline of 5 s.
    "maxAttempts": 4,
    "initialBackoff": "0.1s",
    "maxBackoff": "1s",
    "backoffMultiplier": 3,
    "retryableStatusCodes": ["UNAVAILABLE"],
}


def _method_name(method: Method) -> dict[str, str]:
    service, _, name = method.name.partition("/")
    return {"service": service, "method": name}


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
