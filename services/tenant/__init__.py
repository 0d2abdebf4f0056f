"""Says which hotel a WhatsApp number belongs to, and how to speak to its guests.

Owns: the hotels (tenants) and their WhatsApp numbers. Nobody else reads these
tables.

Promises: answers come from memory, from one consistent reading of the
database; a change is seen within about a second; when Postgres is away the
last reading goes on serving and says how old it is; a number it does not know
is never taken for another hotel's.

Called by: messaging and the gateway, which keep a copy of the directory
(`WatchTenants`), and operators, who create and change hotels.
Calls: nobody.
"""
