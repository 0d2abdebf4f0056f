-- What a hotel sells, who holds it, who has booked it. Every key begins with the hotel.

CREATE TABLE property (
    tenant_id text NOT NULL CONSTRAINT property_tenant_id_length
        CHECK (length(tenant_id) BETWEEN 1 AND 64),
    time_zone text NOT NULL,
    currency_code char(3) NOT NULL CONSTRAINT property_currency_code_iso
        CHECK (currency_code ~ '^[A-Z]{3}$'),
    lock_seconds integer NOT NULL DEFAULT 1200 CONSTRAINT property_lock_seconds_range
        CHECK (lock_seconds BETWEEN 300 AND 3600),
    live_locks_per_guest integer NOT NULL DEFAULT 2 CONSTRAINT property_live_locks_positive
        CHECK (live_locks_per_guest >= 1),
    CONSTRAINT property_pkey PRIMARY KEY (tenant_id)
);

-- The row that every decision about a type locks first (FOR NO KEY UPDATE, in
-- key order): the one serialisation point.
CREATE TABLE room_type (
    tenant_id text NOT NULL CONSTRAINT room_type_property_fkey REFERENCES property,
    room_type_id text NOT NULL CONSTRAINT room_type_id_length
        CHECK (length(room_type_id) BETWEEN 1 AND 64),
    display_names jsonb NOT NULL,
    max_guest_count integer NOT NULL CONSTRAINT room_type_max_guest_count_range
        CHECK (max_guest_count BETWEEN 1 AND 40),
    CONSTRAINT room_type_pkey PRIMARY KEY (tenant_id, room_type_id)
);

-- `room_key` never leaves the database; outside, a room is its opaque id.
CREATE TABLE room (
    tenant_id text NOT NULL,
    room_id text NOT NULL,
    room_key bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT room_key_unique UNIQUE,
    room_type_id text NOT NULL,
    room_number text NOT NULL,
    CONSTRAINT room_pkey PRIMARY KEY (tenant_id, room_id),
    CONSTRAINT room_number_unique UNIQUE (tenant_id, room_type_id, room_number),
    CONSTRAINT room_room_type_fkey FOREIGN KEY (tenant_id, room_type_id) REFERENCES room_type
);

-- A type's rooms on one night, and what one of them costs; without a price the
-- night is not on sale. `debt` is what was sold beyond `sellable` on purpose (a
-- property system oversold, a hotel insisted on shutting rooms). Whoever updates
-- a row holds the lock on its room type.
CREATE TABLE night_inventory (
    tenant_id text NOT NULL,
    room_type_id text NOT NULL,
    night date NOT NULL,
    sellable integer NOT NULL CONSTRAINT night_sellable_positive CHECK (sellable >= 0),
    held integer NOT NULL DEFAULT 0 CONSTRAINT night_held_positive CHECK (held >= 0),
    sold integer NOT NULL DEFAULT 0 CONSTRAINT night_sold_positive CHECK (sold >= 0),
    debt integer NOT NULL DEFAULT 0 CONSTRAINT night_debt_positive CHECK (debt >= 0),
    price numeric CONSTRAINT night_price_positive CHECK (price >= 0),
    CONSTRAINT night_inventory_pkey PRIMARY KEY (tenant_id, room_type_id, night),
    CONSTRAINT night_never_oversold CHECK (held + sold <= sellable + debt),
    CONSTRAINT night_room_type_fkey FOREIGN KEY (tenant_id, room_type_id) REFERENCES room_type
) WITH (fillfactor = 60);  -- Counters change often; room on the page keeps the updates HOT.

-- One sequence for the installation. No cache: a session that kept numbers back
-- would give a later lock the smaller one.
CREATE SEQUENCE fencing_number AS bigint;

-- No foreign key to room_type: the deciding function has just locked that row,
-- and types are never deleted.
CREATE TABLE room_lock (
    tenant_id text NOT NULL,
    lock_id uuid NOT NULL,
    room_type_id text NOT NULL,
    check_in date NOT NULL,
    check_out date NOT NULL,
    adult_count integer NOT NULL,
    child_count integer NOT NULL,
    guest_id text NOT NULL,
    state text NOT NULL CONSTRAINT room_lock_state_known
        CHECK (state IN ('LIVE', 'RELEASED', 'EXPIRED', 'CONVERTED')),
    owner_token uuid NOT NULL,
    fencing_number bigint NOT NULL,
    nightly_prices numeric[] NOT NULL,
    currency_code char(3) NOT NULL,
    create_time timestamptz NOT NULL,
    expire_time timestamptz NOT NULL,
    end_time timestamptz,
    CONSTRAINT room_lock_pkey PRIMARY KEY (tenant_id, lock_id),
    CONSTRAINT room_lock_nights_range CHECK (check_out - check_in BETWEEN 1 AND 90),
    CONSTRAINT room_lock_price_per_night
        CHECK (cardinality(nightly_prices) = check_out - check_in),
    CONSTRAINT room_lock_ended_has_time CHECK ((state = 'LIVE') = (end_time IS NULL))
);
-- Finds lapsed locks of a type (search, reaping) without reading ended ones.
CREATE INDEX room_lock_live_by_type ON room_lock (tenant_id, room_type_id, expire_time)
    WHERE state = 'LIVE';
