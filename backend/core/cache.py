"""Django's cache in Valkey, which is empty while Valkey is away: allauth counts in it, and signing in must go on."""

from collections.abc import Callable
from typing import Any

import redis
import structlog
from django.core.cache.backends.redis import RedisCache as DjangoCache
from django.core.cache.backends.redis import RedisCacheClient

from backend.core import metrics, valkey

log = structlog.get_logger()


def _or(missing: Any, ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except redis.RedisError as exc:
        metrics.VALKEY_ERRORS.labels("cache").inc()
        log.warning("cache.away", error=type(exc).__name__)
        return missing


class _Client(RedisCacheClient):
    """The operations that Django's backend makes, each with what an empty cache would answer."""

    def get_client(self, key: Any = None, *, write: bool = False) -> redis.Redis:
        return valkey.client()

    def add(self, *args: Any) -> Any:
        return _or(True, lambda: super(_Client, self).add(*args))

    def get(self, key: Any, default: Any) -> Any:
        return _or(default, lambda: super(_Client, self).get(key, default))

    def set(self, *args: Any) -> Any:
        return _or(None, lambda: super(_Client, self).set(*args))

    def touch(self, *args: Any) -> Any:
        return _or(False, lambda: super(_Client, self).touch(*args))

    def delete(self, *args: Any) -> Any:
        return _or(False, lambda: super(_Client, self).delete(*args))

    def get_many(self, *args: Any) -> Any:
        return _or({}, lambda: super(_Client, self).get_many(*args))

    def has_key(self, *args: Any) -> Any:
        return _or(False, lambda: super(_Client, self).has_key(*args))

    def incr(self, key: Any, delta: int) -> Any:
        return _or(delta, lambda: super(_Client, self).incr(key, delta))

    def set_many(self, *args: Any) -> Any:
        return _or([], lambda: super(_Client, self).set_many(*args))

    def delete_many(self, *args: Any) -> Any:
        return _or(None, lambda: super(_Client, self).delete_many(*args))


class Cache(DjangoCache):
    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = _Client
