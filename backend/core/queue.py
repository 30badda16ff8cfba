"""Enqueues work for the workers by name. The database is the truth: what a broker forgets, a sweeper enqueues again."""

import kombu.exceptions
import redis
import structlog
from django.db import transaction

from backend.celery import app
from backend.core import metrics, trace, valkey

log = structlog.get_logger()


def enqueue(task: str, *args: str | int) -> None:
    """Send `task` after the commit of the open transaction. Ids travel, not objects."""
    transaction.on_commit(lambda: send_now(task, *args), robust=True)


def send_now(task: str, *args: str | int, expires_s: float | None = None) -> bool:
    """Send `task` at once, without a transaction. False, and a line in the log, when Valkey is away."""
    try:
        valkey.check()  # it gives up sooner than Celery, and at once where Valkey was away a moment ago
        headers = {"traceparent": trace.current()}
        app.send_task(task, args=args, headers=headers, expires=expires_s, retry=False)
    except (kombu.exceptions.OperationalError, redis.RedisError, OSError) as exc:
        metrics.VALKEY_ERRORS.labels("queue").inc()
        log.warning("queue.not_sent", task=task, error=type(exc).__name__)
        return False
    return True
