"""Which identity may call which method of this service; whoever is not named is refused."""

from __future__ import annotations

from meshkit.access import Access
from meshkit.identity import GATEWAY, MESSAGING, OPERATOR, READER
from services.audit import servicer as audit

ACCESS: Access = {
    **audit.ACCESS,
    "conserje.booking.v1.BookingService": {
        "SearchAvailability": (MESSAGING, OPERATOR, READER),
        "BatchSearchAvailability": (MESSAGING, OPERATOR, READER),
        "AcquireLock": (MESSAGING, OPERATOR),
        "BatchAcquireLocks": (MESSAGING, OPERATOR),
        "ReleaseLock": (MESSAGING, OPERATOR),
        "RevokeLock": (OPERATOR,),
        "ExtendLock": (MESSAGING, OPERATOR),
        "GetLock": (MESSAGING, OPERATOR, READER),
        "ListLocks": (OPERATOR, READER),
        "ListLockEvents": (OPERATOR, READER),
        "CheckConflicts": (OPERATOR, READER),
        "ConfirmReservation": (MESSAGING, OPERATOR),
        "GetReservation": (MESSAGING, OPERATOR, READER),
        "CreateReservation": (MESSAGING, OPERATOR),
        "ModifyReservation": (MESSAGING, OPERATOR),
        "ListReservations": (MESSAGING, OPERATOR, READER),
        "ListReservationEvents": (OPERATOR, READER),
        "GetReservationTerms": (MESSAGING, OPERATOR, READER),
        "QuoteCancellation": (MESSAGING, OPERATOR, READER),
        "CancelReservation": (MESSAGING, OPERATOR),
        "CheckInReservation": (OPERATOR,),
        "CheckOutReservation": (OPERATOR,),
        "RecordNoShow": (OPERATOR,),
        "QuoteLateCheckout": (MESSAGING, OPERATOR, READER),
        "AcceptLateCheckout": (MESSAGING, OPERATOR),
        "SubmitDepositReceipt": (MESSAGING, OPERATOR),
        "ApproveDeposit": (OPERATOR,),
        "RejectDeposit": (OPERATOR,),
        "WatchReservations": (MESSAGING, OPERATOR, READER),
    },
    "conserje.booking.v1.PmsService": {
        "GetPmsConnection": (OPERATOR, READER),
        "SetPmsConnection": (OPERATOR,),
        "DeletePmsConnection": (OPERATOR,),
        "CheckPms": (OPERATOR, READER),
        "ComparePms": (OPERATOR, READER),
        "ReceivePmsNotice": (GATEWAY,),
    },
    "conserje.booking.v1.InventoryService": {
        "GetInventory": (OPERATOR, READER),
        "ImportInventory": (OPERATOR,),
    },
    "conserje.booking.v1.RoomService": {
        "ShutRoom": (OPERATOR,),
        "ReopenRoom": (OPERATOR,),
        "ListRoomClosures": (OPERATOR, READER),
        "ListDebts": (OPERATOR, READER),
        "AssignRooms": (OPERATOR,),
    },
}
