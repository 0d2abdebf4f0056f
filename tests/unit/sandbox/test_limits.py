"""What the send endpoint takes and refuses, by Meta's own examples and limits."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.graph.errors import GraphError
from sandbox.graph.limits import check_send, recipient_of

EXAMPLES = Path(__file__).parents[2] / "data" / "meta" / "send_requests"
MARK = "send_typing_indicator_and_read_receipt"
SENDS = sorted(path for path in EXAMPLES.glob("*.json") if path.stem != MARK)


def button(**changes: Any) -> dict[str, Any]:
    return {"type": "reply", "reply": {"id": "a", "title": "A", **changes}}


def row(number: int = 0, **changes: Any) -> dict[str, Any]:
    return {"id": f"row-{number}", "title": "Doble", "description": "2", **changes}


def interactive(kind: str, action: dict[str, Any], **more: Any) -> dict[str, Any]:
    content = {"type": kind, "body": {"text": "¿Cuál?"}, "action": action, **more}
    return {
        "messaging_product": "whatsapp",
        "to": "34600000001",
        "type": "interactive",
        "interactive": content,
    }


def listing(*rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    return interactive("list", {"button": "Ver", "sections": [{"rows": list(rows)}]}, **more)


def buttons(*shown: dict[str, Any], **more: Any) -> dict[str, Any]:
    return interactive("button", {"buttons": list(shown)}, **more)


def text(body: object, **more: Any) -> dict[str, Any]:
    return {"messaging_product": "whatsapp", "to": "34600000001", "text": {"body": body}, **more}


@pytest.mark.parametrize("path", SENDS, ids=lambda path: path.stem)
def test_every_example_of_meta_is_accepted(path: Path) -> None:
    body = json.loads(path.read_text())
    # Some examples hold names of variables in place of their values.
    check_send({**body, "to": "+1 (650) 555-1234"})


@pytest.mark.parametrize(
    "body",
    [
        text("x" * 4096),
        text("x", biz_opaque_callback_data="x" * 512),
        {**text("x"), "to": None, "recipient": "ES.123"},
        buttons(button(title="x" * 20, id="x" * 256), body={"text": "x" * 1024}),
        buttons(button(), footer={"text": "x" * 60}),
        listing(row(id="x" * 200, title="x" * 24, description="x" * 72), body={"text": "x" * 4096}),
        listing(*(row(number) for number in range(10))),
    ],
)
def test_what_is_just_within_the_limits_is_accepted(body: dict[str, Any]) -> None:
    check_send(body)


@pytest.mark.parametrize(
    ("body", "code", "place"),
    [
        ({**text("x"), "messaging_product": "sms"}, 100, "messaging_product"),
        ({**text("x"), "to": None}, 131008, "to"),
        ({**text("x"), "to": "Ana"}, 131009, "to"),
        ({**text("x"), "type": "carrier pigeon"}, 100, "type"),
        (text(""), 131009, "text.body"),
        (text(7), 100, "text.body"),
        (text("x" * 4097), 131009, "text.body"),
        (text("x", biz_opaque_callback_data="x" * 513), 131009, "biz_opaque_callback_data"),
        (text("x", context={}), 131008, "context.message_id"),
        (buttons(), 131009, "buttons"),
        (buttons(*(button(title=one) for one in "ABCD")), 131009, "buttons"),
        (buttons(button(), button(id="b")), 131009, "unique"),
        (buttons(button(title="x" * 21)), 131009, "buttons[0].reply.title"),
        (buttons(button(id="x" * 257)), 131009, "buttons[0].reply.id"),
        (buttons(button(), body={"text": "x" * 1025}), 131009, "interactive.body.text"),
        (buttons(button(), footer={"text": "x" * 61}), 131009, "interactive.footer.text"),
        (listing(), 131009, "rows"),
        (listing(*(row(number) for number in range(11))), 131009, "rows"),
        (listing(row(), row()), 131009, "unique"),
        (listing(row(title="x" * 25)), 131009, "rows[0].title"),
        (listing(row(description="x" * 73)), 131009, "rows[0].description"),
        (listing(row(id="x" * 201)), 131009, "rows[0].id"),
        (listing(row(), body={"text": "x" * 4097}), 131009, "interactive.body.text"),
        (listing(row(), header={"type": "image"}), 100, "interactive.header.type"),
        (interactive("riddle", {}), 100, "interactive.type"),
    ],
)
def test_what_is_beyond_is_refused_with_its_place(
    body: dict[str, Any], code: int, place: str
) -> None:
    with pytest.raises(GraphError) as refusal:
        check_send(body)
    assert refusal.value.code == code
    assert place in refusal.value.details


def test_rows_of_all_sections_are_counted_together() -> None:
    sections = [
        {"title": "a", "rows": [row(number) for number in range(6)]},
        {"title": "b", "rows": [row(number) for number in range(6, 12)]},
    ]
    with pytest.raises(GraphError, match="total row count"):
        check_send(interactive("list", {"button": "Ver", "sections": sections}))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "messaging_product": st.just("whatsapp"),
            "to": st.just("34600000001") | JSON,
            "recipient": JSON,
            "type": st.sampled_from(["text", "interactive", "location", "contacts"]) | JSON,
            "text": JSON,
            "interactive": st.fixed_dictionaries(
                {"type": st.sampled_from(["button", "list"])},
                optional={"body": JSON, "action": JSON, "header": JSON, "footer": JSON},
            ),
            "location": JSON,
            "contacts": JSON,
            "context": JSON,
        },
    )
)
def test_any_json_is_accepted_or_refused_and_never_breaks_the_server(body: dict[str, Any]) -> None:
    refusal = refusal_of(body)
    if refusal is None:
        assert any(recipient_of(body))
    else:
        assert refusal.body()["error"]["code"] in (100, 131008, 131009)


def refusal_of(body: dict[str, Any]) -> GraphError | None:
    try:
        check_send(body)
    except GraphError as refusal:
        return refusal
    return None
