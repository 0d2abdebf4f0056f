"""Which identity may call which method of this service; whoever is not named is refused."""

from __future__ import annotations

from meshkit.access import Access
from meshkit.identity import GATEWAY, OPERATOR, READER
from services.audit import servicer as audit

ACCESS: Access = {
    **audit.ACCESS,
    "conserje.messaging.v1.MessagingService": {
        "IngestEvent": (GATEWAY,),
        "BatchIngestEvents": (GATEWAY,),
        "TraceMessage": (OPERATOR, READER),
    },
    "conserje.messaging.v1.MessagingOperationsService": {
        # Items in it may be anybody's, so that whoever may only read does not read these.
        "ListQuarantine": (OPERATOR,),
        "ReleaseQuarantine": (OPERATOR,),
        "ListDeadLetters": (OPERATOR, READER),
        "RetryDeadLetter": (OPERATOR,),
        "DropDeadLetter": (OPERATOR,),
        "ListUnknownSends": (OPERATOR, READER),
        "SettleSend": (OPERATOR,),
        "ListConversations": (OPERATOR, READER),
        "GetWindow": (OPERATOR, READER),
        "ListHeldSends": (OPERATOR, READER),
        "DropHeldSend": (OPERATOR,),
        "ListMerges": (OPERATOR, READER),
        "GetWindowTemplate": (OPERATOR, READER),
        "SetWindowTemplate": (OPERATOR,),
        # It opens what guests wrote, though it tells nothing of it.
        "ReplayConversation": (OPERATOR,),
        "EraseGuest": (OPERATOR,),
    },
    "conserje.messaging.v1.MediaService": {
        "GetMedia": (OPERATOR, READER),
        "ListMedia": (OPERATOR, READER),
        "RetryMedia": (OPERATOR,),
        "SendMedia": (OPERATOR,),
        "EraseMedia": (OPERATOR,),
        "ListAudioCacheEntries": (OPERATOR, READER),
        "PurgeAudioCache": (OPERATOR,),
    },
    "conserje.messaging.v1.NumberService": {
        "VerifyNumber": (OPERATOR,),
    },
    "conserje.messaging.v1.UsageService": {
        "GetUsage": (OPERATOR, READER),
        "SetUsageCap": (OPERATOR,),
    },
    "conserje.messaging.v1.TemplateService": {
        "ListTemplates": (OPERATOR, READER),
        "SyncTemplates": (OPERATOR,),
        "SendTemplate": (OPERATOR,),
    },
}
