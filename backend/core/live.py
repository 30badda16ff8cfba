"""Tells open pages at once what changed; nothing is kept, GET is the truth."""

import json
from typing import Any

import redis
import structlog
from django.db import transaction

from backend.core import metrics, valkey

log = structlog.get_logger()


def publish(topic: str, kind: str, data: dict[str, Any]) -> None:
    """Tell the listeners of `topic` after the commit of the open transaction; at once where none is open."""
    transaction.on_commit(lambda: publish_now(topic, kind, data))


def publish_now(topic: str, kind: str, data: dict[str, Any]) -> None:
    """Tell the listeners of `topic`, whatever transaction is open. Valkey away: only a line in the log."""
    try:
        valkey.client().publish(f"live:{topic}", json.dumps({"kind": kind, "data": data}, default=str))
    except redis.RedisError as exc:
        metrics.VALKEY_ERRORS.labels("live").inc()
        log.warning("live.not_sent", kind=kind, error=type(exc).__name__)
