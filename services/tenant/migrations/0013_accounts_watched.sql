-- Changes by hand are recorded, see `meshkit/operators.py`.
SELECT audit.watch('portfolio'), audit.watch('business_account');
