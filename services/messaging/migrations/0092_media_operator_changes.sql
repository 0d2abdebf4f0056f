-- Changes by hand are recorded, see `meshkit/operators.py`; never what was sent.
SELECT audit.watch('media', 'content');
