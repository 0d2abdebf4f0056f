"""What is told of a refusal of the Graph API."""

from __future__ import annotations

import orjson
import pytest

from meshkit.errors import FailedPrecondition, MeshError
from services.messaging.whatsapp.reader import MOST_SAID, object_of

TOKEN = "EAAGm0PX4ZCpsBA"


def refusal(message: object, code: int = 100) -> MeshError:
    """How an error of Meta's is told."""
    body = orjson.dumps({"error": {"message": message, "code": code}})
    with pytest.raises(MeshError) as caught:
        object_of(400, body, TOKEN)
    return caught.value


def test_metas_sentence_is_told_with_its_code() -> None:
    said = "(#100) Tried accessing nonexisting field (health_status)"
    error = refusal(said)
    assert isinstance(error, FailedPrecondition)
    assert error.message == f"Meta refuses: code 100 ({said})"


@pytest.mark.parametrize("secret", [TOKEN, "EAAsomebodyelses-token_9", "34600000001"])
def test_no_token_and_no_phone_number_that_it_repeats_is_told(secret: str) -> None:
    assert secret not in refusal(f"Malformed access token {secret}").message


@pytest.mark.parametrize("message", ["", None, 7, ["odd"]])
def test_without_a_sentence_the_code_is_told_alone(message: object) -> None:
    assert refusal(message).message == "Meta refuses: code 100"


def test_a_long_sentence_is_cut() -> None:
    assert len(refusal("no " * 500).message) < MOST_SAID + 40
