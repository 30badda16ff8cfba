"""Large snapshots in the real S3: where they lie, when they go, and what happens where S3 is away or lacks one."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from backend.core import ids, storage, tenancy
from backend.embedded.plan import free_port
from collab import edits, snapshots, upkeep
from collab.heavy import Heavy
from collab.journal import Append, Journal, Row
from collab.room import Room
from tests.collab.table import updates_of_one
from tests.conftest import Stack, Studio

Compact = Callable[[], int]
UPDATES = updates_of_one(20)


@pytest.fixture
def workspace_id(stack: Stack) -> UUID:
    return ids.new_id()


@pytest.fixture
def document_id(stack: Stack) -> UUID:
    return ids.new_id()


@pytest.fixture(autouse=True)
def all_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "COLLAB_SNAPSHOT_ROW_BYTES", 0)


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Called, nothing listens any more where S3 is looked for."""

    def go() -> None:
        client = storage._client(f"http://127.0.0.1:{free_port(taken=set())}", attempts=1)
        monkeypatch.setattr(storage, "_inside", lambda: client)
        monkeypatch.setattr(storage, "_impatient", lambda: client)

    return go


@pytest.fixture
def compact(workspace_id: UUID, document_id: UUID) -> Any:
    """`compact(updates)`: append these and turn all into a snapshot; how many rows went into it."""

    async def go(updates: list[bytes]) -> int:
        heavy = Heavy()
        journal = Journal(settings.DATABASE_SYSTEM_URL, heavy)
        await journal.open()
        journal.append(Append([Row(document_id, workspace_id, None, one) for one in updates], 1, lambda _: None))
        assert await journal.drain(10)
        try:
            return await journal.compact(document_id, workspace_id)
        finally:
            await journal.close()
            await heavy.close()

    return lambda updates: asyncio.run(go(updates))


def _objects(workspace_id: UUID, document_id: UUID) -> list[str]:
    return storage.keys_under(f"{workspace_id}/documents/{document_id}/")


def _kept(document_id: UUID) -> upkeep.Kept:
    with psycopg.connect(settings.DATABASE_SYSTEM_URL, autocommit=True) as connection:
        return upkeep.read(connection, document_id)


def _state(kept: upkeep.Kept) -> bytes:
    return Room(updates=kept.parts).state_vector()


@given(st.binary(max_size=3000), st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 500)), max_size=5))
def test_what_lies_in_memory_is_read_as_a_file(data: bytes, reads: list[tuple[int, int]]) -> None:
    reader = storage._Reader(memoryview(data))
    for at, size in reads:
        assert reader.seek(at) == at
        assert reader.read(size) == data[at : at + size]
    assert reader.seek(0, 2) == len(data)


def test_it_lies_there_and_nowhere_else(compact: Any, workspace_id: UUID, document_id: UUID) -> None:
    """Its row has its place and what it holds; whoever reads the document gets the same."""
    assert compact(UPDATES) == len(UPDATES)
    with psycopg.connect(settings.DATABASE_SYSTEM_URL) as connection:
        row = connection.execute(
            "SELECT data, object, object_bytes FROM collab_snapshot WHERE document_id = %s", [document_id]
        ).fetchone()
    assert row
    data, object_id, size = row
    assert data is None
    assert _objects(workspace_id, document_id) == [snapshots.key(workspace_id, document_id, object_id)]
    kept = _kept(document_id)
    assert len(kept.snapshot or b"") == size
    assert _state(kept) == Room(updates=UPDATES).state_vector()
    assert upkeep.verify(kept).is_sound


@pytest.mark.parametrize("keep_s", [0, 3600])
def test_what_was_replaced_stays_for_as_long_as_a_backup_takes(
    compact: Any, workspace_id: UUID, document_id: UUID, monkeypatch: pytest.MonkeyPatch, keep_s: int
) -> None:
    monkeypatch.setattr(settings, "COLLAB_SNAPSHOT_KEEP_S", keep_s)
    for number in range(3):
        compact(UPDATES[5 * number : 5 * number + 5])
    assert len(_objects(workspace_id, document_id)) == (3 if keep_s else 1)
    assert _state(_kept(document_id)) == Room(updates=UPDATES[:15]).state_vector()


