"""Every method, asked by one hotel with the ids of another: it gives and changes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import grpc
from conserje.messaging.v1.messaging_operations_service_pb2 import SEND_VERDICT_RECEIVED
from conserje.messaging.v1.messaging_operations_service_pb2 import (
    WindowTemplate as WindowTemplateMessage,
)
from google.type.date_pb2 import Date
from prometheus_client import CollectorRegistry

import services.audit
import services.messaging
from meshkit.clock import SystemClock
from meshkit.postgres import Postgres
from meshkit.redis_pool import make_redis
from services.messaging.access import ACCESS
from services.messaging.media.audio_cache import Audio, AudioCache, AudioCacheMetrics, Kind, Source
from services.messaging.overview.servicer import NEWEST
from services.messaging.store.inbox import Lease
from services.messaging.store.templates import Guest
from services.messaging.store.window import WindowTemplate
from tests.integration.messaging.mesh import ACCOUNT, NUMBER, TENANT, Mesh
from tests.isolation import (
    Values,
    arguments,
    asked,
    caller,
    kind_of,
    methods_of,
    refusal_of,
    store_methods,
)

OTHER = "hotel-luna"
BOX, MERGED_BOX, DEAD, STATUS, MERGE = 4_100_000_001, 4_100_000_002, 4_200_000_001, 43, 44
UNKNOWN, HELD, REJECTED, PENDING, EFFECT = (UUID(int=n) for n in range(0xA1, 0xA6))
GUEST, CODE, ACTOR = "34600999888", "K7M2QX9P", "ana-of-mirador"
SOURCE = Source(Kind.SPEECH, "habla")
SECRETS = [
    *map(str, (TENANT, BOX, MERGED_BOX, DEAD, UNKNOWN, HELD, REJECTED, PENDING, EFFECT)),
    *(GUEST, CODE, ACTOR, "tpl_of_mirador", "words-of-mirador", "777777"),
]
"""What is the hotel's alone."""
SEED = """
INSERT INTO mailbox (mailbox_id, phone_number_id, whatsapp_id, inbound_time)
VALUES ({BOX}, '{NUMBER}', '{GUEST}', now());
INSERT INTO mailbox_alias VALUES ('{NUMBER}', 'p:{GUEST}', {BOX});
INSERT INTO conversation (tenant_id, mailbox_id, state)
VALUES ('{TENANT}', {BOX}, 'words-of-mirador');
INSERT INTO inbox (inbox_id, mailbox_id, phone_number_id, account_id, tenant_id, kind, order_time,
    traceparent, event, state, attempt_count, failure)
VALUES ({DEAD}, {BOX}, '{NUMBER}', '{ACCOUNT}', '{TENANT}', 'message', now(), '',
    'words-of-mirador', 'DEAD', 3, 'words-of-mirador');
INSERT INTO outbox (tenant_id, outbox_id, mailbox_id, phone_number_id, kind, body, answers,
    hold_for_person, traceparent, state, attempt_count, send_time, error_code, error_detail,
    due_time)
SELECT '{TENANT}', one.id::uuid, {BOX}, '{NUMBER}', 'words-of-mirador', 'words-of-mirador', '{{}}',
    true, '', one.state, 1, now(), 190, 'words-of-mirador', now() + interval '1 day'
FROM (VALUES ('{UNKNOWN}', 'UNKNOWN'), ('{HELD}', 'HELD'), ('{REJECTED}', 'REJECTED'),
    ('{PENDING}', 'PENDING')) AS one(id, state);
INSERT INTO effect (tenant_id, request_id, mailbox_id, command_number, method, request, inbox_ids,
    traceparent, state, answer, confirmation_code)
VALUES ('{TENANT}', '{EFFECT}', {BOX}, 1, 'words-of-mirador', 'words-of-mirador', '{{}}', '',
    'ANSWERED', 'words-of-mirador', '{CODE}');
INSERT INTO delivery_status (inbox_id, phone_number_id, account_id, tenant_id, outbox_id, delivery,
    order_time, event)
VALUES ({STATUS}, '{NUMBER}', '{ACCOUNT}', '{TENANT}', '{UNKNOWN}', 1, now(), 'words-of-mirador');
INSERT INTO send_settlement (tenant_id, outbox_id, attempt_count, received, actor_id)
VALUES ('{TENANT}', '{REJECTED}', 1, true, '{ACTOR}');
INSERT INTO window_template (tenant_id, name, language_code, parameters)
VALUES ('{TENANT}', 'tpl_of_mirador', 'es', '[]');
INSERT INTO template (tenant_id, account_id, name, language_code, template_id, category, status,
    reason, quality, parameter_format, components, sync_time)
VALUES ('{TENANT}', '{ACCOUNT}', 'tpl_of_mirador', 'es', '9', 'UTILITY', 'APPROVED', '', '',
    'POSITIONAL', '[{{"type": "BODY", "text": "words-of-mirador {{{{1}}}}"}}]', now());
INSERT INTO template_account (tenant_id, account_id, phone_number_id)
VALUES ('{TENANT}', '{ACCOUNT}', '{NUMBER}');
INSERT INTO mailbox_merge (merge_id, phone_number_id, from_mailbox_id, into_mailbox_id, reason,
    tenant_id, done_time) OVERRIDING SYSTEM VALUE
VALUES ({MERGE}, '{NUMBER}', {MERGED_BOX}, {BOX}, 'words-of-mirador', '{TENANT}', now());
INSERT INTO archive (inbox_id, tenant_id, phone_number_id, item_key, key_id, ciphertext)
VALUES ({DEAD}, '{TENANT}', '{NUMBER}', '', '', '');
INSERT INTO conversation_step (tenant_id, mailbox_id, inbox_ids, snapshot, state_hash)
VALUES ('{TENANT}', {BOX}, '{{{DEAD}}}', 'words-of-mirador', '');
INSERT INTO guest_erasure (tenant_id, mailbox_id, item_count, message_count)
VALUES ('{TENANT}', {MERGED_BOX}, 1, 1);
INSERT INTO media (media_key, tenant_id, phone_number_id, account_id, content, state, failure,
    media_type, store_time, expire_time)
SELECT one.key, '{TENANT}', '{NUMBER}', '{ACCOUNT}', '', one.state, 'words-of-mirador',
    'image/png', now(), now() + interval '1 day'
FROM (VALUES ({DEAD}, 'DEAD'), ({STATUS}, 'STORED')) AS one(key, state);
INSERT INTO media_upload (tenant_id, phone_number_id, sha256, given_type, expire_time)
VALUES ('{TENANT}', '{NUMBER}', 'words-of-mirador', 'image/png', now() + interval '1 day');
INSERT INTO usage_month VALUES ('{TENANT}', '2026-11-01', '{NUMBER}', 'utility', 'regular', 777777);
INSERT INTO usage_plan VALUES ('{TENANT}', 1, 'Europe/Madrid', NULL);
INSERT INTO audit.operator_change (actor, method, tenant_id, table_name)
VALUES ('{ACTOR}', 'SetUsageCap', '{TENANT}', 'usage_plan');
""".format(**globals())
TABLES_OF_HOTELS = """
SELECT table_schema || '.' || table_name FROM information_schema.columns
JOIN information_schema.tables USING (table_schema, table_name)
WHERE column_name = 'tenant_id' AND table_schema IN ('public', 'audit')
  AND table_type = 'BASE TABLE' ORDER BY 1
"""
BY_NUMBER = ("mailbox", "mailbox_alias", "number_pause", "quarantine")
"""Whose a row of these is, the directory of numbers says."""

