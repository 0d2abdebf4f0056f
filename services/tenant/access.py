"""Which identity may call which method of this service; whoever is not named is refused."""

from __future__ import annotations

from meshkit.access import Access
from meshkit.identity import GATEWAY, MESSAGING, OPERATOR, READER

ACCESS: Access = {
    "conserje.tenant.v1.TenantService": {
        "ResolveTenant": (GATEWAY, MESSAGING, OPERATOR, READER),
        "BatchResolveTenants": (GATEWAY, MESSAGING, OPERATOR, READER),
        "WatchTenants": (GATEWAY, MESSAGING, OPERATOR, READER),
        "GetTenant": (OPERATOR, READER),
        "ListTenants": (OPERATOR, READER),
        "CreateTenant": (OPERATOR,),
        "UpdateTenant": (OPERATOR,),
        "SuspendTenant": (OPERATOR,),
        "ActivateTenant": (OPERATOR,),
        "DeleteTenant": (OPERATOR,),
        "AddNumber": (OPERATOR,),
        "RemoveNumber": (OPERATOR,),
    },
}
