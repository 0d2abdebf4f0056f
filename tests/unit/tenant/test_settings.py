"""What a hotel may decide about itself, and how much of it a mask changes."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime

import pytest
from conserje.tenant.v1.tenant_pb2 import Tenant
from conserje.tenant.v1.tenant_service_pb2 import UpdateTenantRequest
from google.protobuf import text_format
from google.protobuf.field_mask_pb2 import FieldMask
from hypothesis import given
from hypothesis import strategies as st

from meshkit.errors import InvalidArgument
from meshkit.validation import validate
from sandbox.demo.settings import SETTINGS
from services.tenant.domain import TenantState
from services.tenant.hotels import wire
from services.tenant.hotels.domain import Hotel
from services.tenant.hotels.hours import overlap
from services.tenant.hotels.settings import FIELDS, LARGEST, add_settings
from tests.unit.tenant.settings import everything


def test_the_example_has_every_setting_and_comes_back_from_json_as_it_was() -> None:
    tenant = everything()
    validate(tenant)
    draft = wire.to_draft(tenant)
    assert set(draft.settings) == set(FIELDS)
    assert wire.from_draft(draft) == tenant
    kept = json.loads(json.dumps(draft.settings))
    assert kept == draft.settings


def test_what_a_later_release_has_written_is_passed_over() -> None:
    tenant = Tenant()
    add_settings(tenant, {"address": {"locality": "Oaxaca"}, "sauna": {"hot": True}})
    assert tenant.address.locality == "Oaxaca"


def stored(tenant: Tenant) -> None:
    """Checked as before every change."""
    wire.check_bounds(tenant)
    wire.to_draft(tenant)


BAD = (
    ("address { region_code: 'mexico' }", "address.region_code"),
    ("address { coordinates { latitude: 91 } }", "address.coordinates.latitude"),
    ("business_hours { days { weekday: WEEKDAY_MONDAY } }", "business_hours.days[2].spans"),
    (
        "business_hours { days { weekday: WEEKDAY_MONDAY"
        " spans { open_time: '01:00' close_time: '02:00' } } }",
        "business_hours.days[2]",
    ),
    (
        "business_hours { days { weekday: WEEKDAY_FRIDAY"
        " spans { open_time: '22:00' close_time: '03:00' }"
        " spans { open_time: '21:00' close_time: '22:01' } } }",
        "business_hours.days[2].spans",
    ),
    (
        "business_hours { exceptions { date { year: 2026 month: 2 day: 30 } } }",
        "business_hours.exceptions[1].date",
    ),
    (
        "business_hours { exceptions { date { year: 2026 month: 12 day: 25 } } }",
        "business_hours.exceptions[1]",
    ),
    ("info_texts { topic: INFO_TOPIC_WIFI language_code: 'es' text: 'a' }", "info_texts[2]"),
    (
        "info_texts { topic: INFO_TOPIC_POOL language_code: 'es' text: 'a\\000b' }",
        "info_texts[2].text",
    ),
    ("photos { topic: INFO_TOPIC_POOL photo_url: 'http://a.b/c' }", "photos[1].photo_url"),
    ("photos { topic: INFO_TOPIC_POOL photo_url: 'https://u:p@a.b' }", "photos[1].photo_url"),
    ("staff_contacts { display_name: 'Eva' }", "staff_contacts[1]"),
    ("staff_contacts { display_name: 'Eva' phone_number: '34 910' }", None),
    (
        "suspension_policy { answers { language_code: 'es' text: 'x' } }",
        "suspension_policy.answers[1]",
    ),
)


@pytest.mark.parametrize(("changes", "field"), BAD)
def test_what_no_hotel_can_want_is_refused_with_the_field_named(
    changes: str, field: str | None
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        stored(everything(changes))
    if field is not None:
        assert caught.value.violations[0].field == f"tenant.{field}"


def test_settings_have_a_size() -> None:
    tenant = everything()
    for topic, language in itertools.product(range(1, 17), range(26)):
        tenant.info_texts.add(topic=topic, language_code=f"x{chr(97 + language)}", text="a" * 1000)
    validate(tenant)
    with pytest.raises(InvalidArgument, match=str(LARGEST)):
        wire.to_draft(tenant)


def changed(paths: list[str], wanted: str) -> Tenant:
    """The example after a change of what the mask names."""
    given = text_format.Parse(wanted, Tenant())
    request = UpdateTenantRequest(update_mask=FieldMask(paths=paths), tenant=given)
    return wire.from_draft(wire.merged(request, wire.to_draft(everything())))


def test_a_path_into_a_setting_changes_that_alone() -> None:
    wanted = "address { locality: 'Puebla' lines: 'Elsewhere' } feature_flags {}"
    after = changed(["address.locality"], wanted)
    assert after == everything("address { locality: 'Puebla' }")


def test_lists_are_replaced_and_what_is_not_given_is_unset() -> None:
    wanted = (
        "business_hours { days { weekday: WEEKDAY_SUNDAY"
        " spans { open_time: '09:00' close_time: '10:00' } } }"
    )
    after = changed(["business_hours.days", "feature_flags", "address.coordinates"], wanted)
    assert [day.weekday for day in after.business_hours.days] == [7]
    assert len(after.business_hours.exceptions) == 1
    assert not after.HasField("feature_flags")
    assert not after.address.HasField("coordinates")
    assert after.address.locality == "Oaxaca"


@pytest.mark.parametrize(
    "path", ["address.town", "info_texts.text", "feature_flags.answer_questions.x", "etag", "", "."]
)
def test_a_path_that_leads_nowhere_is_refused(path: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        changed([path], "")
    assert caught.value.violations[0].field == "update_mask"


def clock(quarter: int) -> str:
    return f"{quarter // 4:02}:{quarter % 4 * 15:02}"


@given(st.lists(st.tuples(st.integers(0, 95), st.integers(0, 95)), max_size=5))
def test_spans_lie_over_each_other_when_a_quarter_of_an_hour_is_in_two(
    spans: list[tuple[int, int]],
) -> None:
    quarters = [
        quarter
        for start, end in spans
        for quarter in range(start, end if end > start else end + 96)
    ]
    told = [(clock(start), clock(end)) for start, end in spans]
    assert overlap(told) == (len(set(quarters)) < len(quarters))


def test_a_page_of_long_hotels_is_shorter() -> None:
    draft = wire.to_draft(
        everything("info_texts { topic: INFO_TOPIC_PETS language_code: 'es' text: 'x' }")
    )
    hotel = Hotel(draft, TenantState.ACTIVE, 1, datetime.now(UTC), datetime.now(UTC))
    heavy = wire.from_hotel(hotel).ByteSize()
    count = wire.PAGE_BYTES // heavy
    assert len(wire.page([hotel] * (count + 5), count + 3)) == count
    assert len(wire.page([hotel] * 5, 3)) == 3


@pytest.mark.parametrize("demo", SETTINGS)
def test_the_demo_hotels_have_settings_that_a_hotel_may_have(demo: str) -> None:
    tenant = Tenant(
        tenant_id=demo,
        display_name=demo,
        time_zone="Europe/Madrid",
        default_language_code="es",
        language_codes=["es"],
        currency_code="EUR",
    )
    add_settings(tenant, SETTINGS[demo])
    wire.check_bounds(tenant)
    assert wire.to_draft(tenant).settings == SETTINGS[demo]
