"""One trace from the webhook to the Graph API, and the same way told from rows."""

from __future__ import annotations

import hashlib

import grpc
import pytest
from conserje.messaging.v1.event_pb2 import DELIVERY_STATE_DELIVERED
from conserje.messaging.v1.messaging_service_pb2 import TraceMessageRequest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from meshkit.telemetry import Tracing
from tests.integration.messaging.mesh import TENANT, Mesh, ids_in, status, tap, text

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
ASKS = "del 10 al 12 de diciembre para 2 personas"
WAY = [
    "gateway.receive",
    "inbox.commit",
    "step.start",
    "step.commit",
    "outbox.sending",
    "graph.accepted",
    "status.delivered",
]


async def test_the_way_of_a_message_by_its_wamid_and_by_ours(mesh: Mesh) -> None:
    stub = await mesh.start()
    long = "wamid." + "x" * 90
    for wamid in ("wamid.mine", long):
        asked = text("hola", wamid=wamid, traceparent=PARENT)
        asked.event.item_key = item_key(wamid)
        await mesh.say(stub, asked)
    sent = await mesh.accepted(2)
    await mesh.until_quiet()
    for one in sent:
        about = {"wamid": one["wamid"], "opaque": one["biz_opaque_callback_data"]}
        await mesh.say(stub, status(DELIVERY_STATE_DELIVERED, **about))
    for name in ("wamid.mine", long, sent[0]["wamid"]):
        told = await stub.TraceMessage(TraceMessageRequest(whatsapp_message_id=name), timeout=5)
        assert (told.tenant_id, told.trace_id) == (TENANT, TRACE)
        names = [hop.name for hop in told.hops]
        assert sorted(set(names)) == sorted(WAY), name
        times = [hop.time.ToNanoseconds() for hop in told.hops]
        assert times == sorted(times)
        assert "34600000001" not in str(told)


def item_key(wamid: str) -> bytes:
    """As the gateway makes it."""
    plain = b"m" + wamid.encode()
    return plain if len(plain) <= 64 else b"M" + hashlib.sha256(plain).digest()


async def test_by_the_code_a_guest_was_told(mesh: Mesh) -> None:
    stub = await mesh.start()
    await mesh.say(stub, text(ASKS))
    await mesh.say(stub, tap(ids_in((await mesh.accepted(1))[0])[0]))
    await mesh.say(stub, tap(ids_in((await mesh.accepted(2))[1])[0], traceparent=PARENT))
    await mesh.accepted(3)
    await mesh.until_quiet()
    asked = TraceMessageRequest(confirmation_code="k7m2-qx9p")
    told = await stub.TraceMessage(asked, timeout=5)
    names = [hop.name for hop in told.hops]
    assert told.trace_id == TRACE
    assert {"effect.sent", "effect.answered", "graph.accepted"} < set(names)
    assert names.index("effect.answered") < names.index("outbox.sending")


async def test_what_nobody_knows(mesh: Mesh) -> None:
    stub = await mesh.start("serve")
    with pytest.raises(grpc.aio.AioRpcError) as unknown:
        await stub.TraceMessage(TraceMessageRequest(confirmation_code="NOPE"), timeout=5)
    assert unknown.value.code() is grpc.StatusCode.NOT_FOUND


async def test_one_trace_through_rows_and_workers(mesh: Mesh) -> None:
    spans = InMemorySpanExporter()
    tracing = Tracing("messaging", ratio=0.0, exporter=spans)
    stub = await mesh.start(tracing=tracing)
    await mesh.say(stub, text(ASKS))
    row = ids_in((await mesh.accepted(1))[0])[0]
    await mesh.say(stub, tap(row, traceparent=PARENT))
    await mesh.accepted(2)
    await mesh.until_quiet()
    await mesh.stop()
    ours = {
        span.name: span
        for span in spans.get_finished_spans()
        if span.context is not None and f"{span.context.trace_id:032x}" == TRACE
    }
    expected = {"messaging.step", "messaging.effect", "messaging.send"}
    assert expected <= set(ours)
    assert "conserje.booking.v1.BookingService/AcquireLock" in ours
    sent = ours["messaging.send"]
    assert sent.context is not None
    assert mesh.graph.traceparents[1] == f"00-{TRACE}-{sent.context.span_id:016x}-01"
    assert mesh.graph.traceparents[0][3:35] != TRACE
