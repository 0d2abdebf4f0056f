"""Whatever is asked for, what leaves is valid, and nothing that was to be read is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.graph.limits import check_send
from services.messaging.replies import limits
from services.messaging.whatsapp.build import parts, read_body
from services.messaging.whatsapp.sends import (
    Buttons,
    Choice,
    Commerce,
    Contacts,
    Flow,
    LinkButton,
    Location,
    Media,
    Menu,
    Question,
    Reaction,
    ReadMark,
    Section,
    Send,
    Template,
    Text,
)
from services.messaging.whatsapp.splitting import split

EXAMPLES = Path(__file__).parents[2] / "data" / "meta" / "send_requests"
SIGNS = st.one_of(
    st.text(max_size=200),
    st.text(st.sampled_from("👩‍👩‍👧‍👦 \x00\ud800é\u200b\nHola. ¿Sí?"), max_size=300),
    st.builds(lambda word, times: word * times, st.text(max_size=20), st.integers(0, 600)),
)
LABELS = st.text(max_size=120)
FILES = st.builds(
    Media,
    st.sampled_from(["image", "video", "document"]),
    st.text("0123456789", min_size=1, max_size=20),
    caption=SIGNS,
)
HEADERS = st.one_of(LABELS, FILES)
CHOICES = st.builds(
    Choice, st.text("abc1", min_size=1, max_size=256), LABELS, st.one_of(st.just(""), LABELS)
)
ROWS = st.builds(Choice, st.text("abc1", min_size=1, max_size=200), LABELS, LABELS)


def by_id(choice: Choice) -> str:
    return choice.id


def menus(rows: list[Choice], cuts: list[int], **about: Any) -> Menu:
    ends = sorted({cut % len(rows) for cut in cuts} - {0})
    edges = list(zip([0, *ends], [*ends, len(rows)], strict=True))
    sections = [Section(rows[a:b], f"Section {a} {'x' * a}") for a, b in edges]
    return Menu(sections=sections, **about)


SENDS: st.SearchStrategy[Send] = st.one_of(
    st.builds(Text, SIGNS, st.booleans()),
    st.builds(Media, st.sampled_from(["audio", "sticker", "image"]), st.just("1"), caption=SIGNS),
    st.builds(
        Buttons,
        SIGNS,
        st.lists(CHOICES, min_size=1, max_size=14, unique_by=by_id),
        HEADERS,
        LABELS,
    ),
    st.builds(
        menus,
        st.lists(ROWS, min_size=1, max_size=35, unique_by=by_id),
        st.lists(st.integers(0, 40), max_size=12),
        body=SIGNS,
        button=LABELS,
        header=LABELS,
        footer=LABELS,
    ),
    st.builds(LinkButton, SIGNS, LABELS, st.just("https://a.example/"), HEADERS, LABELS),
    st.builds(Flow, SIGNS, LABELS, st.just("t"), flow_id=st.just("1"), header=HEADERS),
    st.builds(Location, st.floats(-90, 90), st.floats(-180, 180), LABELS, LABELS),
    st.builds(Question, st.sampled_from(["location", "contact"]), SIGNS),
    st.builds(
        Commerce,
        st.sampled_from(["product", "order_status"]),
        st.just({"name": "x"}),
        SIGNS,
        HEADERS,
        LABELS,
    ),
)


def sent(send: Send) -> list[dict[str, Any]]:
    """What leaves, to somebody."""
    bodies = [json.loads(part.body("hotel/1")) for part in parts(send)]
    return [{**body, "to": "34600000001"} for body in bodies]


def ids_in(body: dict[str, Any]) -> Iterator[str]:
    action = body.get("interactive", {}).get("action", {})
    yield from (button["reply"]["id"] for button in action.get("buttons", []))
    for section in action.get("sections", []):
        yield from (row["id"] for row in section["rows"])


def strings_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else ():
        yield from strings_in(inner)
    for inner in value if isinstance(value, list) else ():
        yield from strings_in(inner)


def letters(text: str) -> str:
    """What remains whatever happens to white space."""
    return "".join(limits.clean(text).split())


@given(SENDS)
def test_whatever_is_asked_for_what_leaves_is_valid(send: Send) -> None:
    bodies = sent(send)
    assert bodies
    for body in bodies:
        check_send(body)


@given(SENDS)
def test_every_choice_comes_back_as_it_was_and_in_order(send: Send) -> None:
    asked: list[str] = []
    if isinstance(send, Buttons):
        asked = [choice.id for choice in send.choices]
    if isinstance(send, Menu):
        asked = [row.id for section in send.sections for row in section.rows]
    assert [one for body in sent(send) for one in ids_in(body)] == asked


@given(SENDS)
def test_nothing_that_was_to_be_read_is_lost(send: Send) -> None:
    read = letters(" ".join(text for body in sent(send) for text in strings_in(body)))
    said = [getattr(send, "body", ""), getattr(send, "caption", "")]
    if isinstance(send, LinkButton | Flow):
        said.append(send.title)
    # A label of signs that nobody can see is replaced by one that shows.
    for text in filter(limits.shows, said):
        for piece in split(limits.clean(text), 200):
            assert letters(piece)[:40] in read


@given(SIGNS, st.integers(8, 300))
def test_only_white_space_is_lost_where_a_text_is_cut(text: str, limit: int) -> None:
    text = limits.clean(text)
    pieces = split(text, limit)
    assert all(limits.width(piece) <= limit for piece in pieces)
    assert letters("".join(pieces)) == letters(text)


def test_a_long_text_is_cut_after_a_sentence() -> None:
    assert split("One two three. Four five six. Seven", 31) == [
        "One two three. Four five six.",
        "Seven",
    ]
    assert split("a\n\nb", 4) == ["a\n\nb"]


def test_more_than_three_buttons_become_a_list_and_more_than_ten_rows_pages() -> None:
    choices = [Choice(str(n), f"Room {n}") for n in range(4)]
    (menu,) = sent(Buttons("Which?", choices))
    assert menu["interactive"]["type"] == "list"
    rows = [Choice(str(n), f"Room {n}") for n in range(23)]
    pages = sent(Menu("Which?", "See", [Section(rows)]))
    assert [len(list(ids_in(page))) for page in pages] == [10, 10, 3]


def test_a_long_title_is_told_in_full_in_the_description() -> None:
    (menu,) = sent(Menu("Which?", "See", [Section([Choice("1", "A double room with a sea view")])]))
    (row,) = menu["interactive"]["action"]["sections"][0]["rows"]
    assert row["title"] == "A double room with a se…"
    assert row["description"] == "A double room with a sea view"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Media("image"),
        lambda: Media("image", id="1", link="https://a.example/"),
        lambda: Location(91, 0),
        lambda: Location(float("nan"), 0),
        lambda: Choice("x" * 257, "title"),
        lambda: Menu("b", "See", [Section([Choice("x" * 201, "title")])]),
        lambda: Buttons("b", [Choice("1", "a"), Choice("1", "b")]),
        lambda: Contacts([{"name": {}}]),
        lambda: Flow("b", "t", "token"),
        lambda: Reaction("wamid.1", " "),
    ],
)
def test_what_no_form_can_carry_is_an_error_of_ours(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        wrong()


def _of(body: dict[str, Any]) -> Send:
    """One of Meta's examples as a send; read here without any code of ours."""
    kind: Any = body.get("type") or ("interactive" if "interactive" in body else "text")
    inner = body[kind]
    if kind == "text":
        return Text(inner["body"], inner["preview_url"])
    if kind in ("image", "audio", "video", "document", "sticker"):
        return Media(kind, **inner)
    if kind == "location":
        return Location(**inner)
    if kind == "contacts":
        return Contacts(inner)
    if kind == "reaction":
        return Reaction(**inner)
    if kind == "template":
        language, components = inner["language"], inner.get("components", ())
        return Template(inner["name"], language["code"], components, "policy" in language)
    return _interactive(inner)


