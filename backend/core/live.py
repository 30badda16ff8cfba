"""Tells open pages at once what changed; nothing is kept, GET is the truth."""

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import redis
import structlog
from django.db import transaction

from backend.core import valkey

log = structlog.get_logger()


def publish(topic: str, kind: str, data: dict[str, Any]) -> None:
    """Tell the listeners of `topic` after the commit of the open transaction; at once where none is open."""
    transaction.on_commit(lambda: publish_now(topic, kind, data))


def publish_now(topic: str, kind: str, data: dict[str, Any]) -> None:
    """Tell the listeners of `topic`, whatever transaction is open. Valkey away: only a line in the log."""
    try:
        valkey.client().publish(f"live:{topic}", json.dumps({"kind": kind, "data": data}, default=str))
    except redis.RedisError as exc:
        log.warning("live.not_sent", kind=kind, error=type(exc).__name__)


async def listen(*topics: str, timeout_s: float = 1.0) -> AsyncIterator[dict[str, Any] | None]:
    """Messages {"topic", "kind", "data"} as they come, and None whenever `timeout_s` passed without one.

    Raises:
        redis.RedisError: Valkey is away; the caller says so and lets its client come again.
    """
    client = valkey.async_client()
    async with aclosing(client), client.pubsub() as channel:
        await channel.subscribe(*[f"live:{topic}" for topic in topics])
        while True:
            message = await channel.get_message(ignore_subscribe_messages=True, timeout=timeout_s)
            if message is None:
                yield None
                continue
            topic = message["channel"].decode().removeprefix("live:")
            yield {"topic": topic, **json.loads(message["data"])}
