"""The chart's README tells the values of today."""

from __future__ import annotations

from scripts import chart_values


def test_the_table_of_values_is_up_to_date() -> None:
    assert chart_values.README.read_text() == chart_values.readme()


def test_every_value_without_a_comment_has_a_neighbour_that_tells_of_it() -> None:
    rows = [line.split("|")[1:4] for line in chart_values.table().splitlines()[2:]]
    assert len(rows) > 50
    assert all(row[0].strip().startswith("`") for row in rows)
