"""Examines Valkey: that it answers, keeps what it took, and never forgets to make room."""

import time
from collections.abc import Iterator
from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from backend.operations.findings import TIMEOUT_S, Finding, clock, failure, judged, named, ok, warning

FULL = 0.8
REMEDY = "Events and jobs are found again in PostgreSQL, but until then they wait."


def client() -> redis.Redis:
    """One that tries once and waits for nothing longer than TIMEOUT_S."""
    return redis.Redis.from_url(
        settings.VALKEY_URL,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )


def examine() -> Iterator[Finding]:
    with client() as valkey:
        try:
            began = time.perf_counter()
            valkey.ping()
            took_ms = 1000 * (time.perf_counter() - began)
            info: Any = valkey.info()
        except redis.RedisError as exc:
            advice = "Start it, or mend VALKEY_URL. Meanwhile requests go on, but nothing is live and no job starts."
            yield failure("valkey.reachable", named(exc), advice)
            return
        program, version = (
            ("Valkey", info["valkey_version"]) if "valkey_version" in info else ("Redis", info["redis_version"])
        )
        yield ok("valkey.reachable", f"{program} {version} answers in {took_ms:.1f} ms")
        before = time.time()
        seconds, micros = valkey.time()
        yield clock("valkey.clock", seconds + micros / 1e6 - (before + time.time()) / 2)
        yield from _keeping(info)
        yield _eviction(valkey)


def _keeping(info: dict[str, Any]) -> Iterator[Finding]:
    keeps = bool(info.get("aof_enabled"))
    said = "appends each write to a file" if keeps else "keeps nothing on disk"
    yield judged(keeps, "valkey.durable", said, f"Set appendonly yes, appendfsync everysec. {REMEDY}", level="warning")
    if keeps:
        status = info.get("aof_last_write_status", "ok")
        advice = "Free the disk. Where it is not full an fsync failed, and BGREWRITEAOF lets it write again."
        yield judged(status == "ok", "valkey.file", f"its last write: {status}", advice)
    used, most = info["used_memory"], info.get("maxmemory", 0)
    said = f"{used / 1e6:.0f} of {most / 1e6:.0f} MB used" if most else f"{used / 1e6:.0f} MB used, without a limit"
    yield judged(not most or used < FULL * most, "valkey.memory", said, "Raise maxmemory.", level="warning")


def _eviction(valkey: redis.Redis) -> Finding:
    try:
        policy = valkey.config_get("maxmemory-policy")["maxmemory-policy"]
    except (redis.RedisError, KeyError):
        advice = "See that it is noeviction: queues and streams must not be forgotten to make room."
        return warning("valkey.eviction", "its policy may not be read", advice)
    advice = "Set maxmemory-policy noeviction: any other forgets queues and streams to make room."
    return judged(policy == "noeviction", "valkey.eviction", f"its policy is {policy}", advice)
