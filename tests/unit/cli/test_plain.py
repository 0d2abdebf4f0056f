"""Hotels as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest
from conserje.tenant.v1.tenant_pb2 import Tenant

from cli import hotel_file
from cli.places import UsageError
from tests.unit.tenant.settings import everything


def read(tmp_path: Path, text: str) -> Tenant:
    path = tmp_path / "hotel.yaml"
    path.write_text(text)
    return hotel_file.read(str(path))


def test_a_hotel_with_every_setting_comes_back_from_its_file(tmp_path: Path) -> None:
    written = hotel_file.write(everything())
    for short in ("weekday: monday", "topic: wifi", "'2026-12-25'"):
        assert short in written
    assert read(tmp_path, written) == everything()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sauna: hot", "sauna: there is no such field"),
        ("address: {town: Oaxaca}", "address.town"),
        ("address: Oaxaca", "address must have fields"),
        ("info_texts: {topic: wifi}", "info_texts must be a list"),
        ("feature_flags: {answer_questions: yes}", "true or false"),
        ("business_hours: {exceptions: [{date: 2026-02-30}]}", "exceptions[0].date"),
        (
            "business_hours: {days: [{weekday: lunes}]}",
            "days[0].weekday: 'lunes' is none of monday, tuesday",
        ),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=r".") as caught:
        read(tmp_path, text)
    assert said.lower() in str(caught.value).lower()


def test_long_settings_are_compared_line_by_line() -> None:
    after = everything()
    after.info_texts[0].text = "Otra red"
    after.display_name = "Casa Roja"
    found = dict(hotel_file.differences(everything(), after))
    assert found["display_name"] == ["display_name: Casa Verde -> Casa Roja"]
    assert any(line.startswith("+") and "Otra red" in line for line in found["info_texts"])
