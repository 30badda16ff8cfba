"""Hides how a document is stored, its snapshot and the rows since, and how it is read however large it is.

What is small comes by one statement. What is large comes in pieces, inside a transaction that sees one moment, and is
written by a thread: at once, 20 MB would hold the event loop up for a quarter of a second.
"""

import asyncio
import mmap
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar
from uuid import UUID

import psycopg
import structlog
from psycopg import pq
from psycopg.rows import TupleRow

from backend.core.storage import ObjectMissing, StorageUnavailable
from collab import snapshots
from collab.heavy import HeavyFailed
from collab.parts import Bytes, Parts
from collab.room import Packed

log = structlog.get_logger()
T = TypeVar("T")

PAGE_BYTES = 1024 * 1024  # of one read, or so: more at once would hold the event loop up
FIRST_ROWS, MAX_PAGE_ROWS = 5000, 50_000
ATTEMPTS = 3  # at a snapshot in S3: each time another may have taken its place

# Rows as one value (`Parts`), and their ids as another.
_PAGE = """
    SELECT coalesce(string_agg(data, ''::bytea), '') AS data,
        coalesce(string_agg(int4send(octet_length(data)), ''::bytea), '') AS lengths,
        coalesce(string_agg(int8send(id), ''::bytea), '') AS ids
    FROM (
        SELECT id, data FROM collab_update WHERE document_id = %(document)s AND id > %(after)s
        ORDER BY id LIMIT %(limit)s
    ) AS page
"""
# The first of them beside the snapshot as it is at the same moment, if that is small.
_SMALL = f"""
    SELECT rows.*, coalesce(snapshot.object_bytes, octet_length(snapshot.data)), snapshot.contents,
        CASE WHEN octet_length(snapshot.data) <= %(most)s THEN snapshot.data END
    FROM ({_PAGE}) AS rows LEFT JOIN collab_snapshot AS snapshot ON snapshot.document_id = %(document)s
"""  # noqa: S608 - of our own text
_WHERE = """
    SELECT coalesce(object_bytes, octet_length(data)), contents, object, workspace_id FROM collab_snapshot
    WHERE document_id = %s
"""
_PIECE = "SELECT substring(data FROM %s FOR %s) FROM collab_snapshot WHERE document_id = %s"
_DELETE = "DELETE FROM collab_update WHERE document_id = %s AND id <> ALL(%s)"
_SNAPSHOT = b"""
    INSERT INTO collab_snapshot (document_id, workspace_id, data, contents, writer, object, object_bytes)
    VALUES ($1::uuid, $2::uuid, $3::bytea, $4::bytea, $5::uuid, $6::uuid, $7::bigint)
    ON CONFLICT (document_id) DO UPDATE
    SET data = EXCLUDED.data, contents = EXCLUDED.contents, writer = EXCLUDED.writer, object = EXCLUDED.object,
        object_bytes = EXCLUDED.object_bytes, xid = pg_current_xact_id(), updated_at = now()
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """What is committed of a document: how it was packed last, if it was, and the rows since, in pages."""

    base: Packed | None
    pages: list[Parts]
    ids: bytes  # of the rows, u64 each, big endian
    in_s3: bool = False  # the packed one

    @property
    def rows(self) -> int:
        return len(self.ids) // 8

    @property
    def loose_bytes(self) -> int:
        return sum(len(page.data) for page in self.pages)

    @property
    def parts(self) -> list[Parts]:
        """All of it, as it is packed anew."""
        return [*([Parts.one(self.base.update)] if self.base else []), *self.pages]

    @property
    def updates(self) -> list[bytes]:
        """Of the rows."""
        return [bytes(update) for page in self.pages for update in page]

    @property
    def all(self) -> list[bytes]:
        """The one that was packed, too."""
        return [*([bytes(self.base.update)] if self.base else []), *self.updates]

    def some(self, places: Sequence[int]) -> list[bytes]:
        """Those at some places in `all`."""
        wanted = set(places)
        return [update for place, update in enumerate(self.all) if place in wanted] if wanted else []

    def row_ids(self, places: Sequence[int]) -> list[int]:
        """Of the rows at some places in `all`. Raises: HeavyFailed, if one of them is no row."""
        ids = bytes(8) + self.ids if self.base else self.ids
        found = [int.from_bytes(ids[8 * place : 8 * place + 8]) for place in places]
        if 0 in found:
            raise HeavyFailed("the library does not take its own snapshot")
        return found


async def load(connection: psycopg.AsyncConnection[TupleRow], document_id: UUID) -> Stored:
    """Everything committed of a document. Raises: psycopg.Error; OSError, where S3 is away or lacks it."""
    for _ in range(ATTEMPTS):
        if small := await _small(connection, document_id):
            return small
        with suppress(FileNotFoundError):  # its snapshot has been replaced: read which it is now
            async with at_one_moment(connection):
                return await _large(connection, document_id)
    log.error("collab.snapshot_missing", document_id=str(document_id))
    raise FileNotFoundError(f"the snapshot of {document_id} is not in the store")


async def read(connection: psycopg.AsyncConnection[TupleRow], document_id: UUID) -> Stored:
    """The same, inside a transaction that sees one moment, where the snapshot may be gone: FileNotFoundError."""
    return await _small(connection, document_id) or await _large(connection, document_id)


async def replace(
    connection: psycopg.AsyncConnection[TupleRow],
    document_id: UUID,
    workspace_id: UUID,
    packed: Packed,
    left: Sequence[int],
    *,
    writer: UUID,
) -> bool:
    """Put a snapshot in the place of all rows that the transaction sees, but for those `left`, by their ids. Whether
    it lies in S3."""
    object_id, size = None, len(packed.update)
    if snapshots.is_large(size):
        object_id = await _in_thread(partial(snapshots.store, workspace_id, document_id, packed.update))
    where = (None, object_id.bytes, size.to_bytes(8)) if object_id else (packed.update, None, None)
    values = [document_id.bytes, workspace_id.bytes, where[0], packed.index(), writer.bytes, *where[1:]]
    await _in_thread(partial(_execute, connection.pgconn, _SNAPSHOT, values))
    await connection.execute(_DELETE, [document_id, list(left)])
    return object_id is not None


async def tidy(connection: psycopg.AsyncConnection[TupleRow], document_id: UUID, workspace_id: UUID) -> None:
    """Delete what lies in S3 and no row names. Inside a transaction that lets nobody else compact the document."""
    found = await connection.execute("SELECT object FROM collab_snapshot WHERE document_id = %s", [document_id])
    (current,) = await found.fetchone() or (None,)
    await _in_thread(partial(snapshots.tidy, workspace_id, document_id, current))


@asynccontextmanager
async def at_one_moment(connection: psycopg.AsyncConnection[TupleRow]) -> AsyncIterator[None]:
    """A transaction that sees what was committed before its first statement, and deletes no other rows."""
    async with connection.transaction():
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield


async def _small(connection: psycopg.AsyncConnection[TupleRow], document_id: UUID) -> Stored | None:
    """All of a document by one statement; None: it is more than is read at once."""
    what = {"document": document_id, "after": 0, "limit": FIRST_ROWS, "most": PAGE_BYTES}
    row = await (await connection.execute(_SMALL, what, binary=True)).fetchone()
    data, lengths, row_ids, size, contents, update = row or (b"", b"", b"", None, None, None)
    if (size is not None and update is None) or len(row_ids) >= 8 * FIRST_ROWS:
        return None
    return _stored(update, contents, [Parts(data, lengths)], row_ids)


async def _large(connection: psycopg.AsyncConnection[TupleRow], document_id: UUID) -> Stored:
    """The same piece by piece, inside a transaction that sees one moment."""
    found = await connection.execute(_WHERE, [document_id], binary=True)
    size, contents, object_id, workspace_id = await found.fetchone() or (None, None, None, None)
    update = None
    if object_id is not None:
        update = await _in_thread(partial(_fetch, workspace_id, document_id, object_id, size))
    elif size is not None:
        update = memoryview(mmap.mmap(-1, size))
        for at in range(0, size, PAGE_BYTES):
            piece = await connection.execute(_PIECE, [at + 1, PAGE_BYTES, document_id], binary=True)
            for (data,) in await piece.fetchall():
                update[at : at + len(data)] = data
    pages, row_ids, limit = list[Parts](), list[bytes](), FIRST_ROWS
    while not row_ids or len(row_ids[-1]) == 8 * limit:
        after = int.from_bytes(row_ids[-1][-8:]) if row_ids else 0
        if row_ids:
            limit = max(1, min(limit * PAGE_BYTES // max(1, len(pages[-1].data)), MAX_PAGE_ROWS))
        what = {"document": document_id, "after": after, "limit": limit}
        page = await (await connection.execute(_PAGE, what, binary=True)).fetchone()
        data, lengths, ids = page or (b"", b"", b"")
        pages.append(Parts(data, lengths))
        row_ids.append(ids)
    return _stored(update, contents, pages, b"".join(row_ids), in_s3=object_id is not None)


def _stored(
    update: Bytes | None, contents: bytes | None, pages: list[Parts], row_ids: bytes, *, in_s3: bool = False
) -> Stored:
    if update is not None and contents is None:  # from before there were contents: read like a row
        return Stored(None, [Parts.one(update), *pages], bytes(8) + row_ids)
    return Stored(Packed.with_index(update, contents or b"") if update is not None else None, pages, row_ids, in_s3)


def _execute(pgconn: pq.abc.PGconn, statement: bytes, values: Sequence[Bytes]) -> None:
    """Blocks, but not the interpreter: psycopg's own way holds its lock while it copies. Raises: psycopg.Error."""
    result = pgconn.exec_params(statement, values, None, [pq.Format.BINARY] * len(values))
    if result.status != pq.ExecStatus.COMMAND_OK:
        raise psycopg.errors.error_from_result(result)


def _fetch(workspace_id: UUID, document_id: UUID, object_id: UUID, size_bytes: int) -> memoryview:
    try:
        return snapshots.fetch(workspace_id, document_id, object_id, size_bytes)
    except ObjectMissing as exc:
        raise FileNotFoundError(snapshots.key(workspace_id, document_id, object_id)) from exc
    except StorageUnavailable as exc:
        raise ConnectionError(exc.detail) from exc


async def _in_thread(work: Callable[[], T]) -> T:
    """To its end, for what it uses is not ours meanwhile."""
    working = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(working)
    finally:
        await asyncio.wait({working})
