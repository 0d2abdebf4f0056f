"""What guests may know of a hotel, and in which language."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from conserje.tenant.v1.tenant_pb2 import Tenant, TenantProfile

from services.tenant.domain import TenantState
from services.tenant.hotels import wire
from services.tenant.hotels.domain import Hotel
from services.tenant.hotels.profiles import profile_of
from tests.unit.tenant.settings import everything

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def profile(tenant: Tenant, language_code: str) -> TenantProfile:
    draft = wire.to_draft(tenant)
    return profile_of(Hotel(draft, TenantState.ACTIVE, 7, NOW, NOW), language_code)


@pytest.mark.parametrize(
    ("offered", "wanted", "told"),
    [
        (["es", "en"], "en", "en"),
        (["es", "en"], "", "es"),
        (["es", "pt-BR"], "pt", "pt-BR"),
        (["es", "pt-BR", "pt-PT"], "pt-PT", "pt-PT"),
        (["es", "en"], "fr", "es"),
        (["fr", "de"], "en", "de"),
    ],
)
def test_the_nearest_language_is_told(offered: list[str], wanted: str, told: str) -> None:
    tenant = everything()
    del tenant.info_texts[:]
    for code in offered:
        tenant.info_texts.add(topic="INFO_TOPIC_WIFI", language_code=code, text=code)
    assert [text.text for text in profile(tenant, wanted).info_texts] == [told]


def test_it_has_what_guests_may_know_and_nothing_else() -> None:
    found = profile(everything(), "en")
    tenant = everything()
    assert (found.tenant_id, found.version) == ("casa-verde", 7)
    assert found.address == tenant.address
    assert found.business_hours == tenant.business_hours
    assert [photo.captions[0].text for photo in found.photos] == ["La piscina"]
    assert found.suspension_answer == "Volvemos pronto."
    told = str(found)
    for secret in ("Ana", "525512345678"):
        assert secret not in told


def test_what_is_not_said_is_absent() -> None:
    tenant = everything()
    tenant.ClearField("address")
    tenant.ClearField("business_hours")
    found = profile(tenant, "es")
    assert not found.HasField("address")
    assert not found.HasField("business_hours")
