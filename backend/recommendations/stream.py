"""Hides how each event is learned exactly once in effect, although the stream repeats events and may lose them.

The stream is only the fast way. The truth is in PostgreSQL: an event of the outbox whose id is not in
`recommendations_seen` is still to be learned. The reader trusts its position in the stream as long as the same Valkey
server lives and still has the entry at that position; else it asks the outbox for all that it has not seen.
"""

import json
import time
import uuid
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import redis
import structlog
from django.db import connections

from backend.core import metrics
from backend.core import valkey as door
from backend.core.leader import Connection
from backend.core.relay import STREAM, as_message, in_order, least_id

log = structlog.get_logger()

BATCH = 500
REFILL = 5000  # events held in memory at once, some MB
KEPT_DAYS = 7  # the relay prunes the outbox after this

Event = dict[str, Any]

# Unpublished rows count, too: what the relay has sent but not yet marked must not fall between two looks.
_UNSEEN = """
    SELECT e.id, e.kind, e.workspace_id, e.resource, e.sequence, e.person_id, e.data, e.traceparent, e.created_at
    FROM core_event e
    WHERE e.id >= %s AND e.id < %s AND NOT EXISTS (SELECT 1 FROM recommendations_seen s WHERE s.event_id = e.id)
    ORDER BY e.id LIMIT %s
"""
_SAVE_POSITION = """
    INSERT INTO recommendations_position (stream, run_id, entry_id) VALUES (%s, %s, %s)
    ON CONFLICT (stream) DO UPDATE SET run_id = excluded.run_id, entry_id = excluded.entry_id
"""


@dataclass(frozen=True, slots=True)
class Position:
    """The last entry read, in the life `run_id` of a Valkey server."""

    run_id: str = ""
    entry_id: str = "0-0"


def load_position(connection: Connection) -> Position:
    row = connection.execute(
        "SELECT run_id, entry_id FROM recommendations_position WHERE stream = %s", [STREAM]
    ).fetchone()
    return Position(*row) if row else Position()


def save_position(connection: Connection, position: Position, seen: Iterable[uuid.UUID]) -> None:
    """In the caller's transaction, with the effect of the events `seen`."""
    connection.execute(
        "INSERT INTO recommendations_seen (event_id) SELECT unnest(%s::uuid[]) ON CONFLICT DO NOTHING", [list(seen)]
    )
    connection.execute(_SAVE_POSITION, [STREAM, position.run_id, position.entry_id])


def forget_seen(connection: Connection) -> None:
    """Drop ids so old that the outbox and the stream can't bring them again."""
    before = least_id(time.time() - (KEPT_DAYS + 1) * 86400)
    connection.execute("DELETE FROM recommendations_seen WHERE event_id < %s", [before])


def seen_among(connection: Connection, events: Iterable[uuid.UUID]) -> set[uuid.UUID]:
    rows = connection.execute(
        "SELECT event_id FROM recommendations_seen WHERE event_id = ANY(%s)", [list(events)]
    ).fetchall()
    return {row[0] for row in rows}


def unseen_in_outbox(connection: Connection, *, within_s: float, settled_s: float = 0.0) -> list[Event]:
    """Events recorded within the last `within_s` and not seen yet, the oldest first, at most `REFILL` of them.

    `settled_s` leaves out the youngest, which the stream is still bringing.
    """
    now = time.time()
    # An hour of grace, for the clocks of those who make ids may differ.
    upto = least_id(now - settled_s) if settled_s else least_id(now + 3600)
    rows = connection.execute(_UNSEEN, [least_id(now - within_s), upto, REFILL]).fetchall()
    return [as_message(row) for row in in_order(rows)]


def is_intact(valkey: redis.Redis, position: Position) -> bool:
    """Whether the stream can still be followed from `position` without a gap."""
    if _run_id(valkey) != position.run_id:
        return False  # a restarted server may have lost its last second, behind our position as well
    return position.entry_id == "0-0" or bool(valkey.xrange(STREAM, position.entry_id, position.entry_id, count=1))


def end_of_stream(valkey: redis.Redis) -> Position:
    """Where to go on once the outbox has told everything. Take it before asking the outbox."""
    last: Any = valkey.xrevrange(STREAM, count=1)
    return Position(_run_id(valkey), last[0][0].decode() if last else "0-0")


def read(valkey: redis.Redis, position: Position, *, block_ms: int) -> tuple[list[Event], Position]:
    """The entries after `position`, up to a batch; waits for one at most `block_ms` (below the client's time-out)."""
    answer: Any = valkey.xread({STREAM: position.entry_id}, count=BATCH, block=max(block_ms, 1))
    if not answer:
        return [], position
    entries = answer[0][1] if isinstance(answer, list) else answer[STREAM.encode()][0]
    events = []
    for entry_id, fields in entries:
        try:
            events.append(json.loads(fields[b"event"]))
        except (KeyError, ValueError) as exc:
            log.warning("recommendations.entry_unreadable", entry_id=entry_id.decode(), error=type(exc).__name__)
    return events, Position(position.run_id, entries[-1][0].decode())


def lag_s() -> float:
    """How far what is learned and saved lies behind the stream's end, by the times of their entries. Raises RedisError,
    DatabaseError."""
    with closing(connections["system"]) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT entry_id FROM recommendations_position WHERE stream = %s", [STREAM])
        saved = cursor.fetchone()
    valkey = door.client()
    at = saved[0] if saved else "0-0"
    behind: Any = valkey.xrange(STREAM, f"({at}", "+", count=1)
    if not behind:
        return 0.0
    last: Any = valkey.xrevrange(STREAM, count=1)
    learned_ms = _time_ms(at) or _time_ms(behind[0][0].decode())
    return (_time_ms(last[0][0].decode()) - learned_ms) / 1000


def follow_lag() -> None:
    """Show the lag in this process's metrics."""
    metrics.follow("learner", lambda: metrics.LEARNER_LAG.set(lag_s()), metrics.LEARNER_LAG)


def _time_ms(entry_id: str) -> int:
    return int(entry_id.partition("-")[0])


def _run_id(valkey: redis.Redis) -> str:
    info: Any = valkey.info("server")
    return str(info["run_id"])