def _interactive(inner: dict[str, Any]) -> Send:
    kind, action = inner["type"], inner["action"]
    header = inner.get("header", {})
    media = header.get(header.get("type", ""), "") if header.get("type") == "image" else None
    about = {
        "body": inner.get("body", {}).get("text", ""),
        "header": Media("image", **media) if media else header.get("text", ""),
        "footer": inner.get("footer", {}).get("text", ""),
    }
    if kind == "button":
        return Buttons(choices=[Choice(**one["reply"]) for one in action["buttons"]], **about)
    if kind == "list":
        sections = [
            Section([Choice(**row) for row in one["rows"]], one["title"])
            for one in action["sections"]
        ]
        return Menu(button=action["button"], sections=sections, **about)
    if kind == "flow":
        told = action["parameters"]
        payload = told["flow_action_payload"]
        return Flow(
            title=told["flow_cta"],
            token=told["flow_token"],
            flow_id=told.get("flow_id", ""),
            flow_name=told.get("flow_name", ""),
            screen=payload["screen"],
            data=payload["data"],
            draft=told.get("mode") == "draft",
            **about,
        )
    return Commerce(kind, action, **about)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_each_of_metas_50_requests_is_built_as_meta_writes_it(path: Path) -> None:
    official = json.loads(path.read_bytes())
    if official.get("status") == "read":
        assert json.loads(read_body(ReadMark(official["message_id"], typing=True))) == official
        return
    reply_to = official.get("context", {}).get("message_id", "")
    (part,) = parts(_of(official))
    official.pop("to")
    # Left out in some examples, and placeholders that Meta would refuse.
    official |= {"recipient_type": "individual", "type": part.kind}
    if "header" in official.get("interactive", {}):
        header = official["interactive"]["header"]
        header["type"] = "image" if "image" in header else "text"
    assert json.loads(part.body(reply_to=reply_to)) == official