OF_ALL_HOTELS = {
    "conserje.messaging.v1.MessagingService/IngestEvent": "the gateway's; a number says whose",
    "conserje.messaging.v1.MessagingService/BatchIngestEvents": "the same for many",
    "conserje.messaging.v1.MessagingService/TraceMessage": "operators name a message, no hotel",
    "conserje.messaging.v1.MessagingOperationsService/ListQuarantine": "belongs to no hotel yet",
    "conserje.messaging.v1.MessagingOperationsService/ReleaseQuarantine": "the same",
}
"""Methods that are not asked for one hotel, and why."""
_CLAIMED = "a worker's: the row that it has claimed says whose it is"
_WORKER = "a worker's, of all hotels"
_LEASED = "leads a mailbox by its lease; whose it is comes from the directory"
STORES_OF_ALL_HOTELS = {
    f"{store}.{name}": reason
    for store, reason, names in (
        ("EffectStore", _CLAIMED, "answer claim retry"),
        ("TemplateStore", _CLAIMED, "due enrol failed finish keep now"),
        ("OutboxStore", _CLAIMED, "accepted again claim hold put_off rejected send_as shut"),
        ("OutboxStore", _CLAIMED, "too_late unknown"),
        ("OutboxStore", _WORKER, "expire pause paused_count release_approved settle"),
        ("FieldStore", "what Meta says of an account or number, whoever has it", "called change"),
        ("FieldStore", "the same", "read_soon rename take"),
        ("InboxStore", _LEASED, "await_more claim fail_item postpone release renew set_aside"),
        ("InboxStore", "takes in what is nobody's yet", "ingest keep_partitions quarantine"),
        ("InboxStore", _WORKER, "backlog"),
        ("MergeStore", _LEASED, "forward merge"),
        ("StepStore", _LEASED, "commit"),
        ("ArchiveStore", _WORKER, "oldest_seconds reseal sweep sweep_steps unresolved"),
        ("MediaStore", _CLAIMED, "again claim dead renew stored"),
        ("MediaStore", _WORKER, "backlog ended forget"),
        ("UploadStore", "the key of an upload says whose it is", "give_up known lease uploaded"),
        ("UploadStore", _WORKER, "forget_ended"),
        ("NewsStore", "each of the news says whose it is", "heard take_in"),
        ("TraceStore", "operators name a message, no hotel", "by_code by_wamid hops"),
        ("AsideStore", "belongs to no hotel yet", "quarantine release"),
        ("NumberStore", "asked of a number that the directory says is the hotel's", "last_heard"),
        ("UsageStore", "each item says whose it is", "count once plans"),
        ("UsageStore", _WORKER, "passed_count take waiting"),
    )
    for name in names.split()
}
"""Methods of stores that are not asked for one hotel, and why."""
METHODS = methods_of(ACCESS)
STORES = store_methods(services.messaging) | store_methods(services.audit)
OTHERWISE: dict[str, dict[str, Any]] = {
    # Of all its guests it tells what `ConversationStore.page` gives.
    "conserje.messaging.v1.MessagingOperationsService/ListConversations": {"whatsapp_id": GUEST},
    "conserje.messaging.v1.MessagingOperationsService/DropHeldSend": {"send_id": str(HELD)},
    "WindowStore.drop_held": {"outbox_id": HELD},
    "MediaStore.is_wanted": {"media_key": STATUS},
    "TemplateStore.page": {"after": ("", "", "")},
}
"""What names another thing for these methods than for the rest."""


