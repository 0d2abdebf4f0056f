-- What each step of a conversation went by, for as long as the items that led to it are archived:
-- the conversation can be led over that again, and must come to the same state.
-- A step is about `inbox_ids`, about the answer of the command `request_id`, or takes in the
-- conversation of another mailbox, whose state was `merged`. `hotel` is the hotel as it was at
-- that moment, `reads` are what the step asked and was told: the response, or the status where
-- `reads_ok` says no. `snapshot` is the state before, empty of a guest who never wrote, and
-- `since_snapshot` how many steps ago there was one.
CREATE TABLE conversation_step (
    tenant_id       text        NOT NULL,
    mailbox_id      bigint      NOT NULL,
    step_id         bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    inbox_ids       bigint[]    NOT NULL DEFAULT '{}',
    request_id      uuid,
    merged          bytea,
    merged_is_older boolean,
    hotel           bytea       NOT NULL DEFAULT '',
    reads           bytea[]     NOT NULL DEFAULT '{}',
    reads_ok        boolean[]   NOT NULL DEFAULT '{}',
    snapshot        bytea,
    since_snapshot  smallint    NOT NULL DEFAULT 0,
    state_hash      bytea       NOT NULL,
    commit_time     timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT conversation_step_key PRIMARY KEY (tenant_id, mailbox_id, step_id)
);
CREATE INDEX conversation_step_by_age ON conversation_step (commit_time);
SELECT tenancy.wall('conversation_step');

-- Notes a step that the same statement has just committed: `p_mailbox` is what its commit answered,
-- and the answer here; NULL when nothing was. A snapshot is kept at the beginning, after an hour's
-- pause, every 16 steps, and where the state before is not the one that the step before had come
-- to; so what is left when older steps are gone has one to start from.
CREATE FUNCTION log_step(
    p_mailbox bigint, p_tenant text, p_items bigint[], p_heard uuid, p_hotel bytea,
    p_reads bytea[], p_reads_ok boolean[], p_before bytea, p_state bytea
) RETURNS bigint LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
DECLARE
    last  record;
    keeps boolean;
BEGIN
    IF p_mailbox IS NULL THEN
        RETURN NULL;
    END IF;
    PERFORM tenancy.act_for(ARRAY[p_tenant, '-']);
    SELECT s.since_snapshot, s.state_hash, s.commit_time INTO last FROM conversation_step s
    WHERE s.tenant_id = p_tenant AND s.mailbox_id = p_mailbox ORDER BY s.step_id DESC LIMIT 1;
    keeps := last IS NULL OR last.since_snapshot >= 15
        OR last.commit_time < now() - interval '1 hour' OR last.state_hash <> sha256(p_before);
    INSERT INTO conversation_step (tenant_id, mailbox_id, inbox_ids, request_id, hotel, reads,
                                   reads_ok, snapshot, since_snapshot, state_hash)
    VALUES (p_tenant, p_mailbox, p_items, p_heard, p_hotel, p_reads, p_reads_ok,
            CASE WHEN keeps THEN p_before END,
            CASE WHEN keeps THEN 0 ELSE last.since_snapshot + 1 END, sha256(p_state));
    RETURN p_mailbox;
END $$;
