-- conserje: non-transactional
CREATE INDEX CONCURRENTLY IF NOT EXISTS quarantine_by_number
    ON quarantine (phone_number_id, quarantine_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS inbox_dead
    ON inbox (tenant_id, inbox_id) WHERE state = 'DEAD' AND drop_time IS NULL;
