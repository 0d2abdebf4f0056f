-- conserje: non-transactional
-- A hotel's conversations in the order in which they were led on last, page by page.
CREATE INDEX CONCURRENTLY IF NOT EXISTS conversation_newest
    ON conversation (tenant_id, update_time, mailbox_id);
