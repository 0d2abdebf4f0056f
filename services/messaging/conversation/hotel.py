"""What a conversation has to know of the hotel it speaks for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Hotel:
    """A hotel at one moment; `now` is an aware instant, everything else its routing record."""

    tenant_id: str
    display_name: str
    time_zone: str
    default_language: str
    languages: Sequence[str]
    currency: str
    now: datetime
    version: int = 0
    """Of all that the hotel has decided; what was read under a lower one may be outdated."""
    suspended: bool = False
    """Switched off for now: guests are told what it has left for them, and nothing is begun."""

    @property
    def today(self) -> date:
        """The date at the property, which is what a guest means by a day."""
        return self.local(self.now).date()

    def local(self, moment: datetime) -> datetime:
        """An instant as the clocks of the property show it."""
        return moment.astimezone(ZoneInfo(self.time_zone))
