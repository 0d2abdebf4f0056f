-- The second wall: rows show to who has named their hotel, see `meshkit/tenancy.py`.
SELECT tenancy.wall('property'), tenancy.wall('room_type'), tenancy.wall('room'),
       tenancy.wall('night_inventory'), tenancy.wall('room_lock'), tenancy.wall('lock_audit'),
       tenancy.wall('request_answer'), tenancy.wall('reservation'), tenancy.wall('stay'),
       tenancy.wall('reservation_event'), tenancy.wall('room_closure'),
       tenancy.wall('pms_connection'), tenancy.wall('pms_booking'), tenancy.wall('pms_elsewhere'),
       tenancy.wall('pms_notice');
