"""The door to Valkey: clients with time-outs, one of each kind a process."""

from functools import cache

import redis
import redis.asyncio
from django.conf import settings


@cache
def client() -> redis.Redis:
    """A thread-safe client with a pool; raises `redis.RedisError` within 2 s when Valkey is away."""
    return redis.Redis.from_url(
        settings.VALKEY_URL,
        socket_timeout=2,
        socket_connect_timeout=1,
        health_check_interval=15,
        decode_responses=False,
    )


def async_client() -> redis.asyncio.Redis:
    """A new client for the running loop; the caller closes it. Without a read time-out, for subscriptions wait long."""
    return redis.asyncio.Redis.from_url(settings.VALKEY_URL, socket_connect_timeout=1, health_check_interval=15)