def test_what_no_row_came_to_name_goes(
    compact: Any, workspace_id: UUID, document_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server died between writing it and naming it. It is never taken for the document."""
    monkeypatch.setattr(settings, "COLLAB_SNAPSHOT_KEEP_S", 0)
    compact(UPDATES[:5])
    lost = snapshots.store(workspace_id, document_id, b"of a server that died")
    assert lost
    assert _state(_kept(document_id)) == Room(updates=UPDATES[:5]).state_vector()
    compact(UPDATES[5:])
    (left,) = _objects(workspace_id, document_id)
    assert left != snapshots.key(workspace_id, document_id, lost)
    assert _state(_kept(document_id)) == Room(updates=UPDATES).state_vector()


def test_once_it_is_small_it_lies_in_its_row(
    compact: Any, workspace_id: UUID, document_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the limit was raised. What is left in S3 goes."""
    monkeypatch.setattr(settings, "COLLAB_SNAPSHOT_KEEP_S", 0)
    compact(UPDATES[:5])
    assert len(_objects(workspace_id, document_id)) == 1
    monkeypatch.setattr(settings, "COLLAB_SNAPSHOT_ROW_BYTES", 10**6)
    compact(UPDATES[5:])
    assert _objects(workspace_id, document_id) == []
    assert _state(_kept(document_id)) == Room(updates=UPDATES).state_vector()


def test_without_s3_a_snapshot_is_kept_in_its_row(
    compact: Any, workspace_id: UUID, document_id: UUID, away: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And goes to S3 with the next one that is made."""
    with monkeypatch.context():
        away()
        assert compact(UPDATES[:10]) == 10
        assert _state(_kept(document_id)) == Room(updates=UPDATES[:10]).state_vector()
    monkeypatch.undo()
    monkeypatch.setattr(settings, "COLLAB_SNAPSHOT_ROW_BYTES", 0)
    assert _objects(workspace_id, document_id) == []
    assert compact(UPDATES[10:]) == 10
    assert len(_objects(workspace_id, document_id)) == 1


async def test_who_opens_a_document_whose_snapshot_cannot_be_had_is_sent_away(
    workspace_id: UUID, document_id: UUID, away: Callable[[], None], stack: Stack
) -> None:
    """To come again later: never shown a document without it. Nor is it packed without it."""
    heavy = Heavy()
    journal = Journal(settings.DATABASE_SYSTEM_URL, heavy)
    await journal.open()
    try:
        for number, one in enumerate(UPDATES):
            journal.append(Append([Row(document_id, workspace_id, None, one)], number, lambda _: None))
            if number == 10:
                assert await journal.drain(10)
                await journal.compact(document_id, workspace_id)
        assert await journal.drain(10)
        (name,) = await asyncio.to_thread(_objects, workspace_id, document_id)
        await asyncio.to_thread(storage.delete, name)
        for act in (journal.load(document_id), journal.compact(document_id, workspace_id)):
            with pytest.raises(OSError, match=str(document_id)):
                await act
        away()
        for act in (journal.load(document_id), journal.compact(document_id, workspace_id)):
            with pytest.raises(ConnectionError):
                await act
    finally:
        await journal.close()
        await heavy.close()
    async with await psycopg.AsyncConnection.connect(settings.DATABASE_SYSTEM_URL) as connection:
        rows = await connection.execute("SELECT count(*) FROM collab_update WHERE document_id = %s", [document_id])
        assert await rows.fetchone() == (9,)


def test_an_operator_is_told_of_one_that_is_not_there(
    compact: Any, workspace_id: UUID, document_id: UUID, tmp_path: Any
) -> None:
    """Repair sets its key aside; what came after it is left."""
    compact(UPDATES[:10])
    (name,) = _objects(workspace_id, document_id)
    storage.delete(name)
    kept = _kept(document_id)
    assert name in upkeep.verify(kept).snapshot
    with psycopg.connect(settings.DATABASE_SYSTEM_URL, autocommit=True) as connection:
        (file,) = upkeep.repair(connection, document_id, tmp_path)
    assert file.read_text() == name
    assert upkeep.verify(_kept(document_id)).is_sound


def test_an_edit_from_python_reads_it(studio: Studio) -> None:
    async def compact() -> None:
        heavy = Heavy()
        journal = Journal(settings.DATABASE_SYSTEM_URL, heavy)
        await journal.open()
        await journal.compact(studio.board.pk, studio.workspace.pk)
        await journal.close()
        await heavy.close()

    def make(key: str) -> None:
        with tenancy.acting(person_id=studio.ada.pk, workspace_id=studio.workspace.pk):
            change = [edits.SetEntry("elements", key, {"x": 1})]
            edits.apply(
                studio.board.pk, change, workspace_id=studio.workspace.pk, author="span", on_behalf_of=studio.ada.pk
            )

    make("a")
    asyncio.run(compact())
    assert len(_objects(studio.workspace.pk, studio.board.pk)) == 1
    make("b")
    with tenancy.acting(person_id=studio.ada.pk, workspace_id=studio.workspace.pk):
        assert edits.read(studio.board.pk, "elements").keys() == {"a", "b"}
