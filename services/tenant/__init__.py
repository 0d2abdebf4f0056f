"""Says which hotel a WhatsApp number belongs to, and keeps what a hotel is and says.

Owns: the hotels (tenants) with their settings; their WhatsApp numbers and what
else they are found by; the secrets of hotels and of Meta apps, encrypted.
Nobody else reads these tables.

Promises: answers come from memory, from one consistent reading of the
database; a change is seen within about a second; when Postgres is away the
last reading goes on serving and says how old it is; a number it does not know
is never taken for another hotel's.

Called by: messaging and the gateway, which keep a copy of the directory
(`WatchTenants`); these and booking, which read the secrets they use and follow
their changes (`WatchCredentials`); and operators, who change all of it.
Calls: nobody.
"""