def its_ids(tenant_id: str) -> Values:
    """All things of the one hotel, as fields of requests name them; asked for by either."""
    return {
        "tenant_id": tenant_id,
        "request_id": str(uuid4()),
        "phone_number_id": NUMBER,
        "dead_letter_id": DEAD,
        "media_key": DEAD,
        "send_id": str(UNKNOWN),
        "attempt_count": 1,
        "verdict": SEND_VERDICT_RECEIVED,
        "actor_id": "bea",
        "conversation_id": BOX,
        "template": WindowTemplateMessage(
            template_name="tpl_of_mirador", language_code="es", parameters=["{text}"]
        ),
        "template_name": "tpl_of_mirador",
        "body_parameters": ["hola"],
        "media_type": "image/png",
        "content": b"words",
        "language_code": "es",
        "month": Date(year=2026, month=11, day=1),
        "cap_count": 5,
        "time_zone": "UTC",
    }


def its_things(tenant_id: str, connection: Any) -> Values:
    """The same, as parameters of stores name them."""
    return {
        "tenant_id": tenant_id,
        "request_id": EFFECT,
        "inbox_id": DEAD,
        "inbox_ids": [DEAD],
        "media_key": DEAD,
        "mailbox_id": BOX,
        "outbox_id": UNKNOWN,
        "phone_number_id": NUMBER,
        "number": NUMBER,
        "account_id": ACCOUNT,
        "alias": f"p:{GUEST}".encode(),
        "attempt": 1,
        "received": True,
        "actor_id": "bea",
        "name": "tpl_of_mirador",
        "language": "es",
        "month": date(2026, 11, 1),
        "cap_count": 5,
        "time_zone": "UTC",
        "codes": [190],
        "body": b"hola",
        "kind": "image",
        "reason": "no",
        "before": 2**62,
        "place": "",
        "size": 9,
        "limit": 9,
        "until": NEWEST,
        "after": 0,
        "dead_only": True,
        "Lease": Lease(BOX, NUMBER, 0, 0, datetime.now(UTC), (), more=False),
        "Guest": Guest(mailbox_id=BOX),
        "WindowTemplate | None": WindowTemplate("none", "es", b"[]"),
        "Source": SOURCE,
        "Audio": Audio(b"other", "audio/ogg"),
        "Connection": connection,
    }


