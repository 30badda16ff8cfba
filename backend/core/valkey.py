"""The door to Valkey: clients with time-outs, one of each kind a process."""

import time
from dataclasses import dataclass
from functools import cache
from typing import Any

import redis
import redis.asyncio
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

REST_S = 1.0  # after a failure; without it each request would wait for each thing that it tells
_CONNECT_S, _ANSWER_S = 1.0, 2.0


@dataclass(slots=True)
class _Rest:
    until: float = 0.0  # by the monotonic clock
    answered: float = 0.0  # when it did last


class _Connection(redis.Connection):
    """Fails at once where it or another connection of the client has just failed."""

    def __init__(self, *, rest: _Rest, **options: Any) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call]  # redis-py's connections are not typed
        self._rest = rest

    def connect_check_health(self, *args: Any, **options: Any) -> None:
        self._refuse_while_resting()
        try:
            super().connect_check_health(*args, **options)
        except (redis.ConnectionError, redis.TimeoutError):
            self._begin_rest()
            raise

    def send_packed_command(self, *args: Any, **options: Any) -> None:
        self._refuse_while_resting()
        super().send_packed_command(*args, **options)  # type: ignore[no-untyped-call]  # as above

    def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            answer = super().read_response(*args, **options)
        except redis.TimeoutError:  # an error of another kind may be of this connection alone, as after a restart
            self._begin_rest()
            raise
        self._rest.answered = time.monotonic()
        return answer

    def _begin_rest(self) -> None:
        self._rest.until = time.monotonic() + REST_S

    def _refuse_while_resting(self) -> None:
        if time.monotonic() < self._rest.until:
            raise redis.ConnectionError("Valkey was away a moment ago.")


def connected_to(url: str, rest: _Rest | None = None) -> redis.Redis:
    """A thread-safe client with a pool. It raises `redis.RedisError` within 3 s when the server is away, then at once
    for REST_S."""
    pool = redis.ConnectionPool.from_url(
        url,
        connection_class=_Connection,
        rest=rest or _Rest(),
        socket_timeout=_ANSWER_S,
        socket_connect_timeout=_CONNECT_S,
        retry=Retry(NoBackoff(), 1),  # a connection that went stale
        health_check_interval=15,
        decode_responses=False,
    )
    return redis.Redis.from_pool(pool)


_rest = _Rest()  # of the process's own client


@cache
def client() -> redis.Redis:
    """The process's own."""
    return connected_to(settings.VALKEY_URL, _rest)


def check() -> None:
    """That it answers: it is asked, unless it has answered within a second. Raises redis.RedisError."""
    if time.monotonic() - _rest.answered > REST_S or time.monotonic() < _rest.until:
        client().ping()


def async_client() -> redis.asyncio.Redis:
    """A new client for the running loop; the caller closes it. Without a read time-out, for subscriptions wait long."""
    return redis.asyncio.Redis.from_url(settings.VALKEY_URL, socket_connect_timeout=1, health_check_interval=15)
