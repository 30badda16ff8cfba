"""Declares every metric in one place, and shows them in Prometheus' form; /docs/metrics is made from what stands here.

A process counts for itself: whoever scrapes adds up. Labels take few values, all of them ours: never an id, an address
or a text of a user. What a process must look up to know (rows in a table, entries in a stream) is read when it is
scraped: see `follow`.

Source: prometheus.io, "Metric and label naming".
"""

import math
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import prometheus_client
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder, start_http_server
from prometheus_client.metrics_core import Metric

log = structlog.get_logger()
prometheus_client.disable_created_metrics()  # a second series for each counter, which nobody reads


@dataclass(frozen=True, slots=True)
class Declared:
    """One metric as its page shows it; of a histogram, `name` is what the names of its series begin with."""

    name: str
    kind: str
    unit: str
    labels: tuple[str, ...]
    meaning: str


class _Registry(CollectorRegistry):
    """Looks up what must be looked up before it tells."""

    def __init__(self) -> None:
        super().__init__()
        self.followed: dict[str, tuple[Callable[[], None], tuple[Gauge, ...]]] = {}

    def collect(self) -> Iterable[Metric]:
        for name, (refresh, gauges) in list(self.followed.items()):
            try:
                refresh()
            except Exception as exc:  # noqa: BLE001 - the edge: a part that is away must not hide all other metrics
                log.warning("metrics.not_read", name=name, error=type(exc).__name__)
                for gauge in gauges:
                    _forget(gauge)
        return super().collect()


REGISTRY = _Registry()
DECLARED: list[Declared] = []
_LABELLED: set[Gauge] = set()

FAST_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SLOW_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
SIZES = (64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0, 1048576.0, 4194304.0)


def _declare(kind: str, name: str, meaning: str, labels: tuple[str, ...]) -> None:
    unit = next((unit for unit in ("seconds", "bytes") if unit in name.split("_")), "")
    DECLARED.append(Declared(name, kind, unit, labels, meaning))


def _counter(name: str, meaning: str, *labels: str) -> Counter:
    _declare("counter", name, meaning, labels)
    return Counter(name, meaning, labels, registry=REGISTRY)


def _gauge(name: str, meaning: str, *labels: str) -> Gauge:
    _declare("gauge", name, meaning, labels)
    gauge = Gauge(name, meaning, labels, registry=REGISTRY)
    if labels:
        _LABELLED.add(gauge)
    return gauge


class Deferred(Histogram):
    """Counts what it observes when it is told: what is observed with each act must cost the act little.

    Many are counted as one, in what prometheus_client's own `observe` counts in.
    """

    MOST = 1000  # that wait

    def __init__(self, *args: Any, **options: Any) -> None:
        self._waiting: list[float] = []
        self._counting = threading.Lock()  # it is scraped in another thread
        super().__init__(*args, **options)

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        self._waiting.append(amount)
        if len(self._waiting) > self.MOST:
            self._count()

    def _count(self) -> None:
        with self._counting:
            waiting = self._waiting[:]
            del self._waiting[: len(waiting)]  # what another thread adds meanwhile stands behind
        waiting.sort()
        self._sum.inc(sum(waiting))
        begin = 0
        for bucket, bound in zip(self._buckets, self._upper_bounds, strict=True):
            end = bisect_right(waiting, bound, begin)
            if end > begin:
                bucket.inc(end - begin)
            begin = end

    def collect(self) -> Iterable[Metric]:
        self._count()
        return super().collect()


def _histogram(name: str, meaning: str, *labels: str, buckets: Sequence[float] = FAST_S) -> Histogram:
    _declare("histogram", name, meaning, labels)
    return (Histogram if labels else Deferred)(name, meaning, labels, buckets=buckets, registry=REGISTRY)


