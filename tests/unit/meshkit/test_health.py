"""Readiness, degradation and the gauges that tell of them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from meshkit.health import DRAINING, Health
from meshkit.metrics import WorkerMetrics


class Dependency:
    """Something that may be away."""

    def __init__(self) -> None:
        self.problem: str | None = None

    def check(self) -> str | None:
        return self.problem


def make() -> tuple[Health, Dependency, Dependency, CollectorRegistry]:
    registry = CollectorRegistry()
    health = Health(WorkerMetrics(registry))
    database, redis = Dependency(), Dependency()
    health.ready("postgres", database.check)
    health.degraded("redis", redis.check)
    return health, database, redis, registry


def test_a_process_is_ready_when_it_has_started_and_has_what_it_needs() -> None:
    health, database, _, registry = make()
    assert not health.is_ready()
    health.started = True
    assert health.is_ready()
    database.problem = "The database cannot be reached."
    assert not health.is_ready()
    assert health.report()["checks"] == {"postgres": "The database cannot be reached."}
    assert registry.get_sample_value("ready", {"check": "postgres"}) == 0
    database.problem = None
    assert health.is_ready()
    assert registry.get_sample_value("ready", {"check": "postgres"}) == 1


def test_what_can_be_done_without_never_makes_it_unready() -> None:
    health, _, redis, registry = make()
    health.started = True
    redis.problem = "Redis does not answer."
    assert health.is_ready()
    assert health.report()["degraded"] == {"redis": "Redis does not answer."}
    assert registry.get_sample_value("degraded", {"what": "redis"}) == 1


def test_a_draining_process_is_not_ready_and_says_so() -> None:
    health, *_ = make()
    health.started = True
    health.draining = True
    report = health.report()
    assert not report["ready"]
    assert report["checks"]["drain"] == DRAINING
