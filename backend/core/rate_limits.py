"""Hides how often somebody may ask: a bucket each for the person, the token and the workspace, kept in Valkey.

A bucket holds a minute's requests and fills evenly; each request takes one. While Valkey is away nobody is refused
(to serve is worth more than to count), and each process says so in its log and metrics.

Source: draft-ietf-httpapi-ratelimit-headers-10; GCRA, ITU-T I.371, annex A.
"""

import math
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

import redis
import structlog
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from backend.core import metrics
from backend.core.errors import RateLimited

log = structlog.get_logger()

Scope = Literal["person", "token", "workspace", "acts"]
_WHO_MAY: dict[Scope, str] = {
    "person": "You may ask",
    "token": "This token may ask",
    "workspace": "This workspace may be asked",
    "acts": "You may tell of acts",
}
WINDOW_S = 60
TIMEOUT_S = 0.25  # a request is worth more than its count
REST_S = 5.0  # after a failure Valkey is not asked for so long

# KEYS: the buckets; ARGV: for each its requests a window. A bucket is kept as the time (µs) at which it is full again.
# Answers for each bucket: how many requests are left (-1: refused, none is taken), the µs until it is full, and those
# until one more is in it.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local answer, full, refused = {}, {}, false
for i, key in ipairs(KEYS) do
  local quota = tonumber(ARGV[i])
  local each = 60000000 / quota
  local at = math.min(math.max(tonumber(redis.call('GET', key) or 0), now), now + 60000000)  -- the clock may go back
  local left = math.floor((60000000 - (at - now)) / each + 0.000001) - 1
  full[i] = at + each
  if left < 0 then refused = true end
  answer[3 * i - 2] = left
  answer[3 * i - 1] = math.ceil(full[i] - now)
  answer[3 * i] = math.ceil(math.max(0, full[i] - now - 60000000))
end
if not refused then
  for i, key in ipairs(KEYS) do redis.call('SET', key, string.format('%.0f', full[i]), 'EX', 61) end
end
return answer
"""


@dataclass(slots=True)
class Spent:
    """What the request that is under way took, for its answer's headers."""

    policies: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def headers(self) -> dict[str, str]:
        if not self.policies:
            return {}
        return {"RateLimit-Policy": ", ".join(self.policies), "RateLimit": ", ".join(self.left)}


_spent: ContextVar[Spent | None] = ContextVar("spent", default=None)
_rests_until = 0.0


@contextmanager
def counting() -> Iterator[Spent]:
    """Count what is taken inside for one request. Outside of it nothing is counted: tasks have no limits."""
    spent = Spent()
    reset = _spent.set(spent)
    try:
        yield spent
    finally:
        _spent.reset(reset)


def take(buckets: Mapping[Scope, uuid.UUID | None]) -> None:
    """Take one request out of the bucket of each, or out of none; None has no bucket. Raises: RateLimited."""
    spent = _spent.get()
    quotas = {scope: _quota(scope) for scope in buckets}
    wanted = {scope: name for scope, name in buckets.items() if name is not None and quotas[scope] > 0}
    if spent is None or not wanted:
        return
    answer = _ask([f"rate:{scope}:{name}" for scope, name in wanted.items()], [quotas[scope] for scope in wanted])
    if answer is None:
        return
    refused: list[tuple[float, Scope]] = []
    for scope, left, full_us, wait_us in zip(wanted, answer[::3], answer[1::3], answer[2::3], strict=True):
        spent.policies.append(f'"{scope}";q={quotas[scope]};w={WINDOW_S}')
        spent.left.append(f'"{scope}";r={max(0, left)};t={math.ceil(full_us / 1e6)}')
        if left < 0:
            refused.append((wait_us / 1e6, scope))
    if refused:
        wait_s, scope = max(refused)
        metrics.RATE_LIMITED.labels(scope).inc()
        whole_s = max(1, math.ceil(wait_s))
        detail = f"{_WHO_MAY[scope]} {quotas[scope]} times a minute. Go on in {whole_s} s."
        raise RateLimited(detail, scope=scope, retry_after_s=whole_s)


def take_of_workspace(workspace_id: uuid.UUID) -> None:
    """Once a request: `tenancy.enter_workspace` calls it. Raises: RateLimited."""
    spent = _spent.get()
    if spent is not None and not any(policy.startswith('"workspace"') for policy in spent.policies):
        take({"workspace": workspace_id})


def _quota(scope: Scope) -> int:
    return {
        "person": settings.RATE_PERSON_PER_MIN,
        "token": settings.RATE_TOKEN_PER_MIN,
        "workspace": settings.RATE_WORKSPACE_PER_MIN,
        "acts": settings.RATE_ACTS_PER_MIN,
    }[scope]


def _ask(keys: list[str], quotas: list[int]) -> list[int] | None:
    """What is left, or None while Valkey is away."""
    global _rests_until
    if time.monotonic() < _rests_until:
        metrics.RATE_LIMIT_OPEN.inc()
        return None
    try:
        answer: list[int] = _script()(keys=keys, args=quotas)
    except redis.RedisError as exc:
        _rests_until = time.monotonic() + REST_S
        metrics.RATE_LIMIT_OPEN.inc()  # an alarm: nobody is limited now
        log.warning("rate_limit.open", error=type(exc).__name__, rests_s=REST_S)
        return None
    return answer


@cache
def _script() -> "redis.commands.core.Script":
    client = redis.Redis.from_url(
        settings.VALKEY_URL,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 1),  # a connection that went stale
    )
    return client.register_script(_TAKE)
