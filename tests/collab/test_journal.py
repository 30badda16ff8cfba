"""The journal on the real PostgreSQL: group commit, compaction beside writers, and what others committed."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.conf import settings

from backend.core import ids
from collab.errors import MalformedUpdate
from collab.heavy import Heavy
from collab.idset import IdSet
from collab.journal import Append, Journal, Row
from collab.parts import Parts
from collab.room import INLINE_BYTES, Room
from collab.stored import Stored
from collab.updates import read_update
from tests.collab.table import updates_of_one
from tests.conftest import Stack

Write = Callable[..., Awaitable[None]]


async def _state_vector(journal: Journal, document_id: UUID) -> bytes:
    stored = await journal.load(document_id)
    return Room(stored.base, stored.updates).state_vector()


def _held(stored: Stored) -> int:
    """How many changes."""
    held = IdSet()
    for update in stored.all:
        held.update(read_update(update).structs)
    return len(held)


@pytest.fixture
def document_id(stack: Stack) -> Any:
    return ids.new_id()


@pytest.fixture
def workspace_id() -> Any:
    return ids.new_id()


@pytest.fixture
async def journals(stack: Stack) -> Any:
    """Two journals, as two processes have them."""
    heavy = Heavy()
    both = [Journal(settings.DATABASE_SYSTEM_URL, heavy) for _ in range(2)]
    for journal in both:
        await journal.open()
    yield both
    for journal in both:
        await journal.close()
    await heavy.close()


@pytest.fixture(params=["row", "S3"])
def in_row_and_in_s3(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Snapshots lie in their rows, or, however small, in S3, from where those that are replaced go at once."""
    if request.param == "S3":
        monkeypatch.setattr(settings, "COLLAB_SNAPSHOT_ROW_BYTES", 0)
        monkeypatch.setattr(settings, "COLLAB_SNAPSHOT_KEEP_S", 0)


@pytest.fixture
def append(document_id: UUID, workspace_id: UUID) -> Any:
    """`await append(journal, updates)`: in one flush each, until all are committed."""

    async def write(journal: Journal, updates: Any, first_seq: Any = 1) -> Any:
        done: list[bool] = []
        for seq, update in enumerate(updates, first_seq):
            journal.append(Append([Row(document_id, workspace_id, None, update)], seq, done.append))
        assert await journal.drain(10)
        assert done == [True] * len(updates)

    return write


async def test_what_is_appended_is_loaded(journals: list[Journal], append: Write, document_id: UUID) -> None:
    """In another process, after the commit."""
    updates = updates_of_one(5)
    await append(journals[0], updates)
    assert list((await journals[1].load(document_id)).updates) == updates


async def test_many_appends_share_few_commits(journals: list[Journal], append: Write, document_id: UUID) -> None:
    """A thousand flushes need far fewer transactions: what gathers during one insert is the next."""
    updates = updates_of_one(1000)
    await append(journals[0], updates)
    async with await psycopg.AsyncConnection.connect(settings.DATABASE_SYSTEM_URL) as connection:
        cursor = await connection.execute(
            "SELECT count(DISTINCT xid::text), count(*) FROM collab_update WHERE document_id = %s", [document_id]
        )
        ((transactions, rows),) = await cursor.fetchall()
    assert rows == 1000
    assert transactions < 20


async def test_news_are_what_others_committed_and_we_have_not_heard(
    journals: list[Journal], append: Write, document_id: UUID
) -> None:
    """Once each; not our own rows, nor those that their writer told us of itself."""
    mine, others = journals
    updates = updates_of_one(4)
    await mine.news([document_id])
    await append(mine, updates[:1])
    await append(others, updates[1:])
    mine.heard(others.writer, 1)
    assert {update for _, update in (await mine.news([document_id])).rows} == set(updates[2:])
    assert (await mine.news([document_id])).rows == []


async def test_a_row_that_commits_late_is_still_found(
    journals: list[Journal], append: Write, document_id: UUID, workspace_id: UUID
) -> None:
    """Ids do not commit in order: a row with a lower id, committed after a look, is in a later look."""
    late, early = updates_of_one(2)
    await journals[0].news([document_id])
    async with await psycopg.AsyncConnection.connect(settings.DATABASE_SYSTEM_URL) as slow:
        await slow.execute(
            "INSERT INTO collab_update (document_id, workspace_id, data, writer, seq) VALUES (%s, %s, %s, %s, 1)",
            [document_id, workspace_id, late, ids.new_id()],
        )
        await append(journals[1], [early])
        assert [update for _, update in (await journals[0].news([document_id])).rows] == [early]
        await journals[0].news([document_id])
        await slow.commit()
    assert [update for _, update in (await journals[0].news([document_id])).rows] == [late]


