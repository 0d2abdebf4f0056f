"""What guests may know of a hotel, in their language."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from conserje.tenant.v1.settings_pb2 import HousePhoto, InfoText, LocalizedText
from conserje.tenant.v1.tenant_pb2 import Tenant, TenantProfile

from services.tenant.hotels.domain import Hotel
from services.tenant.hotels.wire import from_hotel

TextT = TypeVar("TextT", InfoText, LocalizedText)


def profile_of(hotel: Hotel, language_code: str) -> TenantProfile:
    """The profile in that language; where a text is missing in it, in the hotel's or any."""
    tenant = from_hotel(hotel)
    wanted = (language_code or tenant.default_language_code, tenant.default_language_code)
    answer = _chosen(tenant.suspension_policy.answers, wanted)
    profile = TenantProfile(
        tenant_id=tenant.tenant_id,
        version=hotel.version,
        info_texts=_info_texts(tenant, wanted),
        photos=[_photo(photo, wanted) for photo in tenant.photos],
        suspension_answer=answer.text if answer is not None else "",
    )
    if tenant.HasField("address"):
        profile.address.CopyFrom(tenant.address)
    if tenant.HasField("business_hours"):
        profile.business_hours.CopyFrom(tenant.business_hours)
    profile.feature_flags.CopyFrom(tenant.feature_flags)
    return profile


def _info_texts(tenant: Tenant, wanted: Sequence[str]) -> Iterable[InfoText]:
    by_topic: dict[int, list[InfoText]] = {}
    for text in tenant.info_texts:
        by_topic.setdefault(text.topic, []).append(text)
    chosen = (_chosen(by_topic[topic], wanted) for topic in sorted(by_topic))
    return [text for text in chosen if text is not None]


def _photo(photo: HousePhoto, wanted: Sequence[str]) -> HousePhoto:
    caption = _chosen(photo.captions, wanted)
    captions = [] if caption is None else [caption]
    return HousePhoto(topic=photo.topic, photo_url=photo.photo_url, captions=captions)


def _chosen(texts: Iterable[TextT], wanted: Sequence[str]) -> TextT | None:
    """The text in the first language of `wanted` that there is, `pt` for `pt-BR` and back."""
    return min(
        texts,
        key=lambda text: (_rank(text.language_code, wanted), text.language_code),
        default=None,
    )


def _rank(language_code: str, wanted: Sequence[str]) -> int:
    """Smaller is nearer: the very language, then another of the same name."""
    for place, one in enumerate(wanted):
        if one == language_code:
            return 2 * place
        if one.split("-")[0] == language_code.split("-")[0]:
            return 2 * place + 1
    return 2 * len(wanted)
