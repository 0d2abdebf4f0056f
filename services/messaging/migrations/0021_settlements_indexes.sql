-- conserje: non-transactional
CREATE INDEX CONCURRENTLY IF NOT EXISTS outbox_unknown
    ON outbox (tenant_id, outbox_number) WHERE state = 'UNKNOWN';
