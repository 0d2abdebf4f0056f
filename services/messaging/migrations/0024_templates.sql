-- What Meta has approved for a hotel, or not. `components` are Meta's own, as
-- JSON bytes: people's words are in them.
CREATE TABLE template (
    tenant_id        text        NOT NULL,
    account_id       text        NOT NULL,
    name             text        NOT NULL,
    language_code    text        NOT NULL,
    template_id      text        NOT NULL,
    category         text        NOT NULL,
    status           text        NOT NULL,
    reason           text        NOT NULL,
    quality          text        NOT NULL,
    parameter_format text        NOT NULL,
    components       bytea       NOT NULL,
    sync_time        timestamptz NOT NULL,
    update_time      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT template_key PRIMARY KEY (tenant_id, name, language_code, account_id)
);
-- Webhooks name an account and a template, and no hotel.
CREATE INDEX template_by_id ON template (account_id, template_id);

-- The business accounts of hotels, and when their templates are read next.
-- `phone_number_id` is one of their numbers. Taking an account up puts
-- `due_time` off, so that one replica reads it.
CREATE TABLE template_account (
    tenant_id       text        NOT NULL,
    account_id      text        NOT NULL,
    phone_number_id text        NOT NULL,
    due_time        timestamptz NOT NULL DEFAULT now(),
    sync_time       timestamptz,
    failure_count   integer     NOT NULL DEFAULT 0,
    failure         text,
    CONSTRAINT template_account_key PRIMARY KEY (tenant_id, account_id)
);
CREATE INDEX template_account_due ON template_account (due_time);

-- Changes of an account that something is to be done about. They are kept in the
-- inbox as they came; a row here says that nobody has looked at one yet.
CREATE TABLE field_work (
    inbox_id bigint NOT NULL CONSTRAINT field_work_key PRIMARY KEY
);

CREATE FUNCTION remember_field_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO field_work (inbox_id) VALUES (NEW.inbox_id);
    RETURN NULL;
END $$;

CREATE TRIGGER inbox_field_update AFTER INSERT ON inbox
    FOR EACH ROW WHEN (NEW.kind = 'field_update') EXECUTE FUNCTION remember_field_update();

-- A template to a guest. The message has the id of the request, so that the same
-- request is the same message. A guest who has not written yet gets a mailbox,
-- whose window is shut. `p_mailbox` or `p_alias` says who; the answer is the
-- mailbox, NULL when the hotel has no such conversation, and whether the message
-- is this one.
CREATE FUNCTION send_template(
    p_tenant text, p_request uuid, p_number text, p_mailbox bigint, p_alias bytea,
    p_whatsapp bytea, p_user bytea, p_body bytea, p_trace text,
    OUT mailbox_id bigint, OUT same boolean
) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    box bigint;
BEGIN
    IF p_alias IS NULL THEN
        SELECT c.mailbox_id INTO box FROM conversation c JOIN mailbox m USING (mailbox_id)
        WHERE c.tenant_id = p_tenant AND c.mailbox_id = p_mailbox AND m.phone_number_id = p_number;
        IF box IS NULL THEN
            RETURN;
        END IF;
    ELSE
        box := nextval('inbox_number');
        INSERT INTO mailbox_alias (phone_number_id, alias, mailbox_id)
        VALUES (p_number, p_alias, box) ON CONFLICT DO NOTHING;
        SELECT a.mailbox_id INTO box FROM mailbox_alias a
        WHERE a.phone_number_id = p_number AND a.alias = p_alias;
        INSERT INTO mailbox (mailbox_id, phone_number_id, whatsapp_id, user_id, inbound_time)
        VALUES (box, p_number, p_whatsapp, p_user, '-infinity') ON CONFLICT DO NOTHING;
        INSERT INTO conversation (tenant_id, mailbox_id, state)
        VALUES (p_tenant, box, '') ON CONFLICT DO NOTHING;
    END IF;
    INSERT INTO outbox (tenant_id, outbox_id, mailbox_id, phone_number_id, kind, body, answers,
                        hold_for_person, traceparent)
    VALUES (p_tenant, p_request, box, p_number, 'template', p_body, '{}', true, p_trace)
    ON CONFLICT DO NOTHING;
    SELECT o.mailbox_id, o.mailbox_id = box AND o.body = p_body INTO mailbox_id, same
    FROM outbox o WHERE o.tenant_id = p_tenant AND o.outbox_id = p_request;
END $$;
