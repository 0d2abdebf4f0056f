-- What decides a price beside the nightly prices; `services/booking/inventory/catalogue.py`
-- says what is in it. Empty: no taxes, no fees, no restrictions, one plan.
ALTER TABLE property ADD COLUMN house jsonb NOT NULL DEFAULT '{}';
ALTER TABLE room_type ADD COLUMN details jsonb NOT NULL DEFAULT '{}';
