"""The hub in this process, on the real PostgreSQL and Valkey: what time brings to open documents."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pycrdt
import pytest
from django.conf import settings
from django.db import connection

from backend.core import storage, tenancy
from backend.embedded.plan import free_port
from backend.workspaces.models import Member
from backend.workspaces.rights import Role
from collab import bridge, rights
from collab import hub as hubs
from collab.errors import AccessLost, ShuttingDown, StaleEpoch, TooManyConnections
from collab.hub import Hub
from collab.journal import Append, Journal, Row
from collab.ports import Grant, Scope
from collab.protocol import Status, SyncUpdate
from collab.room import Room, build
from collab.updates import read_update
from tests.collab.table import Out, updates_of_one
from tests.conftest import Stack, Studio
from tests.waiting import until


@pytest.fixture
async def hub(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hub]:
    """A hub whose clock runs faster."""
    for name, seconds in {"TICK_S": 0.05, "LOOK_S": 0.05, "IDLE_S": 0.2}.items():
        monkeypatch.setattr(hubs, name, seconds)
    monkeypatch.setattr(rights, "RETRY_S", 0.05)
    made = Hub()
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def grant(studio: Studio) -> Grant:
    return Grant(
        studio.ada.pk, "Ada", "#d9480f", studio.workspace.pk, studio.board.pk, studio.board.epoch, "write", None
    )


async def _write(hub: Hub, grant: Grant, count: int) -> None:
    """Join, write `count` updates, each in a flush of its own, wait until all are saved, and leave."""
    out = Out()
    document, seat = await hub.join(grant, out, wants_status=True)
    for update in updates_of_one(count):
        document.receive(seat, SyncUpdate(update))
        document.flush()
    await until(lambda: out.messages(Status)[-1:] == [Status(count)])
    hub.leave(document, seat)


def _rows(grant: Grant) -> int:
    with psycopg.connect(settings.DATABASE_SYSTEM_URL) as reader:
        row = reader.execute("SELECT count(*) FROM collab_update WHERE document_id = %s", [grant.document_id])
        return int(row.fetchall()[0][0])


async def test_an_idle_document_is_unloaded_and_compacted(hub: Hub, grant: Grant) -> None:
    """Its memory is given back; who comes later finds it whole."""
    await _write(hub, grant, 60)
    await until(lambda: not hub._documents)
    await until(lambda: _rows(grant) == 0)
    document, _ = await hub.join(grant, Out(), wants_status=False)
    assert document.room is not None
    copy: pycrdt.Doc[Any] = build(document.room.snapshot())
    assert len(copy.get("elements", type=pycrdt.Map)) == 60


async def test_what_another_packed_is_taken_once_s3_is_back(
    hub: Hub, grant: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that went into a snapshot before we looked: nothing else brings them, so nothing ends the asking."""
    monkeypatch.setattr(settings, "COLLAB_SNAPSHOT_ROW_BYTES", 0)
    document, _ = await hub.join(grant, Out(), wants_status=False)
    monkeypatch.setattr(hubs, "LOOK_S", 60)
    await asyncio.sleep(0.2)  # the last look for a while
    other = Journal(settings.DATABASE_SYSTEM_URL, hub.heavy)
    await other.open()
    rows = [Row(grant.document_id, grant.workspace_id, None, update) for update in updates_of_one(5)]
    other.append(Append(rows, 1, lambda _: None))
    assert await other.drain(10)
    assert await other.compact(grant.document_id, grant.workspace_id) == 5
    await other.close()
    monkeypatch.setattr(hubs, "LOOK_S", 0.05)
    with monkeypatch.context() as away:
        nowhere = storage._client(f"http://127.0.0.1:{free_port(taken=set())}", attempts=1)
        away.setattr(storage, "_impatient", lambda: nowhere)
        hub.spawn(hub._take_compacted(grant.document_id))
        await asyncio.sleep(0.3)
        assert document.room is not None
        assert document.room.snapshot() == Room().snapshot()
    await until(lambda: document.room is not None and document.room.holds(read_update(rows[-1].data)))


