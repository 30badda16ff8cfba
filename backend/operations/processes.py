"""Examines our own processes and what they have left to do, and Triton, which works for them."""

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import kombu.exceptions
import psycopg
import redis
from django.conf import settings

from backend.celery import app
from backend.core import outbox
from backend.core.leader import Leader
from backend.core.relay import Relay
from backend.embedded import children
from backend.embedded.parts import PARTS
from backend.operations import database
from backend.operations.environment import embedded, is_embedded
from backend.operations.findings import TIMEOUT_S, Finding, failure, http_client, judged, named, ok, warning
from backend.recommendations.learner import Learner
from inference import client as triton
from inference.errors import TritonUnavailable

LATE_S = 30.0
PING_S = 1.0  # how long workers may take to answer
_LEADS = """
    SELECT s.application_name, s.backend_start FROM pg_locks l JOIN pg_stat_activity s USING (pid)
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
    AND l.classid = (%(lock)s::bigint >> 32)::oid AND l.objid = (%(lock)s::bigint & 4294967295)::oid
"""


def examine_stack() -> Iterator[Finding]:
    """Of the embedded stack: whether a supervisor keeps it, and whether each part of it runs now."""
    if not is_embedded():
        return
    running = {name for name, _, _ in children.running(settings.ATELIER_VAR)}
    if not running:
        yield failure("stack.runs", f"nothing runs under {settings.ATELIER_VAR}", "Start it: `make run`.")
        return
    ours = {part.name for part in PARTS if not (part.url and getattr(settings, part.url) != embedded().get(part.url))}
    down = sorted(ours - running)
    said = f"{', '.join(down)} not running" if down else f"all {len(ours)} parts run"
    advice = f"It is started again by itself; if not, look into {settings.ATELIER_VAR}/logs."
    yield judged(not down, "stack.runs", said, advice, level="warning")


def examine_traces() -> Iterator[Finding]:
    """Whether something answers where traces go, if they go anywhere."""
    if not settings.TRACES_ENDPOINT:
        return
    where = urlsplit(settings.TRACES_ENDPOINT)
    said = f"{where.scheme}://{where.hostname}:{where.port or ''}"  # without what may be a password
    advice = "Start the collector, or take OTEL_EXPORTER_OTLP_ENDPOINT out. All else goes on; the spans are lost."
    try:
        with http_client(settings.TRACES_ENDPOINT) as http:
            http.post(settings.TRACES_ENDPOINT, content=b"")
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        yield warning("traces.collector", f"{said} {named(exc)}", advice)
        return
    yield ok("traces.collector", f"{said} answers")


def examine_web() -> Iterator[Finding]:
    advice = "Start it, or mend ATELIER_URL, which is where browsers look for it."
    try:
        with http_client(settings.ATELIER_URL) as http:
            began = time.perf_counter()
            answer = http.get(f"{settings.ATELIER_URL}/healthz")
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        yield failure("web.reachable", f"{settings.ATELIER_URL}: {named(exc)}", advice)
        return
    said = f"{settings.ATELIER_URL} answers {answer.status_code} in {1000 * (time.perf_counter() - began):.0f} ms"
    yield judged(answer.status_code == 200, "web.reachable", said, advice)


def examine_workers() -> Iterator[Finding]:
    try:
        names = workers()
    except (kombu.exceptions.OperationalError, redis.RedisError, OSError) as exc:
        yield failure("worker.answers", named(exc), "Workers are asked through Valkey: see there.")
        return
    advice = "Start one (`celery -A backend.celery worker`): AI jobs and clean-ups wait until then."
    yield judged(bool(names), "worker.answers", ", ".join(names) or f"none within {PING_S:g} s", advice)


def workers() -> list[str]:
    """The names of the Celery workers that answer within PING_S. Raises kombu's OperationalError, RedisError."""
    with app.connection_for_write(connect_timeout=TIMEOUT_S) as connection:
        connection.ensure_connection(max_retries=1, timeout=TIMEOUT_S)
        answers: Any = app.control.inspect(timeout=PING_S, connection=connection).ping()
    return sorted(answers or ())


def examine_leaders() -> Iterator[Finding]:
    try:
        with database.connect(settings.DATABASE_SYSTEM_URL) as connection:
            leads = {kind.name: is_led(connection, kind) for kind in (Relay, Learner)}
    except psycopg.Error as exc:
        yield failure("relay.leads", type(exc).__name__, "Leaders hold a lock in PostgreSQL: see there.")
        return
    waits = {"relay": "events reach nobody", "learner": "suggestions stand still"}
    for name, is_there in leads.items():
        said = "one process leads" if is_there else "nobody leads"
        yield judged(is_there, f"{name}.leads", said, f"Start `manage.py {name}`: {waits[name]} until then.")
    lag = outbox.lag()
    said = f"{lag.events} events wait" + (f", the oldest for {lag.oldest_s:.0f} s" if lag.events else "")
    advice = "See whether relay and Valkey run. Nothing is lost: the outbox keeps them."
    yield judged(lag.oldest_s < LATE_S, "relay.outbox", said, advice, level="warning")


def is_led(connection: "psycopg.Connection[tuple[Any, ...]]", kind: type[Leader]) -> bool:
    """Whether some process holds the lock of that work."""
    return connection.execute(_LEADS, {"lock": kind.lock}).fetchone() is not None


def examine_triton() -> Iterator[Finding]:
    began = time.perf_counter()
    try:
        server = triton.describe(timeout_s=TIMEOUT_S)
    except TritonUnavailable:
        yield failure(
            "triton.reachable", "no answer", "Start it, or mend TRITON_URL. Meanwhile jobs wait, up to a bound."
        )
        return
    yield ok("triton.reachable", f"Triton {server.version} answers in {1000 * (time.perf_counter() - began):.0f} ms")
    for model, is_ready in server.models.items():
        said = "ready" if is_ready else "not ready"
        advice = "Lay out the model repository (`python -m backend.embedded run` does), and look at Triton's log."
        yield judged(is_ready, f"triton.{model}", said, advice)