-- Counts what a guest holds.
CREATE INDEX room_lock_live_by_guest ON room_lock (tenant_id, guest_id, expire_time)
    WHERE state = 'LIVE';

-- Every decision about a lock, refusals included, written where it was decided.
CREATE TABLE lock_audit (
    tenant_id text NOT NULL,
    audit_number bigint GENERATED ALWAYS AS IDENTITY,
    event text NOT NULL CONSTRAINT lock_audit_event_known
        CHECK (event IN ('GRANTED', 'REFUSED', 'RELEASED', 'EXPIRED', 'CONVERTED')),
    reason text NOT NULL DEFAULT '',
    lock_id uuid,
    request_id uuid,
    room_type_id text NOT NULL,
    check_in date NOT NULL,
    check_out date NOT NULL,
    guest_id text NOT NULL,
    event_time timestamptz NOT NULL,
    CONSTRAINT lock_audit_pkey PRIMARY KEY (tenant_id, audit_number)
);

-- What a write was answered, kept for 8 days: success (`reason` empty, the
-- subject is the lock or the reservation) or a definite refusal.
CREATE TABLE request_answer (
    tenant_id text NOT NULL,
    request_id uuid NOT NULL,
    fingerprint bytea NOT NULL,
    reason text NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{}',
    subject_id uuid,
    create_time timestamptz NOT NULL,
    CONSTRAINT request_answer_pkey PRIMARY KEY (tenant_id, request_id)
);
-- Rows arrive in the order of their age, and only the sweep asks for it.
CREATE INDEX request_answer_by_age ON request_answer USING brin (create_time);

-- The legal changes of a reservation, all of them; `occupying` says whether its
-- nights are taken afterwards. What is not here is refused.
CREATE TABLE reservation_transition (
    action text NOT NULL,
    from_state text NOT NULL,
    to_state text NOT NULL,
    occupying boolean NOT NULL,
    CONSTRAINT reservation_transition_pkey PRIMARY KEY (action, from_state)
);
INSERT INTO reservation_transition (action, from_state, to_state, occupying) VALUES
    ('CONFIRM', 'LOCKED', 'CONFIRMED', true),
    ('CANCEL', 'CONFIRMED', 'CANCELLED', false),
    ('CANCEL', 'CANCELLED', 'CANCELLED', false);

CREATE TABLE reservation (
    tenant_id text NOT NULL,
    reservation_id uuid NOT NULL,
    confirmation_code text NOT NULL,
    lock_id uuid NOT NULL,
    guest_id text NOT NULL,
    state text NOT NULL,
    create_time timestamptz NOT NULL,
    cancel_time timestamptz,
    CONSTRAINT reservation_pkey PRIMARY KEY (tenant_id, reservation_id),
    CONSTRAINT reservation_code_unique UNIQUE (tenant_id, confirmation_code),
    CONSTRAINT reservation_lock_unique UNIQUE (tenant_id, lock_id),
    CONSTRAINT reservation_property_fkey FOREIGN KEY (tenant_id) REFERENCES property
);

-- One room of a reservation for its nights. A room is taken by one guest a
-- night: the second wall behind the counters.
CREATE TABLE stay (
    tenant_id text NOT NULL,
    reservation_id uuid NOT NULL,
    stay_number smallint NOT NULL,
    room_type_id text NOT NULL,
    nights daterange NOT NULL CONSTRAINT stay_nights_not_empty CHECK (NOT isempty(nights)),
    adult_count integer NOT NULL,
    child_count integer NOT NULL,
    nightly_prices numeric[] NOT NULL,
    currency_code char(3) NOT NULL,
    occupying boolean NOT NULL,
    room_key bigint CONSTRAINT stay_room_fkey REFERENCES room (room_key),
    CONSTRAINT stay_pkey PRIMARY KEY (tenant_id, reservation_id, stay_number),
    CONSTRAINT stay_reservation_fkey FOREIGN KEY (tenant_id, reservation_id)
        REFERENCES reservation,
    CONSTRAINT stay_room_type_fkey FOREIGN KEY (tenant_id, room_type_id) REFERENCES room_type,
    -- Core types only: a single room as the range [room_key, room_key].
    CONSTRAINT stay_room_taken_once EXCLUDE USING gist
        (int8range(room_key, room_key, '[]') WITH &&, nights WITH &&)
        WHERE (occupying AND room_key IS NOT NULL)
);
CREATE INDEX stay_occupying_by_type ON stay (tenant_id, room_type_id, upper(nights))
    WHERE occupying;
