-- conserje: non-transactional
ALTER TABLE outbox VALIDATE CONSTRAINT outbox_state_known;
CREATE INDEX CONCURRENTLY IF NOT EXISTS outbox_held
    ON outbox (tenant_id, mailbox_id, outbox_number) WHERE state = 'HELD';
