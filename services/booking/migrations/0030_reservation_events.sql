-- What happens to a reservation after it is booked: its terms as of that day,
-- its deposit, its end, and every change as an event.

-- What the hotel asks of later guests; `services/booking/reservations/terms.py`
-- says what is in it. Empty: everything is free.
ALTER TABLE property ADD COLUMN reservation_terms jsonb NOT NULL DEFAULT '{}';

ALTER TABLE reservation
    -- One that was booked without a lock has none.
    ALTER COLUMN lock_id DROP NOT NULL,
    -- How many events it has; 0 when it was booked before there were any.
    ADD COLUMN version integer NOT NULL DEFAULT 0
        CONSTRAINT reservation_version_positive CHECK (version >= 0),
    ADD COLUMN terms jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN penalty numeric CONSTRAINT reservation_penalty_positive CHECK (penalty >= 0),
    ADD COLUMN deposit_amount numeric
        CONSTRAINT reservation_deposit_positive CHECK (deposit_amount > 0),
    ADD COLUMN deposit_due_time timestamptz,
    ADD COLUMN deposit_receipt_reference text NOT NULL DEFAULT ''
        CONSTRAINT reservation_receipt_length CHECK (length(deposit_receipt_reference) <= 200),
    ADD COLUMN deposit_receipt_time timestamptz,
    ADD COLUMN late_checkout_until timestamptz,
    ADD COLUMN late_checkout_fee numeric
        CONSTRAINT reservation_late_fee_positive CHECK (late_checkout_fee >= 0),
    ADD COLUMN check_in_time timestamptz,
    ADD COLUMN check_out_time timestamptz,
    ADD CONSTRAINT reservation_deposit_whole
        CHECK ((deposit_amount IS NULL) = (deposit_due_time IS NULL)),
    ADD CONSTRAINT reservation_late_checkout_whole
        CHECK ((late_checkout_until IS NULL) = (late_checkout_fee IS NULL));
-- Finds what may lapse; hygiene of all hotels, like the sweep of locks.
CREATE INDEX reservation_deposit_due ON reservation (deposit_due_time)
    WHERE state = 'AWAITING_DEPOSIT';
CREATE INDEX reservation_by_guest ON reservation (tenant_id, guest_id);
-- Lists go by day of arrival; all rooms of a reservation have the same nights.
CREATE INDEX stay_by_arrival ON stay (tenant_id, lower(nights), reservation_id)
    WHERE stay_number = 1;

-- The same table as `services/booking/reservations/transitions.py`; a test compares them.
INSERT INTO reservation_transition (action, from_state, to_state, occupying) VALUES
    ('CONFIRM', 'NEW', 'CONFIRMED', true),
    ('AWAIT_DEPOSIT', 'LOCKED', 'AWAITING_DEPOSIT', true),
    ('AWAIT_DEPOSIT', 'NEW', 'AWAITING_DEPOSIT', true),
    ('SUBMIT_RECEIPT', 'AWAITING_DEPOSIT', 'DEPOSIT_RECEIVED', true),
    ('APPROVE_DEPOSIT', 'AWAITING_DEPOSIT', 'CONFIRMED', true),
    ('APPROVE_DEPOSIT', 'DEPOSIT_RECEIVED', 'CONFIRMED', true),
    ('REJECT_DEPOSIT', 'DEPOSIT_RECEIVED', 'AWAITING_DEPOSIT', true),
    ('LAPSE', 'AWAITING_DEPOSIT', 'LAPSED', false),
    ('MODIFY', 'AWAITING_DEPOSIT', 'AWAITING_DEPOSIT', true),
    ('MODIFY', 'DEPOSIT_RECEIVED', 'DEPOSIT_RECEIVED', true),
    ('MODIFY', 'CONFIRMED', 'CONFIRMED', true),
    ('MODIFY', 'CHECKED_IN', 'CHECKED_IN', true),
    ('CANCEL', 'AWAITING_DEPOSIT', 'CANCELLED', false),
    ('CANCEL', 'DEPOSIT_RECEIVED', 'CANCELLED', false),
    ('CHECK_IN', 'CONFIRMED', 'CHECKED_IN', true),
    ('CHECK_OUT', 'CHECKED_IN', 'CHECKED_OUT', true),
    ('RECORD_NO_SHOW', 'CONFIRMED', 'NO_SHOW', false),
    ('ACCEPT_LATE_CHECKOUT', 'CONFIRMED', 'CONFIRMED', true),
    ('ACCEPT_LATE_CHECKOUT', 'CHECKED_IN', 'CHECKED_IN', true);
ALTER TABLE reservation_transition
    ADD CONSTRAINT reservation_transition_whole UNIQUE (action, from_state, to_state);

-- Every change of a reservation, written in the transaction that made it, with
-- the reservation as it was afterwards. It is history, the stored answer to the
-- request, and the outbox at once: events leave in the order of `transaction_id`,
-- of which a transaction uses one, and only once no older transaction is open.
CREATE TABLE reservation_event (
    tenant_id text NOT NULL,
    reservation_id uuid NOT NULL,
    version integer NOT NULL CONSTRAINT reservation_event_version_positive CHECK (version >= 1),
    action text NOT NULL,
    from_state text NOT NULL,
    to_state text NOT NULL,
    actor_kind text NOT NULL CONSTRAINT reservation_event_actor_known
        CHECK (actor_kind IN ('GUEST', 'STAFF', 'SYSTEM')),
    actor_id text NOT NULL,
    reason text NOT NULL,
    request_id uuid NOT NULL,
    event_time timestamptz NOT NULL,
    reservation jsonb NOT NULL,
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    CONSTRAINT reservation_event_pkey PRIMARY KEY (tenant_id, reservation_id, version),
    CONSTRAINT reservation_event_reservation_fkey FOREIGN KEY (tenant_id, reservation_id)
        REFERENCES reservation,
    -- The wall behind the table of transitions.
    CONSTRAINT reservation_event_is_legal FOREIGN KEY (action, from_state, to_state)
        REFERENCES reservation_transition (action, from_state, to_state),
    -- A watch may stop after any event and miss none that shares its number.
    CONSTRAINT reservation_event_one_a_transaction UNIQUE (transaction_id)
);
CREATE INDEX reservation_event_by_hotel ON reservation_event (tenant_id, transaction_id);
