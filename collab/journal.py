"""Hides PostgreSQL: what is committed of each document, and the one writer that commits for all rooms of a process.

Group commit: while one insert is under way, what all rooms append gathers and goes out as the next one. An append whose
outcome is unknown (the server died under it) is sent again: an update that is there twice does no harm.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
import structlog
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from backend.core import ids, metrics, trace
from collab import binary
from collab.binary import BYTEA_OID, INT8_OID, UUID_OID
from collab.heavy import Heavy
from collab.pipeline import Call, Found, Pipeline
from collab.ports import Scope
from collab.stored import Stored, at_one_moment, load, read, replace, tidy

log = structlog.get_logger()

MAX_ROWS, MAX_BYTES = 1000, 8 * 1024 * 1024  # of one insert
COMMIT_EVERY_S = 0.02  # from one beginning to the next: what comes meanwhile shares a commit
RETRY_S = (0.05, 0.1, 0.2, 0.5)  # then the last one again and again
_FOREVER = b"\xff" * 8  # no transaction is so late
_NOBODY = UUID(int=0)
SEEN = 100_000  # flushes of other processes remembered, so that a look at the journal need not fetch them again
AWAY = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, OSError)  # the server may come back

_UPDATE, _UPDATES, _CLAIMS = b"update", b"updates", b"claims"
_STATEMENTS = {
    _UPDATE: b"""
    INSERT INTO collab_update (document_id, workspace_id, person_id, data, seq, writer)
    VALUES ($1::uuid, $2::uuid, $3::uuid, $4::bytea, $5::bigint, $6::uuid)
    """,
    _UPDATES: b"""
    INSERT INTO collab_update (document_id, workspace_id, person_id, data, seq, writer)
    SELECT *, $6::uuid FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bytea[], $5::bigint[])
    """,
    _CLAIMS: b"""
    INSERT INTO collab_client (document_id, workspace_id, person_id, client_id)
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[]) ON CONFLICT DO NOTHING
    """,
}
_OWNERS = "SELECT client_id, person_id FROM collab_client WHERE document_id = %s AND client_id = ANY(%s)"
# One statement, for one snapshot: the horizon, rows of others, snapshots that others made, and whose rights changed.
_LOOK = b"look"
_NEWS = b"""
    SELECT 0 AS kind, pg_snapshot_xmin(pg_current_snapshot()) AS horizon, NULL::bigint AS id,
        NULL::uuid AS document_id, NULL::uuid AS writer, NULL::bigint AS seq,
        NULL::uuid AS workspace_id, NULL::uuid AS person_id
    UNION ALL
    SELECT 1, NULL, id, document_id, writer, seq, NULL, NULL FROM collab_update
    WHERE xid >= $1::xid8 AND writer <> $2::uuid AND document_id = ANY($3::uuid[])
    UNION ALL
    SELECT 2, NULL, NULL, document_id, NULL, NULL, NULL, NULL FROM collab_snapshot
    WHERE xid >= $1::xid8 AND writer <> $2::uuid AND document_id = ANY($3::uuid[])
    UNION ALL
    SELECT 3, NULL, id, document_id, NULL, NULL, workspace_id, person_id FROM workspaces_access_change
    WHERE xid >= $1::xid8
    ORDER BY kind
"""
_ROWS = "SELECT document_id, data FROM collab_update WHERE id = ANY(%s)"


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


@dataclass(slots=True)  # made for each update: a frozen one takes four times as long
class Row:
    """One update by one author, and the Yjs client ids that are the author's from then on."""

    document_id: UUID
    workspace_id: UUID
    person_id: UUID | None
    data: bytes
    claims: tuple[int, ...] = ()


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


class _Commit:
    """Appends that are committed together, and how long that takes."""

    def __init__(self, group: list[Append]) -> None:
        self.group = group
        self._began = time.perf_counter()
        self._spans = [trace.begin("collab.commit", append.traceparent, kind="client") for append in group]

    def end(self) -> None:
        for span in self._spans:
            span.end()
        metrics.COLLAB_COMMIT_DURATION.observe(time.perf_counter() - self._began)


@dataclass(frozen=True, slots=True)
class News:
    """What was committed since the last look: rows that we have not heard of, documents compacted, rights changed."""

    rows: list[tuple[UUID, bytes]]
    compacted: list[UUID]
    access: list[Scope]


