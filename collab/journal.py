"""Hides PostgreSQL: what is committed of each document, and the one writer that commits for all rooms of a process.

Group commit: while one insert is under way, what all rooms append gathers and goes out as the next one. An append whose
outcome is unknown (the server died under it) is sent again: an update that is there twice does no harm.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg
import structlog
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from backend.core import ids, metrics, trace
from collab import heavy

log = structlog.get_logger()

MAX_ROWS, MAX_BYTES = 1000, 8 * 1024 * 1024  # of one insert
RETRY_S = (0.05, 0.1, 0.2, 0.5)  # then the last one again and again
SEEN = 100_000  # flushes of other processes remembered, so that a look at the journal need not fetch them again
AWAY = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, OSError)  # the server may come back

_INSERT = """
    INSERT INTO collab_update (document_id, workspace_id, person_id, data, writer, seq)
    SELECT * FROM unnest(%b::uuid[], %b::uuid[], %b::uuid[], %b::bytea[], %b::uuid[], %b::bigint[])
"""
_LOAD = """
    SELECT 0 AS id, data FROM collab_snapshot WHERE document_id = %(document)s
    UNION ALL SELECT id, data FROM collab_update WHERE document_id = %(document)s
    ORDER BY id
"""
_NEWS = """
    SELECT id, document_id, writer, seq FROM collab_update
    WHERE xid >= %(since)s::xid8 AND writer <> %(writer)s AND document_id = ANY(%(documents)s)
"""
_COMPACTED = """
    SELECT document_id FROM collab_snapshot
    WHERE xid >= %(since)s::xid8 AND writer <> %(writer)s AND document_id = ANY(%(documents)s)
"""
_SNAPSHOT = """
    INSERT INTO collab_snapshot (document_id, workspace_id, data, writer) VALUES (%s, %s, %b, %s)
    ON CONFLICT (document_id) DO UPDATE
    SET data = EXCLUDED.data, writer = EXCLUDED.writer, xid = pg_current_xact_id(), updated_at = now()
"""


# An acknowledgement means "on disk", so the session insists on it; a dead server is noticed in seconds.
_OPTIONS: dict[str, Any] = {
    "autocommit": True,
    "connect_timeout": 2,
    "options": "-c synchronous_commit=on -c statement_timeout=30000 -c lock_timeout=5000",
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One update by one author."""

    document_id: UUID
    workspace_id: UUID
    person_id: UUID | None
    data: bytes


@dataclass(slots=True)
class Append:
    """The rows of one flush. `done(True)` once committed; `done(False)` when PostgreSQL refuses them for good."""

    rows: list[Row]
    seq: int
    done: Callable[[bool], None]
    traceparent: str = ""  # of the flush
    size_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        self.size_bytes = sum(len(row.data) for row in self.rows)


@dataclass(frozen=True, slots=True)
class News:
    """What others committed since the last look: rows that we have not heard of, and documents compacted elsewhere."""

    rows: list[tuple[UUID, bytes]]
    compacted: list[UUID]