class Hotels:
    """The hotel that has one of everything, and all that there is of it."""

    def __init__(self, mesh: Mesh, postgres: Postgres) -> None:
        redis = make_redis(mesh.settings.redis_url.get_secret_value())
        mesh.stack.push_async_callback(redis.aclose)
        self.postgres = postgres
        self.cache = AudioCache(
            redis,
            seconds=600,
            most_bytes=1 << 20,
            clock=SystemClock(),
            metrics=AudioCacheMetrics(CollectorRegistry()),
        )
        self._admin = mesh.admin

    async def tables(self) -> list[str]:
        """Those in which each row is a hotel's."""
        return [row[0] for row in await self._admin.fetch(TABLES_OF_HOTELS)]

    async def seed(self) -> None:
        """It has one of everything."""
        emptied = "".join(f"DELETE FROM {one};" for one in [*await self.tables(), *BY_NUMBER])
        async with self._admin.transaction():
            await self._admin.execute(emptied + SEED)
        await self.cache.purge(TENANT)
        await self.cache.put(TENANT, SOURCE, Audio(b"words-of-mirador", "audio/ogg"))

    async def everything(self) -> dict[str, Any]:
        """All that it has."""
        found: dict[str, Any] = {
            table: await self._admin.fetch(f"SELECT * FROM {table} WHERE tenant_id = $1", TENANT)
            for table in await self.tables()
        }
        found |= {table: await self._admin.fetch(f"SELECT * FROM {table}") for table in BY_NUMBER}
        found["cache"] = await self.cache.page(TENANT, "", 9), await self.cache.get(TENANT, SOURCE)
        return {
            table: sorted(map(repr, rows)) if isinstance(rows, list) else repr(rows)
            for table, rows in found.items()
        }

    async def call(self, name: str, tenant_id: str) -> tuple[str, str]:
        """A hotel names the things of the one to a method of a store: what it asks and gets."""
        method = STORES[name]
        async with self.postgres.of(tenant_id).acquire() as connection:
            things = {**its_things(tenant_id, connection), **OTHERWISE.get(name, {})}
            kind = kind_of(method)
            store = self.cache if kind is AudioCache else kind(self.postgres)
            given = arguments(method, things)
            return repr(given), repr(await method(store, **given))


