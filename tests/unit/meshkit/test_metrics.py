"""Our quick histogram tells what the library's would."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from meshkit.metrics import QuickHistogram, new_registry

BUCKETS = (0.001, 0.5, 5.0, 3145728.0)
OBSERVED = (0.0, 0.001, 0.0010001, 0.5, 4.0, 5.0, 3145728.0, 1e9)


def test_what_is_exposed_is_what_the_library_exposes() -> None:
    new_registry()  # which has the library leave out when each series was made
    quick, library = CollectorRegistry(), CollectorRegistry()
    ours = QuickHistogram("it_seconds", "How long.", ["way"], buckets=BUCKETS, registry=quick)
    theirs = Histogram("it_seconds", "How long.", ["way"], buckets=BUCKETS, registry=library)
    for amount in OBSERVED:
        ours.labels("a").observe(amount)
        theirs.labels("a").observe(amount)
    ours.labels("b")
    theirs.labels("b")
    assert generate_latest(quick) == generate_latest(library)


def test_a_name_is_taken_once() -> None:
    registry = CollectorRegistry()
    QuickHistogram("it_seconds", "How long.", buckets=BUCKETS, registry=registry)
    with pytest.raises(ValueError, match="Duplicated"):
        Histogram("it_seconds", "How long.", registry=registry)


def test_a_stopwatch_observes_what_fails_too() -> None:
    registry = CollectorRegistry()
    times = QuickHistogram("it_seconds", "How long.", buckets=BUCKETS, registry=registry).labels()
    with times.time():
        pass
    with pytest.raises(LookupError), times.time():
        raise LookupError
    assert registry.get_sample_value("it_seconds_count") == 2
    assert (registry.get_sample_value("it_seconds_sum") or 0.0) > 0
