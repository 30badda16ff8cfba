"""Tells open pages at once what changed. Nothing is kept: who was not told finds it in the outbox."""

import json
import uuid
from typing import Any

import redis
import structlog
from django.db import transaction

from backend.core import metrics, valkey

log = structlog.get_logger()


def publish(topic: str, kind: str, data: dict[str, Any], *, event_id: uuid.UUID | None = None) -> None:
    """Tell the listeners of `topic` after the commit of the open transaction; at once where none is open.

    `event_id`: the recorded event that says the same, by which a listener who is told neither loses nor doubles it.
    """
    transaction.on_commit(lambda: publish_now(topic, kind, data, event_id=event_id), robust=True)


def publish_now(topic: str, kind: str, data: dict[str, Any], *, event_id: uuid.UUID | None = None) -> None:
    """Tell the listeners of `topic`, whatever transaction is open. Valkey away: only a line in the log."""
    try:
        message = {"kind": kind, "data": data, "event_id": event_id}
        valkey.client().publish(f"live:{topic}", json.dumps(message, default=str))
    except redis.RedisError as exc:
        metrics.VALKEY_ERRORS.labels("live").inc()
        log.warning("live.not_sent", kind=kind, error=type(exc).__name__)
