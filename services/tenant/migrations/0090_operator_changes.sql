-- Changes by hand are recorded, see `meshkit/operators.py`; never what a secret is.
SELECT audit.watch('tenant'), audit.watch('whatsapp_number'), audit.watch('identifier'),
       audit.watch('meta_app'), audit.watch('credential', 'ciphertext');
