"""One document in memory: any order, any repetition, any batching of updates ends in the same document."""

from contextlib import suppress
from typing import Any

import pycrdt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collab.errors import DocumentTooLarge, MalformedUpdate, ProtocolError
from collab.protocol import EMPTY_UPDATE, read_state_vector
from collab.room import Packed, Room, merge, pack
from collab.updates import Contents, read_update

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


def _built(updates: Any) -> Any:
    """What the library makes of updates that come at once."""
    doc: pycrdt.Doc[Any] = pycrdt.Doc()
    doc.apply_update(pycrdt.merge_updates(*updates, EMPTY_UPDATE))
    return doc


def _shown(updates: Any) -> Any:
    doc = _built(updates)
    elements, text = doc.get("elements", type=pycrdt.Map), doc.get("text", type=pycrdt.Text)
    return elements.to_py(), str(text), read_state_vector(doc.get_state())


@settings(max_examples=60, deadline=None)
@given(steps, st.data())
def test_any_order_and_repetition_converges(script: Script, data: Any) -> None:
    """Rooms that get the same updates shuffled and repeated show the same document."""
    updates = _history(script)
    again = data.draw(st.lists(st.sampled_from(updates), max_size=5)) if updates else []
    shuffled = data.draw(st.permutations(updates + again))
    room = Room(updates=shuffled)
    assert _shown(room.snapshot()) == _shown(updates)
    assert read_state_vector(room.state_vector()) == _shown(updates)[2]


@settings(max_examples=60, deadline=None)
@given(steps, st.data())
def test_a_merged_flush_is_the_sequence(script: Script, data: Any) -> None:
    """Cutting the sequence into flushes and merging each changes nothing, whether or not it is known what they hold."""
    updates = _history(script)
    is_read = data.draw(st.booleans())
    cuts = sorted(data.draw(st.sets(st.integers(0, len(updates)), max_size=4)))
    flushed = Room()
    for start, end in zip([0, *cuts], [*cuts, len(updates)], strict=True):
        some = updates[start:end]
        for update in merge(some, list(map(read_update, some)) if is_read else ()):
            flushed.apply(update)
    assert _shown(flushed.snapshot()) == _shown(updates)


def test_what_several_write_and_delete_at_once_becomes_one_update() -> None:
    """Where they have no client in common the parts stand as they were; all of it is read by us and by the library."""
    updates = []
    for number in range(1, 5):
        doc: pycrdt.Doc[Any] = pycrdt.Doc(client_id=number)
        text = doc.get("text", type=pycrdt.Text)
        text.insert(0, "as they stand")
        if number % 2:
            del text[3:8]
        updates.append(doc.get_update())
    (joined,) = merge(updates, list(map(read_update, updates)))
    contents = read_update(joined)
    assert set(contents.structs) == {1, 2, 3, 4}
    assert set(contents.deletions) == {1, 3}
    assert all(update[1 : read_update(update).deletions_at] in joined for update in updates)
    assert _shown([joined]) == _shown(updates)


@settings(max_examples=100, deadline=None)
@given(steps, st.data())
def test_packing_at_any_moment_changes_nothing(script: Script, data: Any) -> None:
    """What arrives while the document is being packed is kept, whether that succeeds or fails."""
    updates = _history(script)
    order = data.draw(st.permutations(updates))
    begin, end = sorted(data.draw(st.tuples(st.integers(0, len(order)), st.integers(0, len(order)))))
    room = Room(updates=order[:begin])
    packing = pack(room.freeze())
    for update in order[begin:end]:
        room.apply(update)
    room.thaw(packing if data.draw(st.booleans()) else None)
    for update in order[end:]:
        room.apply(update)
    assert _shown(room.snapshot()) == _shown(updates)
    packed = packing.packed
    assert Packed.with_index(packed.update, packed.index()) == packed


@settings(max_examples=100, deadline=None)
@given(steps, st.data())
def test_a_diff_brings_a_replica_up_to_date(script: Script, data: Any) -> None:
    """What `diff` gives for a state vector is what its owner lacks, whatever of the document is packed."""
    updates = _history(script)
    cut_at, packed_at = data.draw(st.integers(0, len(updates))), data.draw(st.integers(0, len(updates)))
    half = Room(updates=updates[:cut_at])
    whole = Room(pack(updates[:packed_at]).packed, updates)
    lacking = whole.diff(half.state_vector()).updates()
    assert _shown([*updates[:cut_at], *lacking]) == _shown(updates)
    for update in lacking:
        half.apply(bytes(update))
    assert not half.lacks(whole.state_vector())
    assert half.deleted == whole.deleted