@pytest.mark.usefixtures("in_row_and_in_s3")
async def test_a_document_of_many_rows_is_read_in_pages(
    journals: list[Journal], append: Write, document_id: UUID, workspace_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All rows in their order, with their ids, and the snapshot where there is one."""
    monkeypatch.setattr("collab.stored.FIRST_ROWS", 5)
    monkeypatch.setattr("collab.stored.PAGE_BYTES", 70)
    updates = updates_of_one(21)
    await append(journals[0], updates[:4])
    await journals[0].compact(document_id, workspace_id)
    await append(journals[0], updates[4:], 5)
    stored = await journals[1].load(document_id)
    assert list(stored.updates) == updates[4:]
    assert stored.row_ids(range(1, 18)) == sorted(stored.row_ids(range(1, 18)))
    assert stored.rows == 17
    assert Room(stored.base, stored.updates).state_vector() == Room(updates=updates).state_vector()
    assert len(stored.pages) > 3
    assert await journals[0].compact(document_id, workspace_id) == 17
    stored = await journals[1].load(document_id)
    assert stored.rows == 0
    assert Room(stored.base).snapshot() == Room(updates=updates, max_bytes=10**6).snapshot()


@pytest.mark.usefixtures("in_row_and_in_s3")
async def test_compaction_keeps_the_document(
    journals: list[Journal], append: Write, document_id: UUID, workspace_id: UUID
) -> None:
    """One snapshot in place of the rows, with what waits for its causes; the other process is told."""
    updates = updates_of_one(30)
    await append(journals[0], [*updates[:20], *updates[21:]])  # a gap: number 20 is missing
    await journals[1].news([document_id])
    assert await journals[0].compact(document_id, workspace_id) == 29
    stored = await journals[0].load(document_id)
    assert list(stored.updates) == []
    assert Room(stored.base, [*stored.updates, updates[20]]).state_vector() == Room(updates=updates).state_vector()
    assert (await journals[1].news([document_id])).compacted == [document_id]
    assert await journals[0].compact(document_id, workspace_id) == 0
    await append(journals[0], [updates[20]], 30)
    assert await journals[0].compact(document_id, workspace_id) == 1
    assert (await journals[0].load(document_id)).rows == 0


@pytest.mark.usefixtures("in_row_and_in_s3")
async def test_compaction_beside_writers_loses_nothing(
    journals: list[Journal], append: Write, document_id: UUID, workspace_id: UUID
) -> None:
    """Two processes append and compact at once; who reads meanwhile finds no less than before, and in the end all."""
    updates = updates_of_one(400)
    compacting = 2

    async def write(journal: Journal, mine: Any) -> Any:
        for seq, update in enumerate(mine, 1):
            await append(journal, [update], seq)

    async def compact(journal: Journal) -> Any:
        nonlocal compacting
        for _ in range(15):
            await journal.compact(document_id, workspace_id)
            await asyncio.sleep(0.01)
        compacting -= 1

    async def read(journal: Journal) -> Any:
        held = 0
        while compacting:
            stored = await journal.load(document_id)
            before, held = held, _held(stored)
            assert held >= before

    await asyncio.gather(
        write(journals[0], updates[::2]),
        write(journals[1], updates[1::2]),
        *map(compact, journals),
        *map(read, journals),
    )
    assert await _state_vector(journals[0], document_id) == Room(updates=updates).state_vector()


@pytest.mark.usefixtures("in_row_and_in_s3")
async def test_big_documents_are_merged_elsewhere(
    journals: list[Journal], append: Write, document_id: UUID, workspace_id: UUID
) -> None:
    """Above the limit a helper process merges; the event loop goes on meanwhile."""
    updates = updates_of_one(40, size=20_000)
    await append(journals[0], updates)
    ticks = 0

    async def tick() -> Any:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.005)
            ticks += 1

    ticking = asyncio.create_task(tick())
    await journals[0].compact(document_id, workspace_id)
    ticking.cancel()
    assert ticks > 5
    assert await _state_vector(journals[0], document_id) == Room(updates=updates).state_vector()
    heavy = Heavy()
    with pytest.raises(MalformedUpdate):
        await heavy.pack([Parts.of([b"\x01\x01\x05", bytes(INLINE_BYTES)])])
    await heavy.close()


async def test_the_writer_survives_the_loss_of_its_connection(
    journals: list[Journal], append: Write, document_id: UUID
) -> None:
    """Its server process is ended: what waits is sent again on a new connection."""
    updates = updates_of_one(2)
    await append(journals[0], updates[:1])
    async with await psycopg.AsyncConnection.connect(settings.DATABASE_SYSTEM_URL, autocommit=True) as killer:
        await killer.execute("SELECT pg_terminate_backend(%s)", [journals[0]._committer._pg.backend_pid])
    await append(journals[0], updates[1:])
    assert list((await journals[1].load(document_id)).updates) == updates


async def test_what_postgresql_refuses_is_told(journals: list[Journal], document_id: UUID) -> None:
    """A row that can never be written fails alone; the others of its group are committed."""
    good = updates_of_one(1)
    done: dict[str, bool] = {}
    journals[0].append(
        Append([Row(document_id, ids.new_id(), None, good[0])], 1, lambda saved: done.update(good=saved))
    )
    nowhere = SimpleNamespace(bytes=None)  # what the table refuses
    bad = Row(document_id, nowhere, None, good[0])  # type: ignore[arg-type]  # as said
    journals[0].append(Append([bad], 2, lambda saved: done.update(bad=saved)))
    assert await journals[0].drain(10)
    assert done == {"good": True, "bad": False}
