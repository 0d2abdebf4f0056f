"""Both languages say the same thing, and no number is written into a text."""

import string

import pytest

from services.messaging.replies import about_texts, limits, price_texts, texts
from services.messaging.replies.phrase import Phrase

SAID = {**vars(texts), **vars(about_texts), **vars(price_texts)}
PHRASES = {name: value for name, value in SAID.items() if isinstance(value, Phrase)}
PHRASES |= {f"name of {topic.name}": name for topic, name in about_texts.NAMES.items()}


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("name", PHRASES)
def test_both_languages_have_the_same_places(name: str) -> None:
    phrase = PHRASES[name]
    assert places(phrase.es) == places(phrase.en)
    assert phrase.es.strip()
    assert phrase.en.strip()


@pytest.mark.parametrize("name", PHRASES)
def test_no_number_is_written_into_a_text(name: str) -> None:
    assert not any(sign.isdigit() for sign in PHRASES[name].es + PHRASES[name].en)


@pytest.mark.parametrize(
    "name", [name for name in PHRASES if name.startswith(("BUTTON_", "OFFER_BUTTON"))]
)
def test_buttons_are_short_enough_to_be_read_in_full(name: str) -> None:
    for title in (PHRASES[name].es, PHRASES[name].en):
        assert limits.width(title) <= limits.BUTTON_TITLE


def test_values_with_braces_are_shown_as_they_are() -> None:
    assert texts.CANCELLED.told("en", code="{x}") == "Your booking *{x}* is cancelled."
