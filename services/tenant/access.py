"""Which identity may call which method of this service; whoever is not named is refused."""

from __future__ import annotations

from meshkit.access import Access
from meshkit.identity import BOOKING, GATEWAY, MESSAGING, OPERATOR, READER
from services.audit import servicer as audit

ACCESS: Access = {
    **audit.ACCESS,
    "conserje.tenant.v1.TenantService": {
        "ResolveTenant": (GATEWAY, MESSAGING, OPERATOR, READER),
        "BatchResolveTenants": (GATEWAY, MESSAGING, OPERATOR, READER),
        "WatchTenants": (GATEWAY, MESSAGING, OPERATOR, READER),
        "BatchGetTenantProfiles": (MESSAGING, OPERATOR, READER),
        "GetTenant": (OPERATOR, READER),
        "ListTenants": (OPERATOR, READER),
        "CreateTenant": (OPERATOR,),
        "UpdateTenant": (OPERATOR,),
        "ImportTenants": (OPERATOR,),
        "SuspendTenant": (OPERATOR,),
        "ActivateTenant": (OPERATOR,),
        "DeleteTenant": (OPERATOR,),
        "AddNumber": (OPERATOR,),
        "UpdateNumber": (OPERATOR,),
        "MoveNumber": (OPERATOR,),
        "RemoveNumber": (OPERATOR,),
        "AddIdentifier": (OPERATOR,),
        "MoveIdentifier": (OPERATOR,),
        "RemoveIdentifier": (OPERATOR,),
        "ListIdentifiers": (OPERATOR, READER),
    },
    # Operators write secrets and cannot read them; each kind is read by who uses it.
    "conserje.tenant.v1.CredentialService": {
        "SetCredential": (OPERATOR,),
        "RemoveCredential": (OPERATOR,),
        "ListCredentials": (OPERATOR, READER),
        "SetApp": (OPERATOR,),
        "RemoveApp": (OPERATOR,),
        "ListApps": (OPERATOR, READER),
        "SetPortfolio": (OPERATOR,),
        "RemovePortfolio": (OPERATOR,),
        "ListPortfolios": (OPERATOR, READER),
        "SetBusinessAccount": (OPERATOR,),
        "RemoveBusinessAccount": (OPERATOR,),
        "ListBusinessAccounts": (OPERATOR, READER),
        "ReadAppCredentials": (GATEWAY,),
        "ReadAccessToken": (MESSAGING,),
        "ReadPmsCredential": (BOOKING,),
        "WatchCredentials": (GATEWAY, MESSAGING, BOOKING),
        "ListKeys": (OPERATOR, READER),
        "RotateKeys": (OPERATOR,),
    },
}
