"""Places in lists, as tokens."""

from __future__ import annotations

import base64

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from meshkit import pages
from meshkit.errors import InvalidArgument

PARTS = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")))


@given(PARTS)
def test_a_token_names_the_place_it_was_made_of(place: list[str]) -> None:
    assert pages.from_token(pages.to_token(*place), len(place)) == place


@given(st.text(max_size=40))
@example("?")
@example(pages.to_token("a", "b"))
@example(pages.to_token("\0"))
@example(base64.urlsafe_b64encode(b'"x"').decode())
def test_what_is_no_token_of_the_list_is_bad_input(token: str) -> None:
    with pytest.raises(InvalidArgument, match="page_token"):
        pages.from_token(token, 1)


@pytest.mark.parametrize("number", ["-1", "x", "1.5", "²", "9" * 19])
def test_a_number_that_no_list_has_is_bad_input(number: str) -> None:
    with pytest.raises(InvalidArgument, match="page_token"):
        pages.number_from_token(pages.to_token(number))


def test_a_page_has_the_size_that_was_asked_for_within_bounds() -> None:
    assert [pages.page_size(asked) for asked in (0, 1, 200, 201)] == [50, 1, 200, 200]
