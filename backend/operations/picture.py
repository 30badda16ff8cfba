"""A picture of how busy the studio is: what answers, what waits, what is open. None stands for what can't be seen."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from prometheus_client.parser import text_string_to_metric_families

from backend.celery import waiting
from backend.core import beside, outbox, storage
from backend.core.relay import Relay
from backend.core.storage import StorageUnavailable
from backend.embedded import children
from backend.generations import queries as jobs
from backend.generations.states import State
from backend.operations import broker, database, processes
from backend.operations.environment import is_embedded
from backend.operations.findings import TIMEOUT_S, http_client, named
from backend.recommendations import stream
from backend.recommendations.learner import Learner
from inference import client as triton

SHOWN = {
    "rooms": "atelier_collab_rooms",
    "sockets": "atelier_collab_sockets",
    "streams": "atelier_streams_open",
    "requests_in_flight": "atelier_http_requests_in_flight",
    "server_errors": "atelier_http_server_errors_total",
}


@dataclass(frozen=True, slots=True)
class Part:
    """One part: `latency_ms` of a call of ours where it answers, else what it said instead."""

    name: str
    latency_ms: float | None
    error: str


@dataclass(frozen=True, slots=True)
class Process:
    """A process of the embedded stack, with all that it started."""

    name: str
    pid: int
    memory_mb: float
    port: int


@dataclass(frozen=True, slots=True)
class Picture:
    parts: list[Part]
    workers: list[str] | None
    leads: dict[str, bool] | None  # whether a process does the work of relay and learner
    queue_messages: int | None
    outbox: outbox.Lag | None
    learner_lag_s: float | None
    jobs: dict[str, int] | None
    web: dict[str, int] | None
    processes: list[Process] | None  # None: the stack is not ours

    @property
    def is_whole(self) -> bool:
        return all(part.latency_ms is not None for part in self.parts)


def take() -> Picture:
    """Within about TIMEOUT_S, whatever is away."""
    parts = {"web": _web_answers, "database": _database, "valkey": _valkey, "s3": _store, "triton": _triton}
    asked: dict[str, Callable[[], Any]] = {
        **{f"part {name}": _timed(question) for name, question in parts.items()},
        "workers": processes.workers,
        "leads": _leads,
        "queue": waiting,
        "outbox": outbox.lag,
        "learner": stream.lag_s,
        "jobs": lambda: jobs.counted(*State),
        "web": _web_metrics,
        "processes": _processes,
    }
    answers = beside.ask_all(asked, timeout_s=TIMEOUT_S + 0.5)

    def part(name: str) -> Part:
        answer = answers[f"part {name}"]
        error = named(answer.error) if answer.error else ""
        return Part(name, None if answer.error else answer.value, error)

    return Picture(
        parts=[part(name) for name in parts],
        workers=answers["workers"].value,
        leads=answers["leads"].value,
        queue_messages=answers["queue"].value,
        outbox=answers["outbox"].value,
        learner_lag_s=answers["learner"].value,
        jobs=answers["jobs"].value,
        web=answers["web"].value,
        processes=answers["processes"].value,
    )


def _timed(question: Callable[[], object]) -> Callable[[], float]:
    def ask() -> float:
        began = time.perf_counter()
        question()
        return round(1000 * (time.perf_counter() - began), 1)

    return ask


# --- what is asked of each part: raises where it is away


def _web_answers() -> None:
    with http_client(settings.ATELIER_URL) as http:
        http.get(f"{settings.ATELIER_URL}/healthz").raise_for_status()


def _database() -> None:
    with database.connect(settings.DATABASE_URL) as connection:
        connection.execute("SELECT 1")


def _valkey() -> None:
    with broker.client() as valkey:
        valkey.ping()


def _store() -> None:
    with http_client(settings.S3_ENDPOINT_URL) as http:
        http.get(settings.S3_ENDPOINT_URL)  # before boto3 asks, which asks three times
    if not storage.ready():
        raise StorageUnavailable


def _triton() -> None:
    triton.describe(timeout_s=TIMEOUT_S)


def _leads() -> dict[str, bool]:
    with database.connect(settings.DATABASE_SYSTEM_URL) as connection:
        return {kind.name: processes.is_led(connection, kind) for kind in (Relay, Learner)}


def _web_metrics() -> dict[str, int]:
    """Summed over METRICS_URLS; those that can't be read are left out."""
    token = {"Authorization": f"Bearer {settings.METRICS_TOKEN}"} if settings.METRICS_TOKEN else {}

    def read(url: str) -> Callable[[], str]:
        def ask() -> str:
            with http_client(url) as http:
                return http.get(url, headers=token).raise_for_status().text

        return ask

    answers = beside.ask_all({url: read(url) for url in settings.METRICS_URLS}, timeout_s=TIMEOUT_S)
    texts = [answer.value for answer in answers.values() if answer.value is not None]
    if not texts:
        raise OSError("none of METRICS_URLS could be read")
    return {name: sum(_values(texts, series)) for name, series in SHOWN.items()}


def _values(texts: Iterable[str], series: str) -> Iterable[int]:
    for text in texts:
        for family in text_string_to_metric_families(text):
            yield from (int(sample.value) for sample in family.samples if sample.name == series)


def _processes() -> list[Process] | None:
    if not is_embedded():
        return None
    found = []
    for name, process, port in children.running(settings.ATELIER_VAR):
        found.append(Process(name, process.pid, round(children.pss_bytes(process) / 1e6, 1), port))
    return found