# --- requests
HTTP_DURATION = _histogram(
    "atelier_http_request_duration_seconds",
    "How long requests took until their answer began, by the route's template; its count is the number of requests.",
    *("method", "route", "status"),
)
HTTP_IN_FLIGHT = _gauge("atelier_http_requests_in_flight", "Requests that are being answered now.")
HTTP_SERVER_ERRORS = _counter("atelier_http_server_errors_total", "Answers of 500 or above.")
HTTP_REFUSED = _counter(
    "atelier_http_refused_total", "Requests that were refused before they were routed, by the error's code.", "code"
)
PART_AWAY = _counter(
    "atelier_part_unavailable_answers_total", "Answers that said that a part (database, s3, …) is away.", "part"
)
IDEMPOTENT_REPLAYS = _counter(
    "atelier_http_idempotent_replays_total", "Answers given again to a repeated Idempotency-Key."
)
RATE_LIMITED = _counter("atelier_rate_limited_total", "Requests refused with 429, by what the limit counts.", "scope")
RATE_LIMIT_OPEN = _counter(
    "atelier_rate_limit_failed_open_total", "Requests let through uncounted because Valkey was away: raise an alarm."
)
STREAMS_OPEN = _gauge("atelier_streams_open", "Server-sent event streams that are open.")

LOOP_LAG = _histogram(
    "atelier_event_loop_lag_seconds", "How late the web's event loop came back to a task that slept for a second."
)

# --- parts
POOL_CONNECTIONS = _gauge(
    "atelier_database_pool_connections",
    "Connections of the pool, by database role and state (open or idle).",
    *("database", "state"),
)
POOL_WAITING = _gauge("atelier_database_pool_waiting_requests", "Threads that wait for a connection.", "database")
VALKEY_ERRORS = _counter("atelier_valkey_errors_total", "Calls of Valkey that failed, by what they were for.", "use")
STORE_DURATION = _histogram(
    "atelier_store_duration_seconds", "How long calls of S3 took, by operation and outcome.", "operation", "outcome"
)
TRIALS_FAILED = _counter(
    "atelier_model_trials_failed_total",
    "Jobs at which a version of a model failed that is being tried, so that the stable one did them.",
    "model",
)
TRITON_DURATION = _histogram(
    "atelier_triton_duration_seconds",
    "How long Triton took for one tile, waiting in its queue included, by model and outcome (ok or gRPC's status).",
    *("model", "outcome"),
    buckets=SLOW_S,
)
SPANS_DROPPED = _counter("atelier_trace_spans_dropped_total", "Spans that the collector of traces did not take.")

# --- events
LEADER = _gauge("atelier_leader", "Whether this process leads at the work (1) or stands ready (0).", "work")
OUTBOX_UNPUBLISHED = _gauge("atelier_outbox_unpublished_events", "Committed events that the relay has not published.")
OUTBOX_AGE = _gauge("atelier_outbox_oldest_unpublished_seconds", "Age of the oldest event that is not published.")
RELAYED = _counter("atelier_relay_published_events_total", "Events that the relay moved to the stream.")
LEARNED = _counter("atelier_learner_events_total", "Events that the learner took in.")
LEARNER_LAG = _gauge("atelier_learner_lag_seconds", "Time between the stream's last event and the last one learned.")

# --- work
QUEUE_LENGTH = _gauge("atelier_queue_messages", "Messages that wait in the broker for a worker.")
TASK_DURATION = _histogram(
    "atelier_task_duration_seconds",
    "How long Celery tasks took, by task and outcome (ok or error).",
    *("task", "outcome"),
    buckets=SLOW_S,
)
JOBS = _gauge("atelier_jobs", "AI jobs that are queued or running now.", "state")
JOB_WAIT = _histogram(
    "atelier_job_queue_wait_seconds",
    "How long jobs waited for their first claim, by lane.",
    *("task", "lane"),
    buckets=SLOW_S,
)
JOB_DURATION = _histogram(
    "atelier_job_run_duration_seconds",
    "How long runs of jobs took, by task and outcome: succeeded, failed, put_back, let_go or database_away.",
    *("task", "outcome"),
    buckets=SLOW_S,
)
INTERMEDIATES = _counter(
    "atelier_recipe_pictures_total",
    "Pictures between a recipe's steps: found or missing when a job began, kept or not_kept when a step had ended.",
    "outcome",
)
UPLOADS = _counter(
    "atelier_uploads_total", "Uploads, by outcome: started, finished, expired, or the refusal's code.", "outcome"
)

