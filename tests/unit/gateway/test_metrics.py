"""What the gateway counts, under labels that nobody outside can invent."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from gateway.metrics import KINDS_OF_ITEMS, NOTICES, OUTCOMES, UNKNOWN, GatewayMetrics
from gateway.payload import translate
from tests import bodies
from tests.unit.gateway.expectations import NOW


def counted(name: str, *, times: int = 1) -> tuple[dict[str, float], dict[str, int]]:
    """The samples with labels after a body was translated, and what could not be read."""
    registry = CollectorRegistry()
    metrics = GatewayMetrics(registry)
    for _ in range(times):
        unreadable = metrics.translated(translate(bodies.body(name).data, NOW))
    samples = [sample for metric in registry.collect() for sample in metric.samples]
    return (
        {
            next(iter(sample.labels.values())): sample.value
            for sample in samples
            if sample.name in ("gateway_items_total", "gateway_unknown_items_total")
            and sample.value
        },
        dict(unreadable),
    )


def test_items_are_counted_by_kind() -> None:
    assert counted("statuses_messages_errors", times=3) == (
        {"message": 3, "status": 3, "error": 3},
        {},
    )


def test_what_is_not_known_is_counted_apart() -> None:
    assert counted("unknown_type") == ({"message": 1, "message_type": 1}, {})
    assert counted("call_permission_reply") == ({"message": 1, "message_content": 1}, {})
    assert counted("status_unknown_word") == ({"status": 1, "status_word": 1}, {})
    assert counted("status_unknown_key") == ({"status": 1, "status_part": 1}, {})
    assert counted("value_unknown_list") == (
        {"message": 1, "unreadable": 1, "unreadable_shape": 1},
        {"unreadable_shape": 1},
    )


def test_what_is_kept_raw_on_purpose_is_known() -> None:
    assert counted("contacts_full") == ({"message": 1}, {})
    assert counted("field_account_update") == ({"field_update": 1}, {})


def labels_of(registry: CollectorRegistry) -> set[str]:
    return {
        value
        for metric in registry.collect()
        for sample in metric.samples
        for name, value in sample.labels.items()
        if name != "le"
    }


def test_no_body_adds_a_label() -> None:
    registry = CollectorRegistry()
    metrics = GatewayMetrics(registry)
    before = labels_of(registry)
    for body in bodies.load():
        metrics.translated(translate(body.data, NOW))
    for junk in (b"", b"{}", b'{"object":"whatsapp_business_account","entry":[1]}'):
        metrics.translated(translate(junk, NOW))
    assert labels_of(registry) == before == {*OUTCOMES, *NOTICES, *KINDS_OF_ITEMS, *UNKNOWN}
