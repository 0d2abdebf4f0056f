-- conserje: non-transactional
CREATE INDEX CONCURRENTLY IF NOT EXISTS mailbox_alias_by_mailbox ON mailbox_alias (mailbox_id);
