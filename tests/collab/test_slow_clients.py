"""A client that reads slower than the document changes: it costs its neighbours nothing, and misses nothing."""

import pycrdt

from collab.errors import SlowConsumer
from collab.protocol import (
    QueryAwareness,
    SyncStep1,
    SyncStep2,
    SyncUpdate,
)
from collab.room import INLINE_BYTES
from collab.slow import SLOW_S
from tests.collab.table import Table


async def test_a_slow_client_is_sent_no_more_and_then_what_it_missed(table: Table) -> None:
    ada, _ = table.sit()
    _, slow = table.sit()
    for full in (False, True, True, False, False):
        slow.is_full = full
        table.say(ada, table.edit())
        table.document.flush()
    assert len(slow.messages(SyncUpdate)) == 1
    table.document.tick()
    table.say(ada, table.edit())
    table.document.flush()
    assert slow.state_vector() == table.state_vector


async def test_what_had_not_left_when_a_client_fell_behind_is_not_forgotten(table: Table) -> None:
    """The room holds an update before it is sent, and another that has yet to leave."""
    ada, _ = table.sit()
    _, slow = table.sit()
    slow.is_full = True
    table.say(ada, table.edit())
    table.say(ada, table.edit())
    table.document.flush()
    slow.is_full = False
    table.document.tick()
    assert slow.state_vector() == table.state_vector


async def test_a_client_that_reads_nothing_is_let_go_and_one_that_reads_stays(table: Table) -> None:
    ada, _ = table.sit()
    _, reads = table.sit()
    _, hangs = table.sit()
    for out in (reads, hangs):
        out.is_full, out.unsent_bytes = True, 1000
    table.say(ada, table.edit())
    table.document.flush()
    for _ in range(int(SLOW_S) + 2):
        table.now += 1.0
        reads.unsent_bytes -= 1
        table.document.tick()
    assert isinstance(hangs.closed, SlowConsumer)
    assert reads.closed is None


async def test_what_comes_while_a_large_diff_is_cut_is_not_forgotten(table: Table) -> None:
    """The diff is of one moment; what came between that and its sending comes after it."""
    ada, _ = table.sit()
    _, slow = table.sit()
    text = table.doc.get("text", type=pycrdt.Text)

    def type_in(characters: int) -> None:
        text.insert(0, "x" * characters)
        table.say(ada, SyncUpdate(table.last()))
        table.document.flush()
        table.wire.commit()

    type_in(1)
    slow.is_full = True
    for _ in range(20):
        type_in(INLINE_BYTES // 10)
    await table.document.pack()
    slow.is_full = False
    table.document.tick()
    (cutting,) = table.wire.spawned
    for _ in range(20):
        type_in(INLINE_BYTES // 10)
    await cutting
    await table.document.pack()
    table.document.tick()
    (_, cutting) = table.wire.spawned
    await cutting
    table.document.tick()
    assert slow.state_vector() == table.state_vector
    await table.wire.heavy.close()


async def test_who_reads_nothing_has_nothing_made_ready(table: Table) -> None:
    """A step 1 is answered by the whole document: asked for again and again it would fill the memory."""
    seat, out = table.sit()
    table.say(seat, table.edit())
    out.is_full = True
    table.say(seat, SyncStep1(b"\x00"))
    table.say(seat, QueryAwareness())
    assert out.frames == []
    out.is_full = False
    table.say(seat, SyncStep1(b"\x00"))
    assert len(out.messages(SyncStep2)) == 1
