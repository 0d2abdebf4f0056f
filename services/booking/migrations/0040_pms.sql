-- Hotels with a system of their own (PMS): how it is reached, and what of each
-- reservation has still to be done there.

CREATE TABLE pms_connection (
    tenant_id text NOT NULL CONSTRAINT pms_connection_property_fkey REFERENCES property,
    kind text NOT NULL CONSTRAINT pms_connection_kind_known CHECK (kind IN ('GENERIC', 'QLOAPPS')),
    base_url text NOT NULL CONSTRAINT pms_connection_base_url_length
        CHECK (length(base_url) BETWEEN 8 AND 512),
    property_id text NOT NULL CONSTRAINT pms_connection_property_id_length
        CHECK (length(property_id) BETWEEN 1 AND 64),
    -- Our room type → theirs.
    room_types jsonb NOT NULL,
    tier text NOT NULL CONSTRAINT pms_connection_tier_form CHECK (tier ~ '^[a-z][a-z0-9_]{0,31}$'),
    requests_per_second double precision NOT NULL CONSTRAINT pms_connection_rate_positive
        CHECK (requests_per_second > 0),
    version bigint NOT NULL DEFAULT 1,
    -- Who writes at the moment, to a system that cannot be written to in parallel.
    write_owner uuid,
    write_until timestamptz NOT NULL DEFAULT '-infinity',
    -- Where the next look at its changes begins; empty: from the beginning.
    cursor text NOT NULL DEFAULT '',
    CONSTRAINT pms_connection_pkey PRIMARY KEY (tenant_id)
);

-- One row a reservation that the hotel's system must have, or must not have. It is
-- written in the transaction of the change; a worker leases it (`due_time` is lease
-- and pause in one, a result counts under the lease's number only) and goes on where
-- the last one stopped:
-- CREATE: nothing was sent, or what was sent is proven not to have arrived;
-- LOOK: something was sent; the booking is looked for by its key;
-- WATCH: it is there; one more look later, for a second one that came late;
-- MODIFY: it should be otherwise; CANCEL: it must not be there; NONE: settled.
CREATE TABLE pms_booking (
    tenant_id text NOT NULL,
    reservation_id uuid NOT NULL,
    step text NOT NULL CONSTRAINT pms_booking_step_known
        CHECK (step IN ('CREATE', 'LOOK', 'WATCH', 'MODIFY', 'CANCEL', 'NONE')),
    -- The booking there; empty as long as none is known.
    booking_id text NOT NULL DEFAULT '',
    create_time timestamptz NOT NULL,
    due_time timestamptz NOT NULL,
    lease_number bigint NOT NULL DEFAULT 0,
    -- How often it was sent, and the last time.
    send_count integer NOT NULL DEFAULT 0,
    send_time timestamptz,
    -- Looks in a row, after the last send, that have found nothing.
    absence_count integer NOT NULL DEFAULT 0,
    -- Attempts of this step in a row that came to nothing, and why the last one did.
    failure_count integer NOT NULL DEFAULT 0,
    failure text NOT NULL DEFAULT '',
    CONSTRAINT pms_booking_pkey PRIMARY KEY (tenant_id, reservation_id),
    CONSTRAINT pms_booking_reservation_fkey FOREIGN KEY (tenant_id, reservation_id)
        REFERENCES reservation
);
CREATE INDEX pms_booking_due ON pms_booking (due_time) WHERE step <> 'NONE';

INSERT INTO reservation_transition (action, from_state, to_state, occupying) VALUES
    ('REQUEST', 'LOCKED', 'PENDING_PMS', true),
    ('REQUEST', 'NEW', 'PENDING_PMS', true),
    ('CONFIRM', 'PENDING_PMS', 'CONFIRMED', true),
    ('AWAIT_DEPOSIT', 'PENDING_PMS', 'AWAITING_DEPOSIT', true),
    ('REFUSE', 'PENDING_PMS', 'REFUSED', false),
    ('CANCEL', 'PENDING_PMS', 'CANCELLED', false);
