-- What people said of sends whose outcome nobody knew: one word for an attempt.
CREATE TABLE send_settlement (
    tenant_id     text        NOT NULL,
    outbox_id     uuid        NOT NULL,
    attempt_count integer     NOT NULL,
    received      boolean     NOT NULL,
    actor_id      text        NOT NULL,
    settle_time   timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT send_settlement_key PRIMARY KEY (tenant_id, outbox_id, attempt_count)
);