class Journal:
    def __init__(self, url: str, heavy: Heavy) -> None:
        self._heavy = heavy
        self.writer = ids.new_id()  # this process, in the rows and in messages to the others
        self._writer = self.writer.bytes
        self._url = url
        self._pool: AsyncConnectionPool[psycopg.AsyncConnection[TupleRow]] = AsyncConnectionPool(
            url, min_size=0, max_size=4, open=False, timeout=3, reconnect_timeout=2, kwargs=_OPTIONS,
            check=AsyncConnectionPool.check_connection,
        )  # fmt: skip
        self._appends: deque[Append] = deque()
        self._is_busy = False  # a commit is under way, or will be
        self._timer: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None
        self._committer = Pipeline(url, _STATEMENTS, **_OPTIONS)
        self._looker = Pipeline(url, {_LOOK: _NEWS}, **_OPTIONS)
        self._committed_at = -COMMIT_EVERY_S
        # Horizons (oldest open transaction) of the last look and of the one before. A look asks from the one before: a
        # room that loads while a look is under way is not in its list yet, and must find in the next what it missed.
        self._since: bytes | None = None
        self._last = b""
        self._seen: dict[tuple[UUID, int], None] = {}
        self._documents: tuple[Sequence[UUID], bytes] = [], binary.array(UUID_OID, [])

    async def open(self) -> None:
        await self._pool.open(wait=False)

    async def close(self, *, timeout_s: float = 5.0) -> None:
        """Commit what is left, then let go."""
        await self.drain(timeout_s)
        if self._timer:
            self._timer.cancel()
        if self._task:
            self._task.cancel()
            _, stuck = await asyncio.wait({self._task}, timeout=2.0)
            if stuck:
                log.warning("collab.journal_stuck")
        await self._committer.close()
        await self._looker.close()
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
        self._commit_next()

    def _commit_next(self) -> None:
        """Unless a commit is under way, or will be: then at its end."""
        if not self._is_busy:
            self._is_busy = True
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(max(loop.time(), self._committed_at + COMMIT_EVERY_S), self._begin_commit)

    def _begin_commit(self) -> None:
        commit = _Commit(self._gather())
        self._committed_at = asyncio.get_running_loop().time()
        if self._committer.is_free:
            self._committer.start(self._inserts(commit.group), partial(self._end_commit, commit))
        else:
            self._insist(commit)

    def _end_commit(self, commit: "_Commit", outcome: Found | psycopg.Error) -> None:
        if isinstance(outcome, psycopg.Error):
            self._insist(commit)
            return
        try:
            for append in commit.group:
                append.done(True)
        finally:
            self._go_on(commit)

    def _go_on(self, commit: "_Commit") -> None:
        commit.end()
        self._is_busy = False
        if self._appends:
            self._commit_next()
        else:
            self._idle.set()

    def _insist(self, commit: "_Commit") -> None:
        self._task = asyncio.create_task(self._commit(commit.group), name="collab.journal")
        self._task.add_done_callback(partial(self._insisted, commit))

    def _insisted(self, commit: "_Commit", task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        if exc := task.exception():  # a fault of ours: the documents close when their backlog is too old
            log.error("collab.journal_failed", exc_info=exc)
        self._go_on(commit)

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
                await self._committer.run(self._inserts(group))
            except AWAY as exc:
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

    def _inserts(self, group: list[Append]) -> Iterator[Call]:
        rows = [(*_whose(row), row.data, append.seq.to_bytes(8)) for append in group for row in append.rows]
        if len(rows) == 1:
            yield _UPDATE, (*rows[0], self._writer)
        else:
            yield _UPDATES, (*binary.arrays((UUID_OID, UUID_OID, UUID_OID, BYTEA_OID, INT8_OID), rows), self._writer)
        claims = [
            (*_whose(row), client_id.to_bytes(8)) for append in group for row in append.rows for client_id in row.claims
        ]
        if claims:
            yield _CLAIMS, binary.arrays((UUID_OID, UUID_OID, UUID_OID, INT8_OID), claims)

    # --- reading

    async def load(self, document_id: UUID) -> Stored:
        """Everything committed of a document. Raises: one of AWAY."""
        if self._since is None:
            await self._look([])
        async with self._pool.connection() as connection:
            return await load(connection, document_id)

    async def owners(self, document_id: UUID, client_ids: Sequence[int]) -> dict[int, UUID | None]:
        """Whose those of the Yjs client ids are that are somebody's; None: the server's. Raises: one of AWAY."""
        async with self._pool.connection() as connection:
            return dict(await (await connection.execute(_OWNERS, [document_id, list(client_ids)])).fetchall())

    def heard(self, writer: UUID, seq: int) -> None:
        """Another process has told us of this flush itself."""
        self._seen[writer, seq] = None
        if len(self._seen) > SEEN:
            del self._seen[next(iter(self._seen))]

    async def news(self, documents: Sequence[UUID]) -> News:
        """What others committed in `documents` since the last call, but for what was `heard`. Raises: one of AWAY."""
        return await self._look(documents)

    async def _look(self, documents: Sequence[UUID]) -> News:
        if self._documents[0] != documents:
            self._documents = documents, binary.array(UUID_OID, [document.bytes for document in documents])
        values = self._since or _FOREVER, self._writer, self._documents[1]
        (_, horizon, *_), *found = await self._looker.run([(_LOOK, values)])
        unknown: dict[int, tuple[UUID, int]] = {}
        news = News([], [], [])
        for kind, _, row_id, document_id, writer, seq, *whose in found:
            match binary.number(kind), binary.uuid(document_id):
                case 1, _ if (key := (binary.uuid(writer) or _NOBODY, binary.number(seq))) not in self._seen:
                    unknown[binary.number(row_id)] = key
                case 2, UUID() as compacted:
                    news.compacted.append(compacted)
                case 3, named if (key := (_NOBODY, binary.number(row_id))) not in self._seen:
                    self.heard(*key)
                    workspace_id, person_id = map(binary.uuid, whose)
                    news.access.append(Scope(workspace_id, person_id, named))
        if unknown:
            async with self._pool.connection() as connection:
                news.rows.extend(await (await connection.execute(_ROWS, [list(unknown)], binary=True)).fetchall())
        self._since, self._last = (self._last, horizon or b"") if self._since else (horizon, horizon or b"")
        for writer_seq in unknown.values():
            self.heard(*writer_seq)
        return news

    async def compact(self, document_id: UUID, workspace_id: UUID) -> int:
        """Turn what is committed into one snapshot and drop the rows that it holds, by their ids; how many those were.

        Others may append all the while: their rows stay. One compacts a document at a time; the second gets 0.
        Raises: one of AWAY, HeavyFailed, MalformedUpdate (nothing changed).
        """
        try:
            async with self._pool.connection() as connection:
                async with at_one_moment(connection):
                    gone, in_s3 = await self._compact(connection, document_id, workspace_id)
                if in_s3:
                    await _tidy(connection, document_id, workspace_id)
        except psycopg.errors.SerializationFailure:  # it began as another ended
            return 0
        if gone:
            log.info("collab.compacted", document_id=str(document_id), rows=gone)
        return gone

    async def _compact(
        self, connection: psycopg.AsyncConnection[TupleRow], document_id: UUID, workspace_id: UUID
    ) -> tuple[int, bool]:
        """How many rows are gone, and whether the snapshot that is there now, or was, lies in S3."""
        if not await _alone(connection, document_id):
            return 0, False
        stored = await read(connection, document_id)
        if not stored.ids:
            return 0, False
        packing = await self._heavy.pack(stored.parts)
        left = stored.row_ids(packing.left)
        if len(left) == stored.rows:
            return 0, False
        in_s3 = await replace(connection, document_id, workspace_id, packing.packed, left, writer=self.writer)
        return stored.rows - len(left), in_s3 or stored.in_s3


async def _alone(connection: psycopg.AsyncConnection[TupleRow], document_id: UUID) -> bool:
    """Whether from now on, inside a transaction, nobody else compacts the document."""
    lock = "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 7))"
    return await (await connection.execute(lock, [f"collab.compact:{document_id}"])).fetchone() == (True,)


async def _tidy(connection: psycopg.AsyncConnection[TupleRow], document_id: UUID, workspace_id: UUID) -> None:
    async with connection.transaction():
        if await _alone(connection, document_id):
            await tidy(connection, document_id, workspace_id)


def _whose(row: Row) -> tuple[bytes | None, ...]:
    return row.document_id.bytes, row.workspace_id.bytes, row.person_id.bytes if row.person_id else None
