-- Changes by hand are recorded, see `meshkit/operators.py`.
SELECT audit.watch('guest_erasure');
