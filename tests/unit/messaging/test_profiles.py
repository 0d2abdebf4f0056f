"""Profiles are kept by version, within a bound, and an old one is better than none."""

from __future__ import annotations

from typing import Any

import pytest
from conserje.tenant.v1 import settings_pb2 as pb
from conserje.tenant.v1.tenant_service_pb2 import BatchGetTenantProfilesResponse
from prometheus_client import CollectorRegistry

from meshkit.errors import NotFound, Unavailable
from meshkit.status import to_status
from services.messaging.conversation.hotel import Hotel
from services.messaging.profiles import ProfileMetrics, Profiles, profile_of
from services.messaging.understanding.meaning import Topic
from tests.unit.replies.hotels import mirador


class Tenants:
    """Answers with the version it is at, and counts how often it is asked."""

    def __init__(self) -> None:
        self.version = 1
        self.asked: list[tuple[str, str]] = []
        self.error: Exception | None = None
        self.unknown = False
        self.text = "Hay wifi."

    async def BatchGetTenantProfiles(self, request: Any) -> BatchGetTenantProfilesResponse:
        if self.error is not None:
            raise self.error
        response = BatchGetTenantProfilesResponse()
        for item in request.items:
            self.asked.append((item.tenant_id, item.language_code))
            result = response.results.add()
            if self.unknown:
                result.error.CopyFrom(to_status(NotFound("TENANT_UNKNOWN"), "tenant.conserje"))
                continue
            profile = result.value
            profile.tenant_id, profile.version = item.tenant_id, self.version
            profile.info_texts.add(topic=pb.INFO_TOPIC_WIFI, language_code="es", text=self.text)
            profile.info_texts.add(topic=99, language_code="es", text="Later")
        return response


def profiles(tenants: Tenants, most_bytes: int = 10_000) -> tuple[Profiles, CollectorRegistry]:
    registry = CollectorRegistry()
    return Profiles(tenants, ProfileMetrics(registry), most_bytes), registry  # type: ignore[arg-type]


def hotel(version: int, tenant_id: str = "hotel-mirador") -> Hotel:
    return mirador(version=version, tenant_id=tenant_id)


async def wifi(kept: Profiles, of: Hotel) -> str:
    return profile_of(await kept.get(of, "es"), of).texts[Topic.WIFI]


async def test_it_is_asked_for_once_for_each_version_and_language() -> None:
    tenants = Tenants()
    kept, _ = profiles(tenants)
    for _ in range(3):
        assert await wifi(kept, hotel(1)) == "Hay wifi."
    await kept.get(hotel(1), "en")
    assert tenants.asked == [("hotel-mirador", "es"), ("hotel-mirador", "en")]
    tenants.version, tenants.text = 2, "Ya no."
    assert await wifi(kept, hotel(1)) == "Hay wifi."
    assert await wifi(kept, hotel(2)) == "Ya no."
    assert len(tenants.asked) == 3


async def test_it_is_bounded_and_the_least_used_go() -> None:
    tenants = Tenants()
    kept, registry = profiles(tenants, most_bytes=1000)
    for number in range(200):
        await kept.get(hotel(1, "often"), "es")
        await kept.get(hotel(1, f"hotel-{number}"), "es")
    count = registry.get_sample_value("tenant_profiles_kept")
    size = registry.get_sample_value("tenant_profiles_kept_bytes")
    assert count is not None
    assert size is not None
    assert 5 < count < 200
    assert 1000 - 100 < size <= 1000
    assert tenants.asked.count(("often", "es")) == 1
    assert registry.get_sample_value("tenant_profiles_total", {"outcome": "hit"}) == 199


async def test_while_the_service_is_away_an_older_one_is_told() -> None:
    tenants = Tenants()
    kept, registry = profiles(tenants)
    await kept.get(hotel(1), "es")
    tenants.error = Unavailable("CONNECTION_LOST")
    assert await wifi(kept, hotel(2)) == "Hay wifi."
    with pytest.raises(Unavailable):
        await kept.get(hotel(1), "en")
    assert registry.get_sample_value("tenant_profiles_total", {"outcome": "stale"}) == 1
    assert registry.get_sample_value("tenant_profiles_total", {"outcome": "failed"}) == 1


async def test_an_item_without_a_profile_raises_its_error() -> None:
    tenants = Tenants()
    tenants.unknown = True
    kept, _ = profiles(tenants)
    with pytest.raises(NotFound, match="TENANT_UNKNOWN"):
        await kept.get(hotel(1), "es")
