"""Which identity may call which method of this service; whoever is not named is refused."""

from __future__ import annotations

from meshkit.access import Access
from meshkit.identity import GATEWAY, OPERATOR, READER

ACCESS: Access = {
    "conserje.messaging.v1.MessagingService": {
        "IngestEvent": (GATEWAY,),
        "BatchIngestEvents": (GATEWAY,),
        "TraceMessage": (OPERATOR, READER),
    },
}