class Journal:
    def __init__(self, url: str) -> None:
        self.writer = ids.new_id()  # this process, in the rows and in messages to the others
        self._url = url
        self._pool: AsyncConnectionPool[psycopg.AsyncConnection[TupleRow]] = AsyncConnectionPool(
            url, min_size=0, max_size=4, open=False, timeout=3, reconnect_timeout=2, kwargs=_OPTIONS,
            check=AsyncConnectionPool.check_connection,
        )  # fmt: skip
        self._appends: deque[Append] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None
        self._connection: psycopg.AsyncConnection[TupleRow] | None = None
        # Horizons (oldest open transaction) of the last look and of the one before. A look asks from the one before: a
        # room that loads while a look is under way is not in its list yet, and must find in the next what it missed.
        self._since: str | None = None
        self._last = ""
        self._seen: dict[tuple[UUID, int], None] = {}

    async def open(self) -> None:
        await self._pool.open(wait=False)
        self._task = asyncio.create_task(self._write(), name="collab.journal")

    async def close(self, *, timeout_s: float = 5.0) -> None:
        """Commit what is left, then let go."""
        await self.drain(timeout_s)
        if self._task:
            self._task.cancel()
            _, stuck = await asyncio.wait({self._task}, timeout=2.0)
            if stuck:
                log.warning("collab.journal_stuck")
        if self._connection:
            await self._connection.close()
        await self._pool.close(timeout=1)

    async def drain(self, timeout_s: float) -> bool:
        """Wait until all that was appended is committed."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), timeout_s)
        return self._idle.is_set()

    # --- writing

    def append(self, append: Append) -> None:
        self._appends.append(append)
        self._idle.clear()
        self._wake.set()

    async def _write(self) -> None:
        while True:
            await self._wake.wait()
            group = self._gather()
            if not group:
                self._wake.clear()
                self._idle.set()
                continue
            began = time.perf_counter()
            spans = [trace.begin("collab.commit", append.traceparent, kind="client") for append in group]
            await self._commit(group)
            for span in spans:
                span.end()
            metrics.COLLAB_COMMIT_DURATION.observe(time.perf_counter() - began)

    def _gather(self) -> list[Append]:
        group: list[Append] = []
        rows = size = 0
        while self._appends and rows < MAX_ROWS and size < MAX_BYTES:
            append = self._appends.popleft()
            group.append(append)
            rows += len(append.rows)
            size += append.size_bytes
        return group

    async def _commit(self, group: list[Append]) -> None:
        """Insert until it is committed, however long the server is away."""
        failures = 0
        while True:
            try:
                await self._insert(group)
            except AWAY as exc:
                await self._drop_connection()
                log.warning("collab.journal_away", error=type(exc).__name__, appends=len(group), failures=failures)
                await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])
                failures += 1
            except psycopg.Error as exc:
                if len(group) == 1:
                    # Without the traceback, whose text quotes the row.
                    log.error("collab.journal_refused", sqlstate=exc.sqlstate)  # noqa: TRY400 - as said
                    group[0].done(False)
                else:
                    for append in group:
                        await self._commit([append])
                return
            else:
                for append in group:
                    append.done(True)
                return

    async def _insert(self, group: list[Append]) -> None:
        if self._connection is None or self._connection.closed:
            self._connection = await psycopg.AsyncConnection.connect(self._url, **_OPTIONS)
        pairs = [(row, append.seq) for append in group for row in append.rows]
        columns = (
            [row.document_id for row, _ in pairs],
            [row.workspace_id for row, _ in pairs],
            [row.person_id for row, _ in pairs],
            [row.data for row, _ in pairs],
            [self.writer for _ in pairs],
            [seq for _, seq in pairs],
        )
        await self._connection.execute(_INSERT, columns)

    async def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error, OSError):
                await connection.close()

    # --- reading

    async def load(self, document_id: UUID) -> list[bytes]:
        """Everything committed of a document. Raises: one of AWAY."""
        if self._since is None:
            await self._look([])
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_LOAD, {"document": document_id}, binary=True)
            return [data async for _, data in cursor]

    def heard(self, writer: UUID, seq: int) -> None:
        """Another process has told us of this flush itself."""
        self._seen[writer, seq] = None
        if len(self._seen) > SEEN:
            del self._seen[next(iter(self._seen))]

    async def news(self, documents: Sequence[UUID]) -> News:
        """What others committed in `documents` since the last call, but for what was `heard`. Raises: one of AWAY."""
        return await self._look(documents)

    async def _look(self, documents: Sequence[UUID]) -> News:
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor = await connection.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text")
            ((horizon,),) = await cursor.fetchall()
            if self._since is None:
                self._since = self._last = horizon
                return News([], [])
            parameters = {"since": self._since, "writer": self.writer, "documents": list(documents)}
            unknown: dict[int, tuple[UUID, int]] = {}
            async for row_id, _, writer, seq in await connection.execute(_NEWS, parameters):
                if (writer, seq) not in self._seen:
                    unknown[row_id] = (writer, seq)
            compacted = [row[0] async for row in await connection.execute(_COMPACTED, parameters)]
            cursor = await connection.execute(
                "SELECT document_id, data FROM collab_update WHERE id = ANY(%s)", [list(unknown)], binary=True
            )
            rows = [(row[0], row[1]) async for row in cursor]
        self._since, self._last = self._last, horizon
        for writer, seq in unknown.values():
            self.heard(writer, seq)
        return News(rows, compacted)

    async def compact(self, document_id: UUID, workspace_id: UUID) -> int:
        """Turn what is committed into one snapshot and drop the rows that it holds, by their ids; how many those were.

        Others may append all the while: their rows stay. One compacts a document at a time; the second gets 0.
        Raises: one of AWAY, HeavyFailed (nothing changed).
        """
        async with self._pool.connection() as connection, connection.transaction():
            lock = await connection.execute(
                "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 7))", [f"collab.compact:{document_id}"]
            )
            if (await lock.fetchone()) != (True,):
                return 0
            cursor = await connection.execute(_LOAD, {"document": document_id}, binary=True)
            rows = await cursor.fetchall()
            merged_ids = [row[0] for row in rows if row[0]]
            if not merged_ids:
                return 0
            snapshot = await heavy.merge([row[1] for row in rows])
            await connection.execute(_SNAPSHOT, [document_id, workspace_id, snapshot, self.writer])
            await connection.execute("DELETE FROM collab_update WHERE id = ANY(%s)", [merged_ids])
        log.info("collab.compacted", document_id=str(document_id), rows=len(merged_ids), size_bytes=len(snapshot))
        return len(merged_ids)
