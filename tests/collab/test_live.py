"""One open document: what a flush sends, and what is told as saved, with a wire that the test holds in its hands."""

import asyncio

import pycrdt
import pytest

from backend.core import ids
from collab import peers, reconciler
from collab.errors import ProtocolError, RoomUnavailable
from collab.protocol import (
    Status,
    SyncStep1,
    SyncStep2,
    SyncUpdate,
    read_state_vector,
)
from collab.room import INLINE_BYTES, Room
from tests.collab.table import Table, edit_of_a_stranger


async def test_a_lone_edit_leaves_at_once_and_not_to_its_sender(table: Table) -> None:
    """No window is waited for; one frame to the others, one append, one message."""
    ada, ada_out = table.sit()
    _, bo_out = table.sit()
    edit = table.edit()
    table.say(ada, edit)
    await asyncio.sleep(0)
    assert bo_out.messages(SyncUpdate) == [edit]
    assert ada_out.messages(SyncUpdate) == []
    assert [row.data for row in table.wire.appends[0].rows] == [edit.update]
    assert [flush.update for flush in table.wire.told(peers.Flush)] == [edit.update]


async def test_edits_of_one_moment_leave_as_one_update(table: Table) -> None:
    """Merged in one frame for all; one row for each author."""
    (ada, _), (bo, _), (_, out) = table.sit(), table.sit(), table.sit()
    edits = [edit_of_a_stranger() for _ in range(4)]
    for seat, edit in zip((ada, bo, ada, bo), edits, strict=True):
        table.say(seat, edit)
    await asyncio.sleep(0)
    (frame,) = out.messages(SyncUpdate)
    merged, each = Room(updates=[frame.update]), Room(updates=[edit.update for edit in edits])
    assert read_state_vector(merged.state_vector()) == read_state_vector(each.state_vector())
    (append,) = table.wire.appends
    assert {row.person_id for row in append.rows} == {ada.grant.person_id, bo.grant.person_id}


async def test_saved_is_told_only_after_the_commit_and_in_order(table: Table) -> None:
    """Each frame is tied to its flush; a later frame's commit is not told before an earlier one's."""
    ada, out = table.sit()
    table.say(ada, table.edit())
    table.document.flush()
    table.say(ada, table.edit())
    table.document.flush()
    assert out.messages(Status) == []
    table.wire.appends[0].done(True)
    assert out.messages(Status) == [Status(1)]
    table.wire.appends[1].done(True)
    assert out.messages(Status) == [Status(1), Status(2)]


async def test_an_edit_that_is_known_is_saved_with_what_came_before(table: Table) -> None:
    """A repetition brings no row; it is told as saved when the first is committed, and not before."""
    ada, out = table.sit()
    bo, bo_out = table.sit()
    edit = table.edit()
    table.say(ada, edit)
    table.document.flush()
    table.say(bo, edit)
    table.document.flush()
    assert len(table.wire.appends) == 1
    assert bo_out.messages(Status) == []
    table.wire.commit()
    assert out.messages(Status) == bo_out.messages(Status) == [Status(1)]


async def test_an_empty_answer_is_saved_at_once(table: Table) -> None:
    """The step 2 of a client that has nothing counts."""
    ada, out = table.sit()
    table.say(ada, SyncStep2(b"\x00\x00"))
    assert out.messages(Status) == [Status(1)]


async def test_what_another_process_has_not_committed_is_journalled_when_a_client_vouches_for_it(table: Table) -> None:
    """An acknowledgement never rests on another process's word alone."""
    ada, out = table.sit()
    edit = table.edit()
    other = ids.new_id()
    table.document.hear(peers.Flush(other, 1, False, None, edit.update))
    table.say(ada, edit)
    table.document.flush()
    assert out.messages(Status) == []
    assert [row.data for append in table.wire.appends for row in append.rows] == [edit.update]
    table.wire.commit()
    assert out.messages(Status) == [Status(1)]


async def test_what_another_process_committed_needs_no_row_of_ours(table: Table) -> None:
    """After its word of the commit a repetition is saved at once."""
    ada, out = table.sit()
    edit = table.edit()
    other = ids.new_id()
    table.document.hear(peers.Flush(other, 1, False, None, edit.update))
    table.document.hear(peers.Committed(other, 1))
    table.document.flush()
    table.say(ada, edit)
    assert table.wire.appends == []
    assert out.messages(Status) == [Status(1)]
    assert table.wire.known == [(other, 1)]


async def test_what_a_dead_process_left_is_journalled_by_us(table: Table) -> None:
    """No word of a commit for three seconds: we see to it."""
    edit = table.edit()
    table.document.hear(peers.Flush(ids.new_id(), 1, False, None, edit.update))
    table.now += reconciler.HEAL_S + 0.1
    table.document.tick()
    table.document.flush()
    assert [row.data for row in table.wire.appends[0].rows] == [edit.update]