# --- co-editing
COLLAB_ROOMS = _gauge("atelier_collab_rooms", "Documents that are open in this process.")
COLLAB_SOCKETS = _gauge("atelier_collab_sockets", "Sockets that are open, those that sign in included.")
COLLAB_BACKLOG = _gauge("atelier_collab_backlog_bytes", "Bytes of edits that are not committed yet.")
COLLAB_FLUSH_DURATION = _histogram(
    "atelier_collab_flush_duration_seconds",
    "How long a flush held the event loop: merging, and handing frames to sockets and journal.",
    buckets=(0.0001, 0.00025, *FAST_S[:8]),
)
COLLAB_FAN_OUT_LATENCY = _histogram(
    "atelier_collab_fan_out_latency_seconds",
    "Time from the arrival of a flush's first edit until it is written to the document's sockets.",
)
COLLAB_FLUSH_SIZE = _histogram(
    "atelier_collab_flush_size_bytes", "Size of what one flush appended to the journal.", buckets=SIZES
)
COLLAB_COMMIT_DURATION = _histogram(
    "atelier_collab_commit_duration_seconds", "How long PostgreSQL took for one group commit, failed tries included."
)
COLLAB_ACK_LATENCY = _histogram(
    "atelier_collab_acknowledgement_latency_seconds",
    "Time from the arrival of a flush's first edit to its acknowledgement as saved.",
)
COLLAB_RESYNCS = _counter(
    "atelier_collab_resyncs_total",
    "Repairs of a room: reload, heal (another process's edit journalled by us), answer (to a room that lacked edits).",
    "kind",
)
COLLAB_REFUSALS = _counter(
    "atelier_collab_refusals_total", "Edits refused: read_only by right, journal by PostgreSQL.", "reason"
)
COLLAB_CLOSES = _counter(
    "atelier_collab_closes_total", "Sockets closed, by the error's code; client_left when the client went.", "code"
)

ProcessCollector(registry=REGISTRY)
DECLARED += [
    Declared("process_virtual_memory_bytes", "gauge", "bytes", (), "Virtual memory of the process."),
    Declared("process_resident_memory_bytes", "gauge", "bytes", (), "Resident memory of the process."),
    Declared("process_start_time_seconds", "gauge", "seconds", (), "When the process started, since 1970."),
    Declared("process_cpu_seconds_total", "counter", "seconds", (), "Processor time that the process used."),
    Declared("process_open_fds", "gauge", "", (), "Files and sockets that the process holds open."),
    Declared("process_max_fds", "gauge", "", (), "How many it may hold open."),
]


def follow(name: str, refresh: Callable[[], None], *gauges: Gauge) -> None:
    """Call `refresh` before each scrape, to set `gauges`; where it raises they have no value until the next one.

    Idempotent by `name`. Called in the scraper's thread: close what it opens, and be done within some seconds.
    """
    REGISTRY.followed[name] = (refresh, gauges)


def _forget(gauge: Gauge) -> None:
    """No value rather than the last one, which may be untrue by now."""
    if gauge in _LABELLED:
        gauge.clear()
    else:
        gauge.set(math.nan)


def render(accept: str = "") -> tuple[bytes, str]:
    """All metrics of this process, and their media type: OpenMetrics where `accept` asks for it."""
    encode, media_type = choose_encoder(accept)
    return encode(REGISTRY), media_type


def serve(host: str, port: int) -> None:
    """Answer on a port of our own, in a thread: for processes that have no HTTP. A port in use is only logged."""
    try:
        start_http_server(port, host, registry=REGISTRY)
    except OSError as exc:
        log.error("metrics.not_served", port=port, error=str(exc))  # noqa: TRY400 - the work goes on without
