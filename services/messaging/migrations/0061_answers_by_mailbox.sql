-- conserje: non-transactional
CREATE INDEX CONCURRENTLY IF NOT EXISTS effect_answered
    ON effect (mailbox_id, effect_number) WHERE state = 'ANSWERED';
