"""Packs a great many small updates: ten times as many a second as one after the other.

Of what a long journal holds, nearly all is alike: somebody typed some ASCII characters, or deleted some. Such updates
are found and read by NumPy, column by column, and joined before the library sees them: what one person typed in a row
is one item, as Yjs itself would have split it. Whatever is not exactly so is read as any other update is.

    typed    1 client, 1 struct, varUint client, varUint clock, info, [origin], [right origin], varString, 0 deletions
             info: 4, and 0x80 for an origin, 0x40 for a right origin; one of them at least. An origin: varUint, varUint
    deleted  0 clients, 1 client, varUint client, 1 range, varUint clock, varUint length
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from collab.parts import Parts
from collab.protocol import write_uint
from collab.room import Packing, pack
from collab.updates import MAX_CLIENT, MAX_CLOCK, Contents, Ranges, read_update, write_deletions

Column: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]

PAGE = 20_000  # updates at a time, whose columns stay in the processor's cache
ORIGIN, RIGHT, STRING = 0x80, 0x40, 4
NO_NUMBER = 1 << 62
_BEYOND = bytes(64)  # so that reading an update that ends too early does not leave the data


def pack_many(parts: Parts) -> Packing:
    """As `room.pack`. Raises: MalformedUpdate."""
    begins, ends = _bounds(parts)

    def part(place: int) -> bytes:
        return bytes(parts.data[begins[place] : ends[place]])

    found = []  # updates, what they hold, and where what is in them may stand
    for start in range(0, len(parts), PAGE):
        page = range(start, min(start + PAGE, len(parts)))
        joined, others = join(
            Parts(parts.data[begins[start] : ends[page[-1]]], parts.lengths[4 * start : 4 * page.stop])
        )
        found += [(part(page[at]), read_update(part(page[at])), page[at : at + 1]) for at in others]
        found += [(*one, page) for one in joined]
    found.sort(key=lambda one: not one[1].structs)  # what holds deletions alone comes last
    packing = pack([update for update, *_ in found], [contents for _, contents, _ in found])
    doubted = sorted({place for number in packing.left for place in found[number][2]})
    left = [place for place in doubted if not packing.packed.holds(read_update(part(place)))]
    return Packing(packing.packed, left)


def join(page: Parts) -> tuple[list[tuple[bytes, Contents]], list[int]]:
    """What was typed and what was deleted, as an update each and what it holds; the places of all other updates."""
    data = np.frombuffer(bytes(page.data) + _BEYOND, np.uint8)
    begins, ends = _bounds(page)
    typed, deleted = _Typed.read(data, begins, ends), _Deleted.read(data, begins, ends)
    kept = typed.in_order()
    others = ~deleted.alike
    others[kept] = False
    joined = []
    if len(kept):
        joined.append(typed.update(data, kept))
    if deleted.alike.any():
        joined.append(deleted.update())
    return joined, np.flatnonzero(others).tolist()


def _bounds(parts: Parts) -> tuple[Column, Column]:
    """Where each begins and ends."""
    lengths = np.frombuffer(parts.lengths, ">u4").astype(np.int64)
    ends = np.cumsum(lengths)
    return ends - lengths, ends


@dataclass(frozen=True, slots=True)
class _Typed:
    alike: Flags
    client: Column
    clock: Column
    length: Column
    head: tuple[Column, Column]  # where info and origins begin and end
    text_at: Column
    info: npt.NDArray[np.uint8]
    origin: tuple[Column, Column]
    right: tuple[Column, Column]

    @classmethod
    def read(cls, data: Any, begins: Column, ends: Column) -> "_Typed":
        alike = (data[begins] == 1) & (data[begins + 1] == 1)
        client, at = _uint(data, begins + 2)
        clock, at = _uint(data, at)
        head_at, info = at, data[at]
        alike &= (info & ~np.uint8(ORIGIN | RIGHT) == STRING) & (info != STRING)
        at = at + 1
        found = []
        for bit in (ORIGIN, RIGHT):
            whose, after = _uint(data, at)
            which, after = _uint(data, after)
            has = info & bit != 0
            alike &= ~has | ((whose <= MAX_CLIENT) & (which <= MAX_CLOCK))
            found.append((np.where(has, whose, -1), np.where(has, which, -1)))
            at = np.where(has, after, at)
        head_end = at
        length, at = _uint(data, at)
        alike &= (client <= MAX_CLIENT) & (clock <= MAX_CLOCK) & (length > 0) & (at + length + 1 == ends)
        alike &= np.where(alike, clock + length <= MAX_CLOCK, False)
        end = np.where(alike, at + length, 0)
        special = np.concatenate(([0], np.cumsum(data >= 0x80)))
        alike &= (data[end] == 0) & (special[end] == special[np.where(alike, at, 0)])
        return cls(alike, client, clock, length, (head_at, head_end), at, info, *found)

    def in_order(self) -> npt.NDArray[np.intp]:
        """Client by client, those from the first clock on up to a gap or to what comes again."""
        found = np.flatnonzero(self.alike)
        found = found[np.lexsort((self.clock[found], self.client[found]))]
        if not len(found):
            return found
        new = np.concatenate(([True], self.client[found[1:]] != self.client[found[:-1]]))
        breaks = np.cumsum(~new & ~self._continues(found))
        first = np.maximum.accumulate(np.where(new, np.arange(len(new)), 0))
        kept: npt.NDArray[np.intp] = found[breaks == breaks[first]]
        return kept

    def _continues(self, rows: npt.NDArray[np.intp]) -> Flags:
        """Whether each begins where the one before ends, by clock."""
        ends = self.clock[rows] + self.length[rows]
        return np.concatenate(([False], self.clock[rows[1:]] == ends[:-1]))

    def update(self, data: Any, rows: npt.NDArray[np.intp]) -> tuple[bytes, Contents]:
        """One update of `rows`, which are in order."""
        client, clock, length = self.client[rows], self.clock[rows], self.length[rows]
        new_client = np.concatenate(([True], client[1:] != client[:-1]))
        # Typed right behind the one before, in front of the same: one item.
        goes_on = ~new_client & (self.origin[0][rows] == client) & (self.origin[1][rows] == clock - 1)
        for column in self.right:
            goes_on &= np.concatenate(([False], column[rows[1:]] == column[rows[:-1]]))
        items = np.flatnonzero(~goes_on)
        told, told_lengths = _varuints(np.add.reduceat(length, items))
        # Three kinds of pieces: of each item its head and how much text it has, and of each row its text.
        heads_at = items + 2 * np.arange(len(items))
        texts_at = np.arange(len(rows)) + 2 * np.cumsum(~goes_on)
        begins, lengths = np.empty((2, len(rows) + 2 * len(items)), np.int64)
        begins[heads_at], lengths[heads_at] = self.head[0][rows[items]], (self.head[1] - self.head[0])[rows[items]]
        begins[heads_at + 1], lengths[heads_at + 1] = len(data) + told.shape[1] * np.arange(len(items)), told_lengths
        begins[texts_at], lengths[texts_at] = self.text_at[rows], length
        structs = _gather(np.concatenate((data, told.ravel())), begins, lengths)
        firsts = np.flatnonzero(new_client)
        lasts = np.append(firsts[1:], len(rows)) - 1
        edges = np.append(np.searchsorted(items, firsts), len(items))
        cuts = np.append(0, np.cumsum(lengths))[np.append(heads_at, len(lengths))[edges]].tolist()
        parts, held = [write_uint(len(firsts))], dict[int, Ranges]()
        for number, (first, last) in enumerate(zip(firsts.tolist(), lasts.tolist(), strict=True)):
            who, start, end = int(client[first]), int(clock[first]), int(clock[last] + length[last])
            held[who] = [(start, end)]
            parts += [write_uint(value) for value in (int(edges[number + 1] - edges[number]), who, start)]
            parts.append(structs[cuts[number] : cuts[number + 1]])
        joined = b"".join(parts)
        return joined + b"\x00", Contents(held, {}, len(joined))


@dataclass(frozen=True, slots=True)
class _Deleted:
    alike: Flags
    client: Column
    clock: Column
    length: Column

    @classmethod
    def read(cls, data: Any, begins: Column, ends: Column) -> "_Deleted":
        alike = (data[begins] == 0) & (data[begins + 1] == 1)
        client, at = _uint(data, begins + 2)
        alike &= (data[at] == 1) & (client <= MAX_CLIENT)
        clock, at = _uint(data, at + 1)
        length, at = _uint(data, at)
        alike &= (clock <= MAX_CLOCK) & (length > 0) & (length <= MAX_CLOCK) & (at == ends)
        return cls(alike & np.where(alike, clock + length <= MAX_CLOCK, False), client, clock, length)

    def update(self) -> tuple[bytes, Contents]:
        columns = (column[self.alike].tolist() for column in (self.client, self.clock, self.length))
        held: defaultdict[int, Ranges] = defaultdict(list)
        for client, clock, length in zip(*columns, strict=True):
            held[client].append((clock, clock + length))
        return b"\x00" + write_deletions(held), Contents({}, dict(held), 1)


def _uint(data: Any, at: Column) -> tuple[Column, Column]:
    """The numbers at these places, and where each ends; NO_NUMBER where it is too long, or not in its shortest form."""
    byte = data[at]
    value, going = (byte & np.uint8(0x7F)).astype(np.int64), byte >= 0x80
    at = at + 1
    for shift in range(7, 56, 7):
        if not going.any():
            return value, at
        byte = data[at]
        value += np.where(going, (byte & np.uint8(0x7F)).astype(np.int64) << shift, 0)
        value[going & (byte == 0)] = NO_NUMBER
        at = at + going
        going = going & (byte >= 0x80)
    value[going] = NO_NUMBER
    return value, at


def _varuints(values: Column) -> tuple[npt.NDArray[np.uint8], Column]:
    """Each as a row of bytes, and how many of them count."""
    groups = values[:, None] >> np.arange(0, 35, 7)  # a document is far smaller than 32 GiB
    more = groups[:, 1:] > 0
    low = (groups & 0x7F).astype(np.uint8)
    low[:, :-1] |= more.astype(np.uint8) << 7
    return low, 1 + more.sum(axis=1)


def _gather(data: Any, begins: Column, lengths: Column) -> bytes:
    """The pieces that begin there, one behind the other."""
    starts = np.cumsum(lengths) - lengths
    return bytes(data[np.repeat(begins - starts, lengths) + np.arange(int(lengths.sum()))])