async def test_a_long_journal_is_compacted_while_people_write(
    hub: Hub, grant: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Above so many rows, without closing anything."""
    monkeypatch.setattr(hubs, "COMPACT_ROWS", 20)
    _, _ = await hub.join(grant, Out(), wants_status=False)
    await _write(hub, grant, 40)
    await until(lambda: _rows(grant) < 20)


async def test_rights_that_could_not_be_read_are_read_again(
    hub: Hub, studio: Studio, grant: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody tells of a change twice."""
    _, seat = await hub.join(replace(grant, person_id=studio.bo.pk), Out(), wants_status=False)
    refresh, failures = bridge.refresh, iter([TimeoutError(), OSError()])

    async def fail_first(grants: Sequence[Grant]) -> list[Grant | None]:
        if (failure := next(failures, None)) is not None:
            raise failure
        return await refresh(grants)

    monkeypatch.setattr(bridge, "refresh", fail_first)
    await asyncio.to_thread(_make_viewer, studio)
    await until(lambda: seat.grant.mode == "read")


async def test_a_right_that_changes_while_somebody_sits_down_is_not_missed(
    hub: Hub, studio: Studio, grant: Grant
) -> None:
    """The document still loads when the change is told: the seat is not there yet to be looked at."""
    joining = asyncio.create_task(hub.join(replace(grant, person_id=studio.bo.pk), Out(), wants_status=False))
    await asyncio.sleep(0)
    await asyncio.to_thread(_make_viewer, studio)
    hub.access_changed(Scope(person_id=studio.bo.pk))
    _, seat = await joining
    await until(lambda: seat.grant.mode == "read")


async def test_an_older_reading_that_ends_later_changes_nothing(
    hub: Hub, studio: Studio, grant: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rights are read anew side by side; what was read last holds."""
    _, seat = await hub.join(replace(grant, person_id=studio.bo.pk), Out(), wants_status=False)
    refresh, was_read, go_on = bridge.refresh, asyncio.Event(), asyncio.Event()

    async def read_and_wait(grants: Sequence[Grant]) -> list[Grant | None]:
        monkeypatch.undo()
        found = await refresh(grants)
        was_read.set()
        await go_on.wait()
        return found

    monkeypatch.setattr(bridge, "refresh", read_and_wait)
    late = asyncio.create_task(hub.rights.refresh([seat.grant]))
    await was_read.wait()
    await asyncio.to_thread(_make_viewer, studio)
    await until(lambda: seat.grant.mode == "read")
    go_on.set()
    await late
    assert seat.grant.mode == "read"


def _make_viewer(studio: Studio) -> None:
    with tenancy.acting(workspace_id=studio.workspace.pk):
        Member.objects.filter(workspace=studio.workspace, person=studio.bo).update(role=Role.VIEWER)
    connection.close()


async def test_an_expired_grant_is_closed(hub: Hub, grant: Grant) -> None:
    """A right with an end holds until then."""
    out = Out()
    await hub.join(replace(grant, until=datetime.now(UTC) + timedelta(seconds=0.3)), out, wants_status=False)
    await until(lambda: isinstance(out.closed, AccessLost))


async def test_a_newer_epoch_closes_the_old_room(hub: Hub, grant: Grant) -> None:
    """Whoever sits there is told to open the document anew; an older grant is refused."""
    out = Out()
    await hub.join(grant, out, wants_status=False)
    await hub.join(replace(grant, epoch=grant.epoch + 1), Out(), wants_status=False)
    assert isinstance(out.closed, StaleEpoch)
    with pytest.raises(StaleEpoch):
        await hub.join(grant, Out(), wants_status=False)


async def test_a_closing_hub_takes_nobody_in(stack: Stack, grant: Grant) -> None:
    """Everybody is told to come back elsewhere, and what was written is committed."""
    made = Hub()
    await made.open()
    out = Out()
    document, seat = await made.join(grant, out, wants_status=False)
    document.receive(seat, SyncUpdate(updates_of_one(1)[0]))
    await made.close()
    assert isinstance(out.closed, ShuttingDown)
    assert _rows(grant) == 1
    with pytest.raises(ShuttingDown):
        await made.join(grant, Out(), wants_status=False)


@pytest.mark.parametrize("whose", ["PERSON", "DOCUMENT", "WORKSPACE"])
async def test_connections_are_bounded(stack: Stack, grant: Grant, monkeypatch: pytest.MonkeyPatch, whose: str) -> None:
    """One more than a person, a document or a workspace may have is refused, and takes the place of who leaves."""
    monkeypatch.setattr(settings, f"COLLAB_CONNECTIONS_PER_{whose}", 2)
    hub = Hub()
    await hub.open()
    seats = [await hub.join(grant, Out(), wants_status=False) for _ in range(2)]
    with pytest.raises(TooManyConnections):
        await hub.join(grant, Out(), wants_status=False)
    for _ in range(2):  # who leaves twice makes room once
        hub.leave(*seats[0])
    await hub.join(grant, Out(), wants_status=False)
    with pytest.raises(TooManyConnections):
        await hub.join(grant, Out(), wants_status=False)
    await hub.close()