@asynccontextmanager
async def hotels(mesh: Mesh) -> AsyncIterator[Hotels]:
    """Both hotels, of which one has nothing."""
    postgres = Postgres(mesh.urls.app_url, kept=3, overflow=1)
    await postgres.start()
    try:
        both = Hotels(mesh, postgres)
        await both.seed()
        yield both
    finally:
        await postgres.close()


async def ask(channel: Any, path: str, tenant_id: str) -> tuple[str, str]:
    """A hotel names the things of the one to a method: what it asks, and the answer."""
    values = {**its_ids(tenant_id), **OTHERWISE.get(path, {})}
    request = asked(values, METHODS[path].input_type)
    try:
        answer = await caller(channel, path, METHODS[path])(request, timeout=20)
    except grpc.RpcError as refused:
        return str(request), f"refused: {refused.code()} {refusal_of(refused)}"
    # A request's own id comes back to whoever sent it.
    return str(request), str(answer).replace(str(values["request_id"]), "")


def told(question: str, answer: str) -> list[str]:
    """What an answer gives away that was not in the question."""
    return [one for one in SECRETS if one in answer and one not in question]


async def test_each_table_that_hotels_have_has_something_to_be_found(mesh: Mesh) -> None:
    async with hotels(mesh) as both:
        has = await both.everything()
        assert [table for table in await both.tables() if not has[table]] == []


async def test_no_method_gives_or_changes_what_is_another_hotels(mesh: Mesh) -> None:
    await mesh.start("serve")
    await mesh.until_told()
    async with hotels(mesh) as both, grpc.aio.insecure_channel(mesh.target) as channel:
        before = await both.everything()
        for path in sorted(METHODS.keys() - OF_ALL_HOTELS.keys()):
            question, answer = await ask(channel, path, OTHER)
            assert told(question, answer) == [], path
            assert "refused" not in answer or "StatusCode.NOT_FOUND" in answer, (path, answer)
            assert await both.everything() == before, path


async def test_each_method_gives_or_changes_what_is_the_hotels_own(mesh: Mesh) -> None:
    await mesh.start("serve")
    await mesh.until_told()
    async with hotels(mesh) as both, grpc.aio.insecure_channel(mesh.target) as channel:
        for path in sorted(METHODS.keys() - OF_ALL_HOTELS.keys()):
            before = await both.everything()
            (_, others), (_, own) = [await ask(channel, path, one) for one in (OTHER, TENANT)]
            assert own != others or await both.everything() != before, path
            assert "NOT_FOUND" not in own, path
            await both.seed()


async def test_no_store_gives_or_changes_what_is_another_hotels(mesh: Mesh) -> None:
    async with hotels(mesh) as both:
        before = await both.everything()
        for name in sorted(STORES.keys() - STORES_OF_ALL_HOTELS.keys()):
            assert told(*await both.call(name, OTHER)) == [], name
            assert await both.everything() == before, name


async def test_each_store_gives_or_changes_what_is_the_hotels_own(mesh: Mesh) -> None:
    async with hotels(mesh) as both:
        for name in sorted(STORES.keys() - STORES_OF_ALL_HOTELS.keys()):
            before = await both.everything()
            (_, others), (_, own) = [await both.call(name, one) for one in (OTHER, TENANT)]
            assert own != others or await both.everything() != before, name
            await both.seed()


def test_what_is_left_out_of_the_walk_is_there_and_names_no_hotel() -> None:
    assert OF_ALL_HOTELS.keys() <= METHODS.keys()
    assert STORES_OF_ALL_HOTELS.keys() <= STORES.keys()
    for path in OF_ALL_HOTELS:
        assert "tenant_id" not in METHODS[path].input_type.fields_by_name
