"""Many small updates at once: what comes of them is what comes of them one by one."""

from collections.abc import Iterable
from typing import Any

import pycrdt
from hypothesis import given, settings
from hypothesis import strategies as st

from collab.idset import IdSet
from collab.keystrokes import join, pack_many
from collab.parts import Parts
from collab.protocol import EMPTY_UPDATE, write_uint
from collab.room import pack
from collab.updates import MAX_CLIENT, MAX_CLOCK, Contents, read_update

Act = tuple[int, bool, int, str]  # who, whether they insert, where, what

acts = st.lists(
    st.tuples(
        st.integers(0, 2), st.booleans(), st.integers(0, 12), st.sampled_from(["a", "bc", "déjà", "x" * 200, "🙂"])
    ),
    min_size=1,
    max_size=30,
)
numbers = st.sampled_from([0, 1, 5, 127, 128, 300, MAX_CLOCK - 1, MAX_CLOCK, MAX_CLOCK + 1, MAX_CLIENT]).map(write_uint)
no_numbers = st.sampled_from([b"\x80" * 7 + b"\x10", b"\x81\x00", b"\xff" * 9])


def _history(script: list[Act]) -> Any:
    """What three people type into one text, each on a replica that hears another now and then."""
    replicas: list[pycrdt.Doc[Any]] = [pycrdt.Doc(client_id=number + 1) for number in range(3)]
    updates: list[bytes] = []
    for replica in replicas:
        replica.observe(lambda event: updates.append(event.update))
    for number, (who, inserts, place, what) in enumerate(script):
        text = replicas[who].get("text", type=pycrdt.Text)
        size = len(str(text).encode())
        if str(text).isascii():  # pycrdt counts bytes, and half a letter is none
            if inserts:
                text.insert(min(place, size), what)
            else:
                del text[min(place, size) : min(place + 2, size)]
        other = replicas[(who + number) % 3]
        other.apply_update(replicas[who].get_update(other.get_state()))
    return [update for update in updates if update != EMPTY_UPDATE]


def _text(updates: list[bytes]) -> str:
    doc: pycrdt.Doc[Any] = pycrdt.Doc()
    doc.apply_update(pycrdt.merge_updates(*updates, EMPTY_UPDATE))
    return str(doc.get("text", type=pycrdt.Text))


@settings(max_examples=150, deadline=None)
@given(acts, st.data())
def test_many_at_once_are_as_one_by_one(script: list[Act], data: Any) -> None:
    """In any order, with gaps and repetitions: the same text, the same ids, and the same is left."""
    updates = _history(script)
    some = data.draw(st.permutations(updates + data.draw(st.lists(st.sampled_from(updates or [EMPTY_UPDATE])))))
    some = some[: data.draw(st.integers(1, len(some)))] if some else [EMPTY_UPDATE]
    many, one_by_one = pack_many(Parts.of(some)), pack(some)
    assert many.packed.structs == one_by_one.packed.structs
    assert many.packed.deletions == one_by_one.packed.deletions
    left = [some[place] for place in many.left]
    assert _text([bytes(many.packed.update), *left]) == _text(some)
    assert left == [some[place] for place in one_by_one.left]


@st.composite
def _keystroke(draw: st.DrawFn) -> bytes:
    """An update that looks like one, and sometimes is none."""
    uint = st.one_of(numbers, numbers, numbers, no_numbers)
    if draw(st.booleans()):
        return b"\x00\x01" + draw(uint) + draw(st.sampled_from([b"\x01", b"\x01", b"\x02"])) + draw(uint) + draw(uint)
    info = draw(st.sampled_from([0x84, 0x44, 0xC4, 0xC4, 0x04, 0xA4, 0x85]))
    origins = b"".join(draw(uint) + draw(uint) for bit in (0x80, 0x40) if info & bit)
    text = draw(st.sampled_from(["", "a", "b" * 130, "é"])).encode()
    told = draw(st.sampled_from([0, 0, 0, 1]))
    return b"\x01\x01" + draw(uint) + draw(uint) + bytes([info]) + origins + write_uint(len(text) + told) + text + b"\0"


@settings(max_examples=500, deadline=None)
@given(st.lists(_keystroke(), min_size=1, max_size=6), st.data())
def test_nothing_is_taken_that_is_not_exactly_so(updates: list[bytes], data: Any) -> None:
    """What is joined is what the reader of updates finds in them, also where bytes were changed."""
    page = [bytearray(update) for update in updates]
    for victim in page:
        for place, value in data.draw(
            st.lists(st.tuples(st.integers(0, len(victim) - 1), st.integers(0, 255)), max_size=2)
        ):
            victim[place] = value
    rows = [bytes(row) for row in page]
    joined, others = join(Parts.of(rows))
    taken = [read_update(row) for place, row in enumerate(rows) if place not in others]
    assert _ids(contents for _, contents in joined) == _ids(taken)
    for update, contents in joined:
        assert read_update(update) == contents


def test_what_one_types_in_a_row_is_one_item() -> None:
    """And what they delete one update, whatever stands between in the journal."""
    doc: pycrdt.Doc[Any] = pycrdt.Doc(client_id=7)
    text = doc.get("text", type=pycrdt.Text)
    text.insert(0, "[]")
    updates: list[bytes] = []
    doc.observe(lambda event: updates.append(event.update))
    for number in range(10):
        text.insert(1 + number, "a")
    del text[0:1]
    del text[3:4]
    (typed, deleted), others = join(Parts.of([*updates[:5], updates[10], *updates[5:10], updates[11]]))
    assert (typed[1].structs, deleted[1].deletions, others) == ({7: [(2, 12)]}, {7: [(0, 1), (5, 6)]}, [])
    assert typed[0].endswith(b"\x0a" + b"a" * 10 + b"\x00")


def _ids(several: Iterable[Contents]) -> tuple[IdSet, IdSet]:
    structs, deletions = IdSet(), IdSet()
    for contents in several:
        structs.update(contents.structs)
        deletions.update(contents.deletions)
    return structs, deletions
