"""Files that are named on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from conserje.tenant.v1.tenant_pb2 import Tenant

from cli import hotel_file, inventory_file, secret
from cli.files import parse_yaml, read_text
from cli.places import UsageError

TWICE = """\
time_zone: Europe/Madrid
room_types:
- room_type_id: doble
  max_guest_count: 3
  rooms: {doble-201: "201"}
  max_guest_count: 2
"""


def test_every_scalar_is_text() -> None:
    told = parse_yaml("a: no\nb: [010, 1.50, 2027-01-31]\nc: {d: ~}", "it")
    assert told == {"a": "no", "b": ["010", "1.50", "2027-01-31"], "c": {"d": "~"}}


@pytest.mark.parametrize("end", ["", " ", "\n", "\n\n", "\u00a0", "\u2028", ":", "#", "…"])
def test_a_hotels_file_says_what_the_hotel_says(tmp_path: Path, end: str) -> None:
    """The last text of a file as well, though it ends with what counts as a blank."""
    hotel = Tenant(tenant_id="casa-azul")
    hotel.staff_contacts.add(display_name="Ana", email=f"ana{end}")
    file = tmp_path / "hotels.yaml"
    file.write_text(hotel_file.write_many([hotel, hotel]) + "\n", "utf-8")
    assert hotel_file.read_many(str(file)) == [hotel, hotel]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("a: b: c", "it is no YAML in line 1, column 5: mapping values are not allowed"),
        ("? [e]\n: f", "it is no YAML"),
        ("a: 1\nb: \x00", "it is no YAML"),
    ],
)
def test_what_is_no_yaml_is_told_with_its_place(wrong: str, told: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_yaml(wrong, "it")
    assert str(refused.value).startswith(told)


def test_a_key_that_is_there_twice_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "hotel.yaml"
    file.write_text(TWICE)
    with pytest.raises(UsageError, match="max_guest_count is there twice, again in line 6"):
        inventory_file.from_yaml(TWICE)
    with pytest.raises(UsageError, match="yaml: max_guest_count is there twice, again in"):
        hotel_file.read(str(file))


def test_what_cannot_be_read_is_told_in_the_same_words_by_all(tmp_path: Path) -> None:
    gone, binary = tmp_path / "gone", tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    for read in (read_text, secret.read):
        with pytest.raises(UsageError, match="gone cannot be read: No such file or directory"):
            read(str(gone))
        with pytest.raises(UsageError, match="binary cannot be read: it is no text in UTF-8"):
            read(str(binary))
