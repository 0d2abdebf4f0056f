"""What the service counts. Labels come from closed sets: reasons, outcomes."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

# From one guest at a time to the largest batch the contract allows.
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class BookingMetrics:
    """All metrics of the service on one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.locks = Counter(
            "booking_locks",
            "Lock requests answered, by outcome: granted, or the reason why not.",
            ["outcome"],
            registry=registry,
        )
        self.batch = Histogram(
            "booking_lock_batch_size",
            "Lock requests decided in one call of the database.",
            buckets=BATCH_BUCKETS,
            registry=registry,
        )
        self.splits = Counter(
            "booking_lock_batch_splits",
            "Batches that failed together and were decided item by item: a request id used for"
            " two types at once, or a defect that the log names.",
            registry=registry,
        )
        self.decisions = Counter(
            "booking_decisions",
            "Releases and extensions of locks and changes of reservations, by method and outcome.",
            ["method", "outcome"],
            registry=registry,
        )
        self.reservations = Counter(
            "booking_reservation_events",
            "Changes of reservations, by action of the table of transitions.",
            ["action"],
            registry=registry,
        )
        self.retries = Counter(
            "booking_decision_retries",
            "Decisions that Postgres broke off (deadlock, lost connection) and were sent again.",
            registry=registry,
        )
        self.searches = Counter(
            "booking_searches",
            "Searches by where their answer came from: live or cached.",
            ["freshness"],
            registry=registry,
        )
        self.cache = Counter(
            "booking_cache",
            "Uses of the availability cache by outcome: hit, miss, stale (a lock was taken"
            " since), foreign (another hotel's value), garbage, away.",
            ["outcome"],
            registry=registry,
        )
        self.answers_reused = Counter(
            "booking_search_answers_reused",
            "Searches whose answer was still there: the same stay, counters and prices.",
            registry=registry,
        )
        self.answers = Gauge(
            "booking_search_answers",
            "Answers that the process keeps for searches to come; the most is 4,096.",
            registry=registry,
        )
        self.pages = Gauge(
            "booking_price_pages",
            "Hotels whose prices the process keeps; the most is 2,000.",
            registry=registry,
        )
        self.quotes = Gauge(
            "booking_quotes",
            "Quotes that the process keeps, since nightly prices repeat; the most is 8,192.",
            registry=registry,
        )
        self.pages_read = Counter(
            "booking_price_pages_read",
            "Hotels whose prices were read, because they were not kept or are others now.",
            registry=registry,
        )
        self.reaped = Counter(
            "booking_locks_swept", "Lapsed locks that the sweeper ended.", registry=registry
        )
        self.forgotten = Counter(
            "booking_answers_swept", "Stored answers that were dropped by age.", registry=registry
        )
        self.left_without_room = Counter(
            "booking_left_without_room",
            "Rooms sold or held that are there no more: a room was shut all the same. `conserje"
            " room debt` lists who has none.",
            registry=registry,
        )
        self.undecided = Counter(
            "booking_undecided",
            "Requests near rooms that are shut or sold as such, for which the search for an"
            " assignment gave up. A person has to look.",
            registry=registry,
        )
