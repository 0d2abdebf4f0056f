-- Changes by hand are recorded, see `meshkit/operators.py`; never what was written.
SELECT audit.watch('inbox', 'event', 'reads'), audit.watch('quarantine', 'event'),
       audit.watch('outbox', 'body'), audit.watch('send_settlement'),
       audit.watch('window_template'), audit.watch('template');
