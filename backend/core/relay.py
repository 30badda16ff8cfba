"""Moves committed events from the outbox to the Valkey stream `events`: at least once, in order for each resource."""

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import redis
import structlog
from django.conf import settings

from backend.core import idempotency, metrics, queue, trace
from backend.core.leader import Connection, Leader

log = structlog.get_logger()

STREAM = "events"
STREAM_LENGTH = 100_000  # about; who falls further behind refills from the outbox
BATCH = 500  # rows a transaction: some milliseconds of work, and bounded memory
POLL_S = 1.0  # a lost NOTIFY costs no more than this
PRUNE_BATCH = 5000
# Celery tasks that enqueue again what a broker forgot, and the seconds between two goes of each.
SWEEPERS: Mapping[str, float] = {
    "generations.sweep": 2.0,
    "assets.sweep": 60.0,
    "generations.sweep_pictures": 300.0,
    "workspaces.sweep": 600.0,
}

# A resource's numbers commit in order (its row in core_sequence is locked until then), so among the visible rows of a
# resource none is missing. But ids don't commit in order and a batch is cut by id: the join brings in the earlier rows
# of each resource that the cut left out.
_UNPUBLISHED = """
    WITH picked AS (
        SELECT workspace_id, resource, sequence FROM core_event WHERE published_at IS NULL ORDER BY id LIMIT %(limit)s
    ), upto AS (
        SELECT workspace_id, resource, max(sequence) AS sequence FROM picked GROUP BY workspace_id, resource
    )
    SELECT e.id, e.kind, e.workspace_id, e.resource, e.sequence, e.person_id, e.data, e.traceparent, e.created_at
    FROM core_event e JOIN upto u ON e.workspace_id = u.workspace_id AND e.resource = u.resource
        AND e.sequence <= u.sequence
    WHERE e.published_at IS NULL
    ORDER BY e.id
"""
_PRUNE = """
    DELETE FROM core_event WHERE id IN (
        SELECT id FROM core_event
        WHERE id < %(before)s AND published_at < now() - make_interval(days => %(days)s) ORDER BY id LIMIT %(limit)s
    )
"""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the leader looks and prunes, and how long published events are kept."""

    poll_s: float = POLL_S
    prune_s: float = 600.0
    keep_days: int = 7
    backoff_max_s: float = 5.0


def in_order(rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """`rows` of `_UNPUBLISHED`, each resource's by sequence, in the places which that resource's rows held."""
    by_resource: dict[tuple[Any, str], list[tuple[Any, ...]]] = {}
    for row in sorted(rows, key=lambda row: -row[4]):
        by_resource.setdefault((row[2], row[3]), []).append(row)
    return [by_resource[row[2], row[3]].pop() for row in rows]


def as_message(row: tuple[Any, ...]) -> dict[str, Any]:
    """The event as consumers read it: ids as UUIDs, the time in ISO 8601."""
    event_id, kind, workspace_id, resource, sequence, person_id, data, traceparent, created_at = row
    return {
        "id": str(event_id),
        "kind": kind,
        "workspace_id": str(workspace_id),
        "resource": resource,
        "sequence": sequence,
        "person_id": str(person_id) if person_id else None,
        "data": data,
        "traceparent": traceparent,
        "created_at": created_at.isoformat(),
    }


def least_id(at: float) -> uuid.UUID:
    """No UUIDv7 made at `at` (seconds since 1970) or later is below this; so the primary key finds rows by age."""
    return uuid.UUID(int=int(at * 1000) << 80)


def publish_batch(connection: Connection, valkey: redis.Redis, *, limit: int = BATCH) -> int:
    """Publish what is unpublished, about `limit` rows of it, and mark it; the number of rows published.

    The mark commits after the stream has the rows: a crash between publishes them again, never not at all.
    """
    with connection.transaction():
        rows = in_order(connection.execute(_UNPUBLISHED, {"limit": limit}).fetchall())
        if not rows:
            return 0
        spans = [trace.begin("relay.publish", row[7], kind="producer", event=row[1]) for row in rows]
        pipeline = valkey.pipeline(transaction=True)
        for row, span in zip(rows, spans, strict=True):
            message = as_message(row) | {"traceparent": span.traceparent}  # who reads it goes on from our part
            pipeline.xadd(
                STREAM, {"id": str(row[0]), "event": json.dumps(message)}, maxlen=STREAM_LENGTH, approximate=True
            )
        pipeline.execute()
        connection.execute("UPDATE core_event SET published_at = now() WHERE id = ANY(%s)", [[row[0] for row in rows]])
        for span in spans:
            span.end()
    metrics.RELAYED.inc(len(rows))
    return len(rows)


def prune(connection: Connection, *, keep_days: int) -> int:
    """Drop one batch of events published more than `keep_days` ago; the number dropped."""
    before = least_id(time.time() - keep_days * 86400)
    return connection.execute(_PRUNE, {"before": before, "days": keep_days, "limit": PRUNE_BATCH}).rowcount


class Relay(Leader):
    """Leads by publishing what is committed, and does the chores that need one process: sweepers and pruning."""

    name = "relay"
    lock = 0x61746C_0001  # "atl" 1

    def __init__(
        self, dsn: str, valkey: redis.Redis, *, pace: Pace | None = None, sweepers: Mapping[str, float] = SWEEPERS
    ) -> None:
        self._pace = pace or Pace()
        super().__init__(dsn, poll_s=self._pace.poll_s, backoff_max_s=self._pace.backoff_max_s)
        self._valkey = valkey
        self._sweepers = sweepers
        self._sweep_at = dict.fromkeys(sweepers, 0.0)
        self._prune_at = 0.0

    def lead(self, connection: Connection) -> None:
        connection.execute("LISTEN outbox")
        while not self.stopping.is_set():
            while published := publish_batch(connection, self._valkey):
                log.info("relay.published", events=published)
                if self.stopping.is_set():
                    return
            self._do_chores(connection)
            for _ in connection.notifies(timeout=self._pace.poll_s, stop_after=1):
                pass

    def _do_chores(self, connection: Connection) -> None:
        now = time.monotonic()
        for sweeper, every_s in self._sweepers.items():
            if now >= self._sweep_at[sweeper]:
                self._sweep_at[sweeper] = now + every_s
                with trace.continued(None):
                    queue.send_now(sweeper, expires_s=every_s)
        if now >= self._prune_at:
            pruned = max(
                prune(connection, keep_days=self._pace.keep_days),
                idempotency.prune(connection, keep_s=settings.IDEMPOTENCY_KEEP_S, limit=PRUNE_BATCH),
            )
            self._prune_at = now + (self._pace.prune_s if pruned < PRUNE_BATCH else 0.0)