async def test_what_arrives_before_its_cause_reaches_the_clients_too(table: Table) -> None:
    """A message between processes was lost: when what it said comes by the journal, clients have all."""
    _, out = table.sit()
    first, second = table.edit(), table.edit()
    table.document.hear(peers.Flush(ids.new_id(), 2, True, None, second.update))
    table.document.hear(peers.Flush(ids.new_id(), 2, True, None, second.update))
    table.document.flush()
    table.document.take_committed(first.update)
    table.document.flush()
    sent = [message.update for message in out.messages(SyncUpdate)]
    assert sent == [second.update, first.update]
    assert Room(updates=sent).state_vector() == table.doc.get_state()


async def test_a_hello_is_answered_and_asked_back(table: Table) -> None:
    """Who lacks something gets it; who has more is asked for it."""
    ada, _ = table.sit()
    table.say(ada, table.edit())
    other = Room()
    sender = ids.new_id()
    table.document.hear(peers.Hello(sender, False, other.state_vector(), other.deleted))
    (answer,) = table.wire.told(peers.Answer)
    other.apply(answer.update)
    ahead = table.edit()
    other.apply(ahead.update)
    table.now += 2
    table.document.hear(peers.Hello(sender, False, other.state_vector(), other.deleted))
    assert len(table.wire.told(peers.Hello)) == 2  # the one at the opening, and this
    for update in other.snapshot():
        table.document.hear(peers.Answer(table.wire.writer, update))
    table.document.flush()
    assert table.document.room is not None
    assert not table.document.room.lacks(other.state_vector())


async def test_a_reader_changes_nothing(table: Table) -> None:
    """What it sends is refused once in words, and never told as saved."""
    _, ada_out = table.sit()
    bo, bo_out = table.sit("read")
    table.say(bo, SyncStep2(b"\x00\x00"))
    table.say(bo, table.edit())
    table.say(bo, table.edit())
    table.document.flush()
    assert ada_out.messages(SyncUpdate) == []
    assert table.wire.appends == []
    assert bo_out.messages(Status) == [Status(1)]
    assert len([frame for frame in bo_out.frames if frame[:1] == b"\x02"]) == 1


async def test_a_backlog_is_bounded(table: Table) -> None:
    """While nothing is committed, edits go on up to the limit; then clients are sent away, and come back later."""
    table = Table(max_backlog_bytes=200)
    ada, _ = table.sit()

    def fill() -> None:
        for _ in range(50):
            table.say(ada, table.edit())
            table.document.flush()

    with pytest.raises(RoomUnavailable):
        fill()
    table.wire.commit()
    table.say(ada, table.edit())


async def test_a_refused_append_ends_the_connections(table: Table) -> None:
    """What can never be saved is not passed over in silence."""
    ada, out = table.sit()
    table.say(ada, table.edit())
    table.document.flush()
    table.wire.commit(saved=False)
    assert isinstance(out.closed, RoomUnavailable)
    assert out.messages(Status) == []


async def test_what_is_large_is_read_elsewhere(table: Table) -> None:
    """The client's next message waits for it; the other clients get it, and it is journalled."""
    ada, out = table.sit()
    _, bo_out = table.sit()
    table.doc.get("text", type=pycrdt.Text).insert(0, "x" * (INLINE_BYTES + 1))
    work = table.document.receive(ada, SyncUpdate(table.last()))
    assert work is not None
    await work
    table.document.flush()
    table.wire.commit()
    assert [message.update for message in bo_out.messages(SyncUpdate)] == [table.last()]
    assert out.messages(Status) == [Status(1)]
    await table.wire.heavy.close()


async def test_a_large_document_is_packed_and_cut_elsewhere(table: Table) -> None:
    """Who has some of it gets the rest, and what came meanwhile."""
    ada, _ = table.sit()
    early = table.edit()
    table.say(ada, early)
    table.doc.get("text", type=pycrdt.Text).insert(0, "x" * (INLINE_BYTES + 1))
    table.document.take_committed(table.last())
    await table.wire.spawned[0]
    await table.document.pack()
    cy, out = table.sit()
    work = table.document.receive(cy, SyncStep1(Room(updates=[early.update]).state_vector()))
    table.say(ada, table.edit())
    table.document.flush()
    assert work is not None
    await work
    sent = [message.update for kind in (SyncUpdate, SyncStep2) for message in out.messages(kind)]
    assert all(len(update) > INLINE_BYTES or len(update) < 200 for update in sent)
    assert Room(updates=[early.update, *sent]).state_vector() == table.doc.get_state()
    await table.wire.heavy.close()


async def test_only_the_server_sends_some_messages(table: Table) -> None:
    """A status from a client is not a message."""
    ada, out = table.sit()
    with pytest.raises(ProtocolError):
        table.say(ada, Status(1))
    assert out.messages(SyncStep1) == []
