"""What an update holds is read without the library, and nothing passes that the library can't read."""

from contextlib import suppress
from typing import Any

import pycrdt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collab.errors import MalformedUpdate
from collab.protocol import EMPTY_UPDATE, read_state_vector, write_bytes
from collab.updates import MAX_CLOCK, MAX_DEPTH, read_update, write_deletions

VALUES = [1, 2**40, -7, 2.5, None, True, "é𝄞", b"\x00\xff", [1, {"a": [2]}], {"deep": {"er": "x"}}]
acts = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 9)), min_size=1, max_size=20)


def _do(doc: Any, act: int, value: int) -> None:
    text, entries = doc.get("text", type=pycrdt.Text), doc.get("elements", type=pycrdt.Map)
    array, tree = doc.get("list", type=pycrdt.Array), doc.get("tree", type=pycrdt.XmlFragment)
    match act:
        case 0:
            text.insert(0, "abc"[: value % 3 + 1])  # ASCII: pycrdt counts bytes, and cuts a letter in two
        case 1:
            del text[0 : min(1, len(text))]
        case 2:
            text.format(0, len(text), {"bold": value})
        case 3:
            entries[str(value)] = VALUES[value]
        case 4:
            entries[str(value)] = pycrdt.Map({"x": VALUES[value]})
        case 5:
            entries.pop(str(value), None)
        case 6:
            array.extend(VALUES[: value + 1])
        case 7:
            tree.children.append(pycrdt.XmlElement("p", {"a": "b"}, [pycrdt.XmlText("hi")]))
        case 8:
            text.insert_embed(0, {"image": value})


def _history(script: list[tuple[int, int]]) -> tuple[list[bytes], Any]:
    doc: pycrdt.Doc[Any] = pycrdt.Doc(client_id=7)
    updates: list[bytes] = []
    doc.observe(lambda event: updates.append(event.update))
    for act, value in script:
        _do(doc, act, value)
    return [update for update in updates if update != EMPTY_UPDATE], doc


@settings(deadline=None)
@given(acts)
def test_it_holds_what_the_library_says(script: list[tuple[int, int]]) -> None:
    """One update after the other goes on where the last one ended; the whole holds the same."""
    updates, doc = _history(script)
    clock, gone = 0, set[int]()
    for update in updates:
        contents = read_update(update)
        for start, end in contents.structs.get(7, []):
            assert start == clock
            clock = end
        gone |= {at for start, end in contents.deletions.get(7, []) for at in range(start, end)}
        assert update[contents.deletions_at :] == write_deletions(contents.deletions)
    assert read_state_vector(doc.get_state()) == ({7: clock} if clock else {})
    whole = read_update(doc.get_update())
    assert whole.structs == ({7: [(0, clock)]} if clock else {})
    assert {at for start, end in whole.deletions.get(7, []) for at in range(start, end)} == gone


@settings(deadline=None)
@given(acts, st.data())
def test_no_part_of_an_update_is_an_update(script: list[tuple[int, int]], data: Any) -> None:
    """Cut off anywhere, or with more behind, it is refused."""
    update = _history(script)[1].get_update()
    with pytest.raises(MalformedUpdate):
        read_update(update[: data.draw(st.integers(0, len(update) - 1))])
    with pytest.raises(MalformedUpdate):
        read_update(update + b"\x00")


@settings(max_examples=500, deadline=None)
@given(acts, st.data())
def test_what_is_accepted_makes_the_library_neither_panic_nor_refuse_to_read(
    script: list[tuple[int, int]], data: Any
) -> None:
    """Bytes changed at random: refused here, or read there. Integrating may fail with an error (a forged parent)."""
    updates, _ = _history(script)
    victim = bytearray(data.draw(st.sampled_from(updates or [EMPTY_UPDATE])))
    places = st.integers(0, len(victim) - 1)
    for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=3)):
        victim[place] = value
    try:
        read_update(bytes(victim))
    except MalformedUpdate:
        return
    doc: pycrdt.Doc[Any] = pycrdt.Doc()
    with suppress(RuntimeError):  # "block parent must be deleted or shared ref type"
        doc.apply_update(bytes(victim))
    pycrdt.merge_updates(bytes(victim), EMPTY_UPDATE)
    pycrdt.get_update(bytes(victim), b"\x00")


