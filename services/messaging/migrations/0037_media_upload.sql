-- Files of ours that were uploaded to WhatsApp, once for each number: they belong to the number
-- they were uploaded for, and are known there for 30 days. `sha256` is that of the file as it was
-- given, before any conversion. Without an id somebody is uploading it, until `expire_time`.
CREATE TABLE media_upload (
    tenant_id         text        NOT NULL,
    phone_number_id   text        NOT NULL,
    sha256            bytea       NOT NULL,
    given_type        text        NOT NULL,
    whatsapp_media_id text,
    media_type        text,
    expire_time       timestamptz NOT NULL,
    CONSTRAINT media_upload_once PRIMARY KEY (tenant_id, phone_number_id, sha256, given_type)
);
CREATE INDEX media_upload_ending ON media_upload (expire_time);
SELECT tenancy.wall('media_upload');

CREATE FUNCTION finder.forget_uploads(p_limit bigint) RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH gone AS (
        DELETE FROM media_upload u USING (
            SELECT tenant_id, phone_number_id, sha256, given_type FROM media_upload
            WHERE expire_time <= now() ORDER BY expire_time LIMIT p_limit) AS ended
        WHERE u.tenant_id = ended.tenant_id AND u.phone_number_id = ended.phone_number_id
          AND u.sha256 = ended.sha256 AND u.given_type = ended.given_type
        RETURNING 1
    )
    SELECT count(*) FROM gone;
$$;

-- A file to a guest, like `send_template` to one who has a conversation: the message has the id of
-- the request, so that the same request is the same message.
CREATE FUNCTION send_file(
    p_tenant text, p_request uuid, p_number text, p_mailbox bigint, p_kind text, p_body bytea,
    OUT known boolean, OUT same boolean
) LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM tenancy.act_for(ARRAY[p_tenant]);
    SELECT EXISTS (
        SELECT FROM conversation c JOIN mailbox m ON m.mailbox_id = c.mailbox_id
        WHERE c.tenant_id = p_tenant AND c.mailbox_id = p_mailbox AND m.phone_number_id = p_number
    ) INTO known;
    IF known THEN
        INSERT INTO outbox (tenant_id, outbox_id, mailbox_id, phone_number_id, kind, body, answers,
                            hold_for_person, traceparent)
        VALUES (p_tenant, p_request, p_mailbox, p_number, p_kind, p_body, '{}', true, '')
        ON CONFLICT DO NOTHING;
        SELECT o.mailbox_id = p_mailbox AND o.body = p_body INTO same
        FROM outbox o WHERE o.tenant_id = p_tenant AND o.outbox_id = p_request;
    END IF;
END $$;
