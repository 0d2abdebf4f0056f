"""Replies as the Graph API takes them, and what its answers mean."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.messaging.replies.model import Button, Buttons, ListMenu, Row, Text
from services.messaging.whatsapp.build import addressed, parts
from services.messaging.whatsapp.client import Accepted, Refused, Unknown, outcome_of
from services.messaging.whatsapp.codes import Reaction
from services.messaging.whatsapp.replies import send_of

META = Path(__file__).parents[2] / "data" / "meta"


def sent(reply: Text | Buttons | ListMenu) -> dict[str, object]:
    (part,) = parts(send_of(reply))
    body = part.body("hotel/1")
    whole: dict[str, object] = json.loads(addressed(body, b"34600000001", None))
    assert whole["type"] == part.kind
    return whole


def test_a_text() -> None:
    assert sent(Text("hola")) == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "34600000001",
        "type": "text",
        "text": {"body": "hola", "preview_url": False},
        "biz_opaque_callback_data": "hotel/1",
    }


def test_buttons() -> None:
    assert sent(Buttons("¿Sí?", (Button("y", "Sí"), Button("n", "No"))))["interactive"] == {
        "type": "button",
        "body": {"text": "¿Sí?"},
        "action": {
            "buttons": [
                {"type": "reply", "reply": {"id": "y", "title": "Sí"}},
                {"type": "reply", "reply": {"id": "n", "title": "No"}},
            ]
        },
    }


def test_a_list_leaves_empty_descriptions_out() -> None:
    menu = ListMenu("Elige", "Ver", (Row("1", "Doble", "200 €"), Row("2", "Suite")))
    assert sent(menu)["interactive"] == {
        "type": "list",
        "body": {"text": "Elige"},
        "action": {
            "button": "Ver",
            "sections": [
                {
                    "rows": [
                        {"id": "1", "title": "Doble", "description": "200 €"},
                        {"id": "2", "title": "Suite"},
                    ]
                }
            ],
        },
    }


def test_the_recipient_is_a_number_or_a_user_id_and_cannot_break_out() -> None:
    (part,) = parts(send_of(Text("hola")))
    body = part.body("hotel/1")
    assert json.loads(addressed(body, b"34", b"ES.1"))["to"] == "34"
    assert json.loads(addressed(body, None, b"ES.1"))["recipient"] == "ES.1"
    odd = b'"},{\0'
    assert json.loads(addressed(body, odd, None))["to"] == '"},{\0'
    with pytest.raises(ValueError, match="address"):
        addressed(body, None, None)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        *((code, Reaction.RETRY) for code in (1, 2, 4, 17, 130429, 131000, 131016, 133004)),
        (131056, Reaction.WAIT_FOR_PAIR),
        *((code, Reaction.SLOW_NUMBER) for code in (80007, 131048, 131064, 613)),
        *((code, Reaction.STOP) for code in (0, 3, 10, 190, 200, 299, 131042, 131031)),
        *((code, Reaction.NEVER) for code in (100, 803, 131026, 131050, 99999)),
        *((code, Reaction.LATER) for code in (130472, 131049)),
        *((code, Reaction.CHANGE_FORM) for code in (131047, 131051, 132001, 132012)),
    ],
)
def test_codes_are_classified_whatever_the_http_status(code: int, kind: Reaction) -> None:
    body = json.dumps({"error": {"code": code, "message": "x"}}).encode()
    for status in (200, 400, 401, 429, 500, 503):
        outcome = outcome_of(status, body)
        assert isinstance(outcome, Refused)
        assert (outcome.code, outcome.reaction) == (code, kind)


def test_a_transient_error_is_tried_again() -> None:
    body = json.dumps({"error": {"code": 77777, "is_transient": True}}).encode()
    outcome = outcome_of(500, body)
    assert isinstance(outcome, Refused)
    assert outcome.reaction is Reaction.RETRY


# Every code among Meta's 266 examples, written down by hand. 400 and 403 are no
# codes that Meta documents: its examples of a Flow's own endpoint answer with them.
EXAMPLES = {
    **dict.fromkeys((2, 4, 17), Reaction.RETRY),
    **dict.fromkeys((613, 80007), Reaction.SLOW_NUMBER),
    **dict.fromkeys((100, 400, 403, 803), Reaction.NEVER),
    **dict.fromkeys((10, 104, 190, 200), Reaction.STOP),
}


@pytest.mark.parametrize(
    "path", sorted((META / "error_responses").glob("*.json")), ids=lambda path: path.stem
)
def test_every_error_of_metas_examples_is_understood(path: Path) -> None:
    outcome = outcome_of(400, path.read_bytes())
    assert isinstance(outcome, Refused)
    code = json.loads(path.read_bytes())["error"]["code"]
    assert outcome.code == code
    assert outcome.reaction is EXAMPLES[code]


ANSWERS = [
    path
    for path in sorted((META / "send_responses").glob("*.json"))
    if b'"messages"' in path.read_bytes()
]


def test_the_one_answer_without_a_message_is_that_of_a_read_mark() -> None:
    assert len(ANSWERS) == 43
    answer = META / "send_responses" / "200_send_typing_indicator_and_read_receipt.json"
    assert outcome_of(200, answer.read_bytes()) == Accepted("")


@pytest.mark.parametrize("path", ANSWERS, ids=lambda path: path.stem)
def test_every_answer_of_metas_examples_is_understood(path: Path) -> None:
    answer = json.loads(path.read_bytes())
    assert outcome_of(200, path.read_bytes()) == Accepted(answer["messages"][0]["id"])


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"error":{}}', b'{"error":"x"}', b"[]"])
def test_a_server_error_without_a_code_says_nothing(status: int, body: bytes) -> None:
    assert isinstance(outcome_of(status, body), Unknown)


@pytest.mark.parametrize("body", [b"", b"null", b"{}", b'{"messages":[]}', b'{"messages":[{}]}'])
def test_accepted_without_a_name_is_accepted(body: bytes) -> None:
    assert outcome_of(200, body) == Accepted("")


@pytest.mark.parametrize("status", [408, 425, 429])
def test_what_says_not_now_without_a_code_is_tried_again(status: int) -> None:
    outcome = outcome_of(status, b"<html>Too many requests</html>")
    assert isinstance(outcome, Refused)
    assert outcome.reaction is Reaction.RETRY


def test_a_client_error_without_a_code_is_a_refusal() -> None:
    outcome = outcome_of(404, b"not found")
    assert isinstance(outcome, Refused)
    assert outcome.reaction is Reaction.NEVER