def _item(content: bytes) -> bytes:
    """One item of client 1 at clock 0 in the root `r`: what it is, and its content."""
    return b"\x01\x01\x01\x00" + content[:1] + b"\x01\x01r" + content[1:] + b"\x00"


def _deep(depth: int) -> bytes:
    return b"\x08\x01" + b"\x75\x01" * depth + b"\x7e"


LARGE = b"\xff\xff\xff\xff\x07"  # MAX_CLOCK


@pytest.mark.parametrize(
    ("update", "why"),
    [
        (b"", "no bytes at all"),
        (b"\x01\x00\x01\x00\x00", "a client without structs"),
        (b"\x01\x01\x01\x80\x00\x00\x01\x00", "a number that is not in its shortest form"),
        (b"\x01\x01\x01\x00\x00\x00\x00", "an empty struct"),
        (b"\x01\x01\x01\x01\x00" + LARGE + b"\x00", "a clock beyond 31 bits"),
        (b"\x01\x01" + b"\xff" * 8 + b"\x01\x00\x00\x01\x00", "a client beyond 53 bits"),
        (b"\x01\x01\x01\x00\x80\x01\x00", "a gap that has origins"),
        (b"\x02\x01\x01\x00\x00\x01\x01\x01\x01\x00\x01\x00", "a client whose structs stand apart"),
        (b"\x01\x01\x01\x00\x04\x02\x01r\x01a\x00", "a parent that is neither a name nor an id"),
        (_item(b"\x04\x00"), "an empty text"),
        (_item(b"\x04\x02\xff\xfe"), "a text that is not UTF-8"),
        (_item(b"\x02\x01\x011"), "a content that yrs can't read"),
        (_item(b"\x0b\x01"), "a content that only yrs knows"),
        (_item(b"\x07\x05\x01h"), "a hook"),
        (_item(b"\x07\x09"), "a type that does not exist"),
        (_item(b"\x05" + write_bytes(b"{")), "an embed that is not JSON"),
        (_item(b"\x05" + write_bytes(b"[NaN]")), "a number that JSON does not have"),
        (_item(b"\x05" + write_bytes(b"[" * 100_000)), "JSON that is too deep"),
        (_item(_deep(MAX_DEPTH + 1)), "a value that is too deep"),
        (_item(b"\x08\x01\x50"), "a value that does not exist"),
        (_item(b"\x08\x01\x7d" + b"\x80" * 9 + b"\x01"), "an integer beyond 53 bits"),
        (b"\x00\x01\x01\x01\x00\x00", "an empty deletion"),
        (b"\x00\x01\x01\x01\x01" + LARGE, "a deletion beyond 31 bits"),
    ],
)
def test_it_is_refused(update: bytes, why: str) -> None:
    """Each with its reason."""
    with pytest.raises(MalformedUpdate):
        read_update(update)


@pytest.mark.parametrize(
    ("update", "length"),
    [
        (_item(b"\x04" + write_bytes("a𝄞".encode())), 3),  # UTF-16 units
        (_item(_deep(MAX_DEPTH)), 1),
        (_item(b"\x06" + write_bytes(b"bold") + write_bytes(b"true")), 1),
        (_item(b"\x09" + write_bytes(b"guid") + b"\x76\x00"), 1),
        (b"\x01\x01\x01\x00\x00\xfe\xff\xff\xff\x07\x00", MAX_CLOCK - 1),
    ],
)
def test_it_is_as_long_as_the_library_says(update: bytes, length: int) -> None:
    """A subdocument and a format included."""
    assert read_update(update).structs == {1: [(0, length)]}
    assert read_state_vector(pycrdt.get_state(update)) == {1: length}


def test_who_has_gaps_alone_is_not_in_it() -> None:
    """A Skip holds no id: nobody may claim a client id by it."""
    gap = b"\x01\x01\x09\x00\x0a\x05" + b"\x00"  # one client (9), one struct: a Skip of five
    assert read_update(gap).structs == {}
    pycrdt.merge_updates(gap, EMPTY_UPDATE)
