"""Keeps one process at a piece of work: who holds an advisory lock leads, others wait, and faults are waited out."""

import signal
import threading
import time
from abc import ABC, abstractmethod
from typing import Any

import psycopg
import redis
import structlog

from backend.core import metrics

log = structlog.get_logger()

Connection = psycopg.Connection[tuple[Any, ...]]


def connect(dsn: str, *, name: str) -> Connection:
    """A direct connection (no pooler between, for locks and LISTEN are the session's) that notices a dead server."""
    connection = psycopg.connect(
        dsn,
        autocommit=True,
        application_name=name,
        connect_timeout=5,
        keepalives_idle=5,
        keepalives_interval=2,
        keepalives_count=3,
        tcp_user_timeout=10_000,
    )
    connection.execute("SET statement_timeout = '10s'")
    return connection


class Leader(ABC):
    """One process of several that stand ready for the same work. A subclass says in `lead` what that work is."""

    name: str
    lock: int  # the advisory lock's key: a number that nobody else uses

    def __init__(self, dsn: str, *, poll_s: float = 1.0, backoff_max_s: float = 5.0) -> None:
        self._dsn = dsn
        self._poll_s = poll_s
        self._backoff_max_s = backoff_max_s
        self.stopping = threading.Event()

    @abstractmethod
    def lead(self, connection: Connection) -> None:
        """Work until `stopping` is set. `connection` holds the lock: with it the lead is lost."""

    def stop(self) -> None:
        """End `run` within about `poll_s`. Safe in a signal handler."""
        self.stopping.set()

    def run_until_told(self) -> None:
        """`run` in the main thread of a process: SIGTERM and Ctrl-C end it, with what it has in hand done."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop())
        self.run()

    def run(self) -> None:
        """Until `stop`. A fault of PostgreSQL or Valkey is logged and waited out, longer each time up to a bound."""
        wait_s = 0.1
        while not self.stopping.is_set():
            began = time.monotonic()
            try:
                with connect(self._dsn, name=f"atelier-{self.name}") as connection:
                    self._wait_and_lead(connection)
            except (psycopg.Error, redis.RedisError, OSError) as exc:
                if isinstance(exc, redis.RedisError):
                    metrics.VALKEY_ERRORS.labels(self.name).inc()
                if time.monotonic() - began > self._backoff_max_s:
                    wait_s = 0.1  # it worked for a while: this is a new fault
                log.warning("leader.interrupted", leader=self.name, error=type(exc).__name__, retry_in_s=wait_s)
                self.stopping.wait(wait_s)
                wait_s = min(2 * wait_s, self._backoff_max_s)
        log.info("leader.stopped", leader=self.name)

    def _wait_and_lead(self, connection: Connection) -> None:
        while not self.stopping.is_set():
            locked = connection.execute("SELECT pg_try_advisory_lock(%s)", [self.lock]).fetchone()
            if locked and locked[0]:
                log.info("leader.leads", leader=self.name)
                with metrics.LEADER.labels(self.name).track_inprogress():
                    return self.lead(connection)
            self.stopping.wait(self._poll_s)
        return None
