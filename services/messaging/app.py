"""Puts the service together: settings to pools, stores, workers, server. No logic."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
from conserje.audit.v1.audit_service_pb2_grpc import add_AuditServiceServicer_to_server
from conserje.booking.v1.booking_service_pb2_grpc import BookingServiceStub
from conserje.messaging.v1.media_service_pb2_grpc import add_MediaServiceServicer_to_server
from conserje.messaging.v1.messaging_operations_service_pb2_grpc import (
    add_MessagingOperationsServiceServicer_to_server,
)
from conserje.messaging.v1.messaging_service_pb2_grpc import (
    add_MessagingServiceServicer_to_server,
)
from conserje.messaging.v1.number_service_pb2_grpc import add_NumberServiceServicer_to_server
from conserje.messaging.v1.template_service_pb2_grpc import add_TemplateServiceServicer_to_server
from conserje.messaging.v1.usage_service_pb2_grpc import add_UsageServiceServicer_to_server
from conserje.tenant.v1.credential_service_pb2_grpc import CredentialServiceStub
from conserje.tenant.v1.tenant_service_pb2_grpc import TenantServiceStub

from copies.directory import Directory
from meshkit.client import Channel
from meshkit.key_folder import KeyFolder
from meshkit.kit import Kit
from meshkit.postgres import Postgres
from meshkit.rate_limit import RateLimiter, RateLimitMetrics
from meshkit.watch import WatchMetrics
from services.audit.servicer import SERVICE as AUDIT_SERVICE
from services.audit.servicer import AuditServicer
from services.audit.store import AuditStore
from services.messaging.archive.keeper import ArchiveKeeper
from services.messaging.archive.metrics import ArchiveMetrics
from services.messaging.archive.replay import Replay
from services.messaging.archive.sealing import Sealer
from services.messaging.clients import Booking
from services.messaging.conversation import machine
from services.messaging.directory import Owners
from services.messaging.effects import EffectWorker
from services.messaging.fields import FieldWorker
from services.messaging.inbox import Ingest
from services.messaging.media.audio_cache import AudioCache, AudioCacheMetrics
from services.messaging.media.fetching import Fetcher
from services.messaging.media.metrics import MediaMetrics, UploadMetrics
from services.messaging.media.servicer import MediaServicer
from services.messaging.media.shelf import Folder
from services.messaging.media.sound import Sound
from services.messaging.media.uploads import Uploads
from services.messaging.media.worker import MediaWorker
from services.messaging.metrics import MessagingMetrics
from services.messaging.news import ReservationNews
from services.messaging.numbers.servicer import NumberServicer
from services.messaging.numbers.verify import Verifier
from services.messaging.operations.servicer import MessagingOperationsServicer
from services.messaging.outbox import OutboxWorker
from services.messaging.profiles import ProfileMetrics, Profiles
from services.messaging.rates import SendRates
from services.messaging.read_marks import ReadMarks
from services.messaging.resuming import Resuming
from services.messaging.servicer import MessagingServicer
from services.messaging.settings import MessagingSettings
from services.messaging.steps import StepWorker, Wakes
from services.messaging.store.archive import ArchiveStore
from services.messaging.store.aside import AsideStore
from services.messaging.store.conversations import ConversationStore
from services.messaging.store.effects import EffectStore
from services.messaging.store.erasure import ErasureStore
from services.messaging.store.fields import FieldStore
from services.messaging.store.inbox import InboxStore
from services.messaging.store.media import MediaStore
from services.messaging.store.merges import MergeStore
from services.messaging.store.news import NewsStore
from services.messaging.store.numbers import NumberStore
from services.messaging.store.outbox import OutboxStore
from services.messaging.store.replay import ReplayStore
from services.messaging.store.steps import StepStore
from services.messaging.store.templates import TemplateStore
from services.messaging.store.trace import TraceStore
from services.messaging.store.unknown import UnknownStore
from services.messaging.store.uploads import UploadStore
from services.messaging.store.usage import UsageStore
from services.messaging.store.window import WindowStore
from services.messaging.talk import Talk
from services.messaging.templates.catalogue import Catalogue, CatalogueWorker
from services.messaging.templates.servicer import TemplateServicer
from services.messaging.tokens import Tokens
from services.messaging.trace import Tracer
from services.messaging.turns import Turns
from services.messaging.upkeep import Upkeep
from services.messaging.usage.meter import UsageMeter
from services.messaging.usage.servicer import UsageServicer
from services.messaging.wake import Wake
from services.messaging.whatsapp.client import GraphClient
from services.messaging.whatsapp.reader import GraphReader
from services.messaging.whatsapp.uploader import GraphUploader
from services.messaging.windows.forms import Window

if TYPE_CHECKING:
    from conserje.tenant.v1.tenant_service_pb2_grpc import TenantServiceAsyncStub
    from redis.asyncio import Redis

SERVICE = "conserje.messaging.v1.MessagingService"
OPERATIONS = "conserje.messaging.v1.MessagingOperationsService"
TEMPLATES = "conserje.messaging.v1.TemplateService"
USAGE = "conserje.messaging.v1.UsageService"
MEDIA = "conserje.messaging.v1.MediaService"
NUMBERS = "conserje.messaging.v1.NumberService"
SERVE, STEPS, SEND, FETCH = MODES = ("serve", "steps", "send", "media")


async def build(kit: Kit, settings: MessagingSettings) -> None:
    """Serve, lead conversations, send, fetch files: all of it, or what `--only` names."""
    metrics = MessagingMetrics(kit.registry)
    postgres = await kit.postgres(settings.database_url)
    wakes = Wakes(arrived=Wake(), commands=Wake(), messages=Wake())
    session = kit.http_session(
        limit_per_host=settings.send_concurrency,
        total_seconds=settings.graph_timeout_seconds,
        read_seconds=settings.graph_timeout_seconds,
    )
    channel = kit.channel("tenant", settings.target_tenant)
    watches = WatchMetrics(kit.registry)
    tenants = channel.stub(TenantServiceStub)
    directory = _directory(kit, tenants, watches)
    tokens = _tokens(kit, settings, channel, watches)
    graph = GraphClient(session, base_url=settings.graph_base_url, version=settings.graph_version)
    reader = GraphReader(session, base_url=settings.graph_base_url, version=settings.graph_version)
    catalogue = Catalogue(TemplateStore(postgres), reader, tokens, metrics)
    if SERVE in kit.modes:
        _serve(kit, settings, postgres, metrics, wakes, directory)
        _serve_templates(kit, settings, postgres, catalogue, directory, wakes)
        verifier = Verifier(reader, tokens, NumberStore(postgres), kit.clock)
        numbers = NumberServicer(verifier, directory)
        kit.grpc(add_NumberServiceServicer_to_server, numbers, NUMBERS)
    owners = Owners(directory, tenants)
    if FETCH in kit.modes:
        _fetch(kit, settings, postgres, metrics, tokens, directory, owners)
    if STEPS in kit.modes:
        profiles = Profiles(tenants, ProfileMetrics(kit.registry))
        turns = Turns(directory, owners)
        marks = ReadMarks(
            inbox=InboxStore(postgres),
            graph=graph,
            tokens=tokens,
            directory=directory,
            clock=kit.clock,
            metrics=metrics,
            after_seconds=settings.typing_after_seconds,
        )
        kit.worker("read-marks", marks.run)
        _lead(kit, settings, postgres, metrics, wakes, turns, profiles, marks)
        _read(kit, settings, postgres, metrics, catalogue, directory)
    if kit.modes & {SERVE, SEND}:
        redis = kit.redis(settings.redis_url)
        if SERVE in kit.modes:
            _serve_media(kit, settings, postgres, redis, tokens, directory, wakes)
        if SEND in kit.modes:
            _send(kit, settings, postgres, redis, metrics, wakes, graph, tokens, directory)


def _directory(kit: Kit, tenants: TenantServiceAsyncStub, watches: WatchMetrics) -> Directory:
    """Whose number is which."""
    directory = Directory(tenants, clock=kit.clock, registry=kit.registry, watches=watches)
    kit.worker("directory", directory.run)
    kit.degraded("directory", directory.problem)
    return directory


def _tokens(
    kit: Kit, settings: MessagingSettings, channel: Channel, watches: WatchMetrics
) -> Tokens:
    """What is sent with, and what accounts are read with."""
    tokens = Tokens(
        channel.stub(CredentialServiceStub),
        settings.graph_access_token,
        clock=kit.clock,
        registry=kit.registry,
        watches=watches,
    )
    kit.worker("tokens", tokens.follow)
    return tokens


def _serve(
    kit: Kit,
    settings: MessagingSettings,
    postgres: Postgres,
    metrics: MessagingMetrics,
    wakes: Wakes,
    directory: Directory,
) -> None:
    inbox = InboxStore(postgres)
    upkeep = Upkeep(inbox, metrics)
    sealer, replay = _archive(kit, settings, postgres, metrics)
    servicer = MessagingServicer(
        Ingest(inbox, metrics, wakes.arrived, directory, sealer), Tracer(TraceStore(postgres))
    )
    kit.worker("partitions", upkeep.partitions)
    kit.worker("gauges", upkeep.gauges)
    kit.grpc(add_MessagingServiceServicer_to_server, servicer, SERVICE, verbatim=("IngestEvent",))
    operations = MessagingOperationsServicer(
        AsideStore(postgres),
        UnknownStore(postgres),
        WindowStore(postgres),
        TemplateStore(postgres),
        MergeStore(postgres),
        replay,
        ErasureStore(postgres),
        ConversationStore(postgres),
        clock=kit.clock,
        arrived=wakes.arrived,
        messages=wakes.messages,
    )
    kit.grpc(add_MessagingOperationsServiceServicer_to_server, operations, OPERATIONS)
    kit.grpc(add_AuditServiceServicer_to_server, AuditServicer(AuditStore(postgres)), AUDIT_SERVICE)


def _archive(
    kit: Kit, settings: MessagingSettings, postgres: Postgres, metrics: MessagingMetrics
) -> tuple[Sealer, Replay]:
    """What is sealed as it comes in, kept for some days, and led over again."""
    keys = KeyFolder(settings.keys_folder)
    counts = ArchiveMetrics(kit.registry)
    sealer = Sealer(keys, counts)
    store = ArchiveStore(postgres)
    keeper = ArchiveKeeper(store, sealer, counts, metrics, days=settings.archive_days)
    kit.worker("keys", keys.follow)
    kit.worker("archive", keeper.run)
    kit.degraded("keys", keys.problem)
    return sealer, Replay(machine.advance, ReplayStore(postgres), store, sealer, counts)


def _serve_templates(
    kit: Kit,
    settings: MessagingSettings,
    postgres: Postgres,
    catalogue: Catalogue,
    directory: Directory,
    wakes: Wakes,
) -> None:
    servicer = TemplateServicer(
        TemplateStore(postgres),
        catalogue,
        directory,
        read_seconds=settings.template_seconds,
        messages=wakes.messages,
    )
    kit.grpc(add_TemplateServiceServicer_to_server, servicer, TEMPLATES)
    usage = UsageServicer(UsageStore(postgres), directory, kit.clock)
    kit.grpc(add_UsageServiceServicer_to_server, usage, USAGE)


def _serve_media(
    kit: Kit,
    settings: MessagingSettings,
    postgres: Postgres,
    redis: Redis,
    tokens: Tokens,
    directory: Directory,
    wakes: Wakes,
) -> None:
    cache = AudioCache(
        redis,
        seconds=settings.audio_cache_seconds,
        most_bytes=settings.audio_cache_bytes,
        clock=kit.clock,
        metrics=AudioCacheMetrics(kit.registry),
    )
    session = kit.http_session(
        total_seconds=settings.media_timeout_seconds,
        read_seconds=settings.graph_timeout_seconds,
    )
    sends = UploadStore(postgres)
    uploads = Uploads(
        store=sends,
        uploader=GraphUploader(
            session, base_url=settings.graph_base_url, version=settings.graph_version
        ),
        sound=Sound(settings.ffmpeg),
        tokens=tokens,
        metrics=UploadMetrics(kit.registry),
    )
    servicer = MediaServicer(MediaStore(postgres), cache, uploads, sends, directory, wakes.messages)
    kit.grpc(add_MediaServiceServicer_to_server, servicer, MEDIA)


def _fetch(
    kit: Kit,
    settings: MessagingSettings,
    postgres: Postgres,
    metrics: MessagingMetrics,
    tokens: Tokens,
    directory: Directory,
    owners: Owners,
) -> None:
    """Its sessions are its own: nothing that is sent waits for a connection behind a download."""

    counts = MediaMetrics(kit.registry)

    def session(to: str, seconds: float) -> aiohttp.ClientSession:
        return kit.http_session(
            limit_per_host=settings.media_concurrency,
            total_seconds=seconds,
            read_seconds=settings.graph_timeout_seconds,
            trace_configs=[counts.counting(to)],
        )

    graph = session("graph", settings.graph_timeout_seconds)
    files = partial(session, "files", settings.media_timeout_seconds)
    worker = MediaWorker(
        store=MediaStore(postgres),
        uploads=UploadStore(postgres),
        shelf=Folder(Path(settings.media_folder)),
        fetcher=Fetcher(
            GraphReader(graph, base_url=settings.graph_base_url, version=settings.graph_version),
            {origin: files() for origin in settings.media_origins},
            most_bytes=settings.media_bytes,
        ),
        owners=owners,
        directory=directory,
        tokens=tokens,
        clock=kit.clock,
        metrics=counts,
        service_metrics=metrics,
        settings=settings,
    )
    kit.worker("media", worker.run)
    kit.worker("media-leases", worker.renew)
    kit.worker("media-sweep", worker.sweep)
    kit.degraded("media", worker.problem)


def _read(
    kit: Kit,
    settings: MessagingSettings,
    postgres: Postgres,
    metrics: MessagingMetrics,
    catalogue: Catalogue,
    directory: Directory,
) -> None:
    worker = CatalogueWorker(
        store=TemplateStore(postgres),
        catalogue=catalogue,
        directory=directory,
        clock=kit.clock,
        metrics=metrics,
        settings=settings,
    )
    kit.worker("templates", worker.run)
    kit.worker("fields", FieldWorker(FieldStore(postgres), metrics, settings).run)
    kit.worker("usage", UsageMeter(UsageStore(postgres), directory, metrics, settings).run)


def _lead(
    kit: Kit,
    settings: MessagingSettings,
    postgres: Postgres,
    metrics: MessagingMetrics,
    wakes: Wakes,
    turns: Turns,
    profiles: Profiles,
    marks: ReadMarks,
) -> None:
    stub = kit.channel("booking", settings.target_booking).stub(BookingServiceStub)
    booking = Booking(stub)
    news = ReservationNews(stub, NewsStore(postgres), wakes.arrived)
    steps = StepWorker(
        inbox=InboxStore(postgres),
        steps=StepStore(postgres),
        turns=turns,
        merges=MergeStore(postgres),
        talk=Talk(machine.advance, booking, profiles),
        marks=marks,
        clock=kit.clock,
        tracing=kit.telemetry,
        metrics=metrics,
        settings=settings,
        wakes=wakes,
    )
    effects = EffectWorker(
        store=EffectStore(postgres),
        booking=booking,
        tracing=kit.telemetry,
        metrics=metrics,
        settings=settings,
        commands=wakes.commands,
        answered=wakes.arrived,
    )
    kit.worker("steps", steps.run)
    kit.worker("leases", steps.renew)
    kit.worker("effects", effects.run)
    kit.worker("reservation-news", news.run)


def _send(
    kit: Kit,
    settings: MessagingSettings,
    postgres: Postgres,
    redis: Redis,
    metrics: MessagingMetrics,
    wakes: Wakes,
    graph: GraphClient,
    tokens: Tokens,
    directory: Directory,
) -> None:
    limiter = RateLimiter(
        redis,
        name="sends",
        most_replicas=settings.most_replicas,
        clock=kit.clock,
        metrics=RateLimitMetrics(kit.registry),
    )
    store = OutboxStore(postgres)
    resuming = Resuming(store, wakes.messages)
    tokens.on_change(resuming.resume)
    outbox = OutboxWorker(
        store=store,
        window=Window(store, WindowStore(postgres), TemplateStore(postgres), metrics),
        graph=graph,
        tokens=tokens,
        directory=directory,
        rates=SendRates(limiter, directory, settings.number_messages_per_second),
        clock=kit.clock,
        tracing=kit.telemetry,
        metrics=metrics,
        settings=settings,
        messages=wakes.messages,
    )
    kit.worker("resuming", resuming.run)
    kit.worker("outbox", outbox.run)
    kit.worker("settling", outbox.settle)
    kit.degraded("graph", outbox.problem)
