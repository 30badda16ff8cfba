"""Says how far the relay is behind: what is committed in the outbox and not published yet."""

from contextlib import closing
from dataclasses import dataclass

from django.db import connections

from backend.core import metrics

# Both by the partial index of unpublished rows: a matter of as many rows as there are.
_LAG = """
    SELECT count(*), coalesce(extract(epoch FROM now() - (
        SELECT created_at FROM core_event WHERE published_at IS NULL ORDER BY id LIMIT 1
    )), 0)::float8 FROM core_event WHERE published_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Lag:
    """What is not published yet: how many events, and the age of the oldest."""

    events: int
    oldest_s: float


def lag() -> Lag:
    """Over all workspaces, as the role `system`."""
    with closing(connections["system"]) as connection, connection.cursor() as cursor:
        cursor.execute(_LAG)
        return Lag(*cursor.fetchone())


def follow() -> None:
    """Show the lag in this process's metrics."""
    metrics.follow("outbox", _refresh, metrics.OUTBOX_UNPUBLISHED, metrics.OUTBOX_AGE)


def _refresh() -> None:
    now = lag()
    metrics.OUTBOX_UNPUBLISHED.set(now.events)
    metrics.OUTBOX_AGE.set(now.oldest_s)
