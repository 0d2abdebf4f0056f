-- Changes by hand are recorded, see `meshkit/operators.py`.
SELECT audit.watch('property'), audit.watch('room_type'), audit.watch('room'),
       audit.watch('night_inventory'), audit.watch('room_closure'),
       audit.watch('room_lock', 'owner_token'), audit.watch('reservation'), audit.watch('stay'),
       audit.watch('pms_connection'), audit.watch('pms_booking');