@settings(max_examples=60, deadline=None)
@given(steps, st.data())
def test_what_was_applied_is_no_news_again(script: Script, data: Any) -> None:
    """Each update is news once, and what is news of it is only what the room did not hold."""
    updates = _history(script)
    first = data.draw(st.integers(0, len(updates)))
    room = Room(updates=updates[:first])
    whole = pycrdt.merge_updates(*updates, EMPTY_UPDATE)
    news = read_update(room.apply(whole))
    before = Room(updates=updates[:first])
    assert not any(
        before.holds(Contents({client: [one]}, {}, 0)) for client, some in news.structs.items() for one in some
    )
    assert [room.apply(update) for update in updates] == [EMPTY_UPDATE] * len(updates)
    assert all(room.holds(read_update(update)) for update in updates)


@settings(max_examples=300, deadline=None)
@given(steps, st.data())
def test_mutated_updates_raise_only_what_ends_one_connection(script: Script, data: Any) -> None:
    """Bytes changed at random are refused, or taken, and then the document can still be packed, cut and read."""
    updates = _history(script) or [b"\x00\x00"]
    victim = bytearray(data.draw(st.sampled_from(updates)))
    for place, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(victim) - 1), st.integers(0, 255)), min_size=1, max_size=4)
    ):
        victim[place] = value
    room = Room(updates=updates)
    with suppress(MalformedUpdate):
        room.apply(bytes(victim))
    packing = pack(room.freeze())
    _built([packing.packed.update])
    room.thaw(packing)
    for update in room.snapshot():
        read_update(update)


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


def test_what_lacks_its_causes_is_kept() -> None:
    """It shows nothing yet, but is news, stays through a packing, and takes effect when they arrive."""
    first, second, deletion = _gap()
    room = Room(updates=[deletion, second])
    room.thaw(pack(room.freeze()))
    assert _shown(room.snapshot())[1] == ""
    assert room.apply(first) == first
    assert _shown(room.snapshot())[1] == "b"


def test_late_joiner_receives_full_state() -> None:
    """A diff for nobody's state vector is the whole document."""
    room = Room(updates=_gap())
    assert _shown(room.diff(b"\x00").updates())[1] == "b"


def test_only_what_is_new_of_many_deletions_is_news() -> None:
    """A client that comes back tells all deletions of the document: what the room has is not passed on."""
    updates = _updates(
        lambda t: t.insert(0, "abcdefgh"), *[lambda t, at=at: t.__delitem__(slice(at, at + 1)) for at in range(3)]
    )
    room = Room(updates=updates[:3])
    back = _built(updates).get_update(_built(updates).get_state())
    assert read_update(room.apply(back)).deletions == {1: [(4, 5)]}


def test_a_malformed_update_leaves_the_document_as_it_was() -> None:
    """What cannot be read changes nothing."""
    room = Room(updates=_gap())
    before = room.snapshot()
    with pytest.raises(MalformedUpdate):
        room.apply(b"\x01\x01\x05")
    with pytest.raises(ProtocolError):
        room.diff(b"\xff")
    assert room.snapshot() == before


def test_a_document_cannot_grow_beyond_its_limit() -> None:
    """An update that might not fit is refused before it is applied; what is already there is loaded nevertheless."""
    room = Room(max_bytes=10)
    with pytest.raises(DocumentTooLarge):
        room.apply(_gap()[0])
    assert room.snapshot() == [EMPTY_UPDATE]
    assert Room(updates=_gap(), max_bytes=10).snapshot() != [EMPTY_UPDATE]


def test_a_forged_update_does_not_keep_the_rest_from_being_packed() -> None:
    """The library can't integrate an item whose parent is a letter; the packing leaves that update, and it alone."""
    forged = bytes.fromhex("01015300010001017a00")
    packing = pack([*_gap(), forged])
    assert packing.left == [3]
    assert _shown([packing.packed.update])[1] == "b"
    room = Room(updates=[*_gap(), forged])
    room.freeze()
    room.thaw(packing)
    assert room.holds(read_update(forged))
    assert not room.wants_packing
