"""One document in memory: any order, any repetition, any batching of updates ends in the same document."""

from contextlib import suppress
from typing import Any

import pycrdt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collab.errors import DocumentTooLarge, MalformedUpdate, RoomBroken
from collab.room import Applied, Room, merge

Script = list[tuple[int, str, int]]

steps = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["put", "drop", "type", "erase"]), st.integers(0, 4)),
    min_size=1,
    max_size=25,
)


def _act(doc: Any, step: Any, value: int) -> Any:
    entries, text = doc.get("elements", type=pycrdt.Map), doc.get("text", type=pycrdt.Text)
    match step:
        case "put":
            entries[str(value)] = pycrdt.Map({"x": value})
        case "drop":
            entries.pop(str(value), None)
        case "type":
            text.insert(min(value, len(str(text))), "xy")  # ASCII: pycrdt counts bytes where Yjs counts UTF-16 units
        case "erase":
            del text[0 : min(value, len(str(text)))]


def _history(script: Script) -> Any:
    """The updates that three people make, each on a replica that now and then hears the others."""
    replicas: list[pycrdt.Doc[Any]] = [pycrdt.Doc(client_id=number + 1) for number in range(3)]
    updates = []
    for replica in replicas:
        replica.observe(lambda event: updates.append(event.update))
    for number, (who, step, value) in enumerate(script):
        _act(replicas[who], step, value)
        other = replicas[(who + number) % 3]
        heard = replicas[who].get_update(other.get_state())
        other.apply_update(heard)
    return [update for update in updates if update != b"\x00\x00"]


def _shown(room: Any) -> Any:
    doc: pycrdt.Doc[Any] = pycrdt.Doc()
    doc.apply_update(room.snapshot())
    return (
        doc.get("elements", type=pycrdt.Map).to_py(),
        str(doc.get("text", type=pycrdt.Text)),
        room.state_vector() and doc.get_state() and len(doc.get_update(doc.get_state())),
    )


@settings(max_examples=60, deadline=None)
@given(steps, st.data())
def test_any_order_and_repetition_converges(script: Script, data: Any) -> None:
    """Rooms that get the same updates shuffled and repeated show the same document."""
    updates = _history(script)
    again = data.draw(st.lists(st.sampled_from(updates), max_size=5)) if updates else []
    shuffled = data.draw(st.permutations(updates + again))
    first, second = Room(), Room()
    for update in updates:
        first.apply(update)
    for update in shuffled:
        second.apply(update)
    assert _shown(first) == _shown(second)


@settings(max_examples=60, deadline=None)
@given(steps, st.data())
def test_a_merged_flush_is_the_sequence(script: Script, data: Any) -> None:
    """Cutting the sequence into flushes and merging each changes nothing."""
    updates = _history(script)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(updates)), max_size=4)))
    plain, flushed = Room(), Room()
    for update in updates:
        plain.apply(update)
    for start, end in zip([0, *cuts], [*cuts, len(updates)], strict=True):
        for update in merge(updates[start:end]):
            flushed.apply(update)
    assert _shown(plain) == _shown(flushed)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_a_diff_brings_a_replica_up_to_date(script: Script) -> None:
    """What `diff` gives for a state vector is exactly what its owner lacks."""
    updates = _history(script)
    whole, half = Room(updates), Room(updates[: len(updates) // 2])
    half.apply(whole.diff(half.state_vector()))
    assert _shown(half) == _shown(whole)
    assert not half.lacks(whole.state_vector())


@settings(max_examples=60, deadline=None)
@given(steps)
def test_what_was_applied_is_no_news_again(script: Script) -> None:
    """Each update is news once; the second time the room knows that it holds all of it."""
    updates = _history(script)
    room = Room()
    for update in updates:
        room.apply(update)
    assert [room.apply(update).news for update in updates] == [False] * len(updates)
    assert not any(room.would_add(update) for update in updates)


@settings(max_examples=300, deadline=None)
@given(steps, st.data())
def test_mutated_updates_raise_only_what_ends_one_connection(script: Script, data: Any) -> None:
    """Bytes changed at random are applied, refused, or break the room in the way that has it loaded again."""
    updates = _history(script) or [b"\x00\x00"]
    victim = bytearray(data.draw(st.sampled_from(updates)))
    for place, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(victim) - 1), st.integers(0, 255)), min_size=1, max_size=4)
    ):
        victim[place] = value
    room = Room(updates)
    with suppress(MalformedUpdate, RoomBroken):
        room.apply(bytes(victim))


def _updates(*acts: Any) -> Any:
    doc: pycrdt.Doc[Any] = pycrdt.Doc(client_id=1)
    updates = []
    doc.observe(lambda event: updates.append(event.update))
    text = doc.get("text", type=pycrdt.Text)
    for act in acts:
        act(text)
    return updates


def _gap() -> Any:
    return _updates(lambda t: t.insert(0, "a"), lambda t: t.insert(1, "b"), lambda t: t.__delitem__(slice(0, 1)))


def test_an_update_with_a_gap_waits_and_is_kept() -> None:
    """What lacks its cause shows nothing yet, is news (so it is journalled), and is part of the snapshot."""
    first, second, _ = _gap()
    room = Room()
    assert room.apply(second) == Applied(integrated=False, pending=True)
    copy = Room([room.snapshot()])
    copy.apply(first)
    assert _shown(copy)[1] == "ab"


def test_a_deletion_with_a_gap_waits_and_is_kept() -> None:
    """A deletion of what has not arrived is pending too, and takes effect when it does."""
    first, second, deletion = _gap()
    room = Room()
    assert room.apply(deletion) == Applied(integrated=False, pending=True)
    copy = Room([room.snapshot()])
    copy.apply(second)
    copy.apply(first)
    assert _shown(copy)[1] == "b"


def test_late_joiner_receives_full_state() -> None:
    """A diff for nobody's state vector is the whole document."""
    room = Room(_gap())
    assert _shown(Room([room.diff(b"\x00")]))[1] == "b"


def test_a_malformed_update_leaves_the_document_as_it_was() -> None:
    """What cannot be read changes nothing."""
    room = Room(_gap())
    before = room.snapshot()
    with pytest.raises(MalformedUpdate):
        room.apply(b"\x01\x01\x05")
    with pytest.raises(MalformedUpdate):
        room.diff(b"\xff")
    assert room.snapshot() == before


def test_a_document_cannot_grow_beyond_its_limit() -> None:
    """An update that might not fit is refused before it is applied."""
    room = Room(max_bytes=10)
    with pytest.raises(DocumentTooLarge):
        room.apply(_gap()[0])
    assert room.snapshot() == b"\x00\x00"


PANICS = bytes.fromhex("0101010184a40001000000"[:20])  # an item whose left neighbour is of a client without any


def test_a_panic_of_the_library_breaks_the_room_and_not_the_process() -> None:
    """The Rust library panics on this one; the room says that it must be loaded again."""
    room = Room(_gap()[:1])
    with pytest.raises(RoomBroken):
        room.apply(PANICS)
