"""What the hotels have said about themselves: kept by version, asked for when it is needed."""

from __future__ import annotations

import datetime as dt
from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from conserje.tenant.v1.settings_pb2 import Address, BusinessHours, InfoTopic, TimeSpan
from conserje.tenant.v1.tenant_pb2 import TenantProfile
from conserje.tenant.v1.tenant_service_pb2 import (
    BatchGetTenantProfilesRequest,
    GetTenantProfileRequest,
)
from prometheus_client import CollectorRegistry, Counter, Gauge

from meshkit.errors import MeshError
from meshkit.status import from_status
from services.messaging.conversation.hotel import Hotel
from services.messaging.conversation.hours import Hours, Span
from services.messaging.conversation.profile import Profile
from services.messaging.understanding.meaning import Topic

if TYPE_CHECKING:
    from conserje.tenant.v1.tenant_service_pb2_grpc import TenantServiceAsyncStub

MOST_BYTES = 32 * 1024 * 1024
"""Of profiles as they came: some ten thousand ordinary ones; beyond, the least used go."""
# What the hotel has texts about; hours and terms are told from what they are.
TOPICS: dict[int, Topic] = {
    value: Topic[name.removeprefix("INFO_TOPIC_")] for name, value in InfoTopic.items() if value
}

Key = tuple[str, str]


class ProfileMetrics:
    """How often profiles are asked for; the gauges are set by `Profiles`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.asked = Counter(
            "tenant_profiles",
            "Profiles asked for: hit (it was kept), fetched, stale (an older one, for there was "
            "no answer), failed.",
            ["outcome"],
            registry=registry,
        )
        self.kept = Gauge("tenant_profiles_kept", "Profiles kept.", registry=registry)
        self.bytes = Gauge(
            "tenant_profiles_kept_bytes", "Size of the profiles kept.", registry=registry
        )


class Profiles:
    """One profile for each hotel and language, `most_bytes` of them at most.

    A profile is good until the hotel's routing record has a higher version.
    """

    def __init__(
        self, stub: TenantServiceAsyncStub, metrics: ProfileMetrics, most_bytes: int = MOST_BYTES
    ) -> None:
        self._stub = stub
        self._metrics = metrics
        self._most_bytes = most_bytes
        self._kept: OrderedDict[Key, tuple[int, bytes]] = OrderedDict()
        self._bytes = 0

    async def get(self, hotel: Hotel, language: str) -> bytes:
        """What the hotel says to guests who speak `language`, as it came; for `profile_of`.

        While the tenant service does not answer, an older one is better than none; without
        one its error is raised.
        """
        key = (hotel.tenant_id, language)
        kept = self._kept.get(key)
        if kept is not None and kept[0] >= hotel.version:
            self._metrics.asked.labels("hit").inc()
        else:
            kept = await self._fetched(key, kept)
        if key in self._kept:
            self._kept.move_to_end(key)
        return kept[1]

    async def _fetched(self, key: Key, older: tuple[int, bytes] | None) -> tuple[int, bytes]:
        try:
            profile = await self._ask(*key)
        except MeshError:
            self._metrics.asked.labels("failed" if older is None else "stale").inc()
            if older is None:
                raise
            return older
        self._metrics.asked.labels("fetched").inc()
        fetched = (profile.version, profile.SerializeToString(deterministic=True))
        self._keep(key, fetched)
        return fetched

    async def _ask(self, tenant_id: str, language: str) -> TenantProfile:
        item = GetTenantProfileRequest(tenant_id=tenant_id, language_code=language)
        request = BatchGetTenantProfilesRequest(items=[item])
        (result,) = (await self._stub.BatchGetTenantProfiles(request)).results
        if result.HasField("error"):
            raise from_status(result.error)
        return result.value

    def _keep(self, key: Key, fetched: tuple[int, bytes]) -> None:
        # Of two that were fetched at once the older may come last.
        if (known := self._kept.pop(key, None)) is not None:
            self._bytes -= len(known[1])
            fetched = max(known, fetched)
        self._kept[key] = fetched
        self._bytes += len(fetched[1])
        while self._bytes > self._most_bytes:
            _, (_, dropped) = self._kept.popitem(last=False)
            self._bytes -= len(dropped)
        self._metrics.kept.set(len(self._kept))
        self._metrics.bytes.set(self._bytes)


def profile_of(response: bytes, hotel: Hotel) -> Profile:
    """What the hotel has said, from its bytes as they came."""
    message = TenantProfile.FromString(response)
    flags, address = message.feature_flags, message.address
    place = address.coordinates
    return Profile(
        address=_on_one_line(address),
        coordinates=(
            (place.latitude, place.longitude) if address.HasField("coordinates") else None
        ),
        hours=(
            _hours(message.business_hours, hotel.time_zone)
            if message.HasField("business_hours")
            else None
        ),
        texts=_texts(message),
        photos=_photos(message),
        answers_questions=not flags.HasField("answer_questions") or flags.answer_questions,
        tells_hours=not flags.HasField("tell_reception_hours") or flags.tell_reception_hours,
        suspension_answer=message.suspension_answer,
    )


def _texts(message: TenantProfile) -> dict[Topic, str]:
    """By topic; one that this release does not know is passed over."""
    return {TOPICS[one.topic]: one.text for one in message.info_texts if one.topic in TOPICS}


def _photos(message: TenantProfile) -> dict[Topic, tuple[str, ...]]:
    found: dict[Topic, tuple[str, ...]] = {}
    for photo in message.photos:
        if photo.topic in TOPICS:
            topic = TOPICS[photo.topic]
            found[topic] = (*found.get(topic, ()), photo.photo_url)
    return found


def _on_one_line(address: Address) -> str:
    town = " ".join(filter(None, (address.postal_code, address.locality)))
    return ", ".join(filter(None, (*address.lines, town, address.administrative_area)))


def _hours(message: BusinessHours, time_zone: str) -> Hours:
    return Hours(
        time_zone,
        {day.weekday - 1: _spans(day.spans) for day in message.days},
        {
            dt.date(one.date.year, one.date.month, one.date.day): _spans(one.spans)
            for one in message.exceptions
        },
    )


def _spans(spans: Iterable[TimeSpan]) -> tuple[Span, ...]:
    return tuple(
        Span(dt.time.fromisoformat(span.open_time), dt.time.fromisoformat(span.close_time))
        for span in spans
    )
