-- Changes by hand are recorded, see `meshkit/operators.py`.
SELECT audit.watch('usage_plan'), audit.watch('mailbox_merge');
