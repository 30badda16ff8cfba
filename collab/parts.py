"""Hides how many byte strings travel as one, through a pipe or out of a query: a million cost as much as one."""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True, slots=True)
class Parts:
    """`data`, all in a row, and how long each is: `lengths` is an array of u32, big endian."""

    data: bytes = b""
    lengths: bytes = b""

    @classmethod
    def of(cls, parts: Iterable[bytes]) -> "Parts":
        pieces = list(parts)
        return cls(b"".join(pieces), struct.pack(f"!{len(pieces)}I", *map(len, pieces)))

    def __len__(self) -> int:
        return len(self.lengths) // 4

    def __iter__(self) -> Iterator[bytes]:
        at = 0
        for end in accumulate(struct.unpack(f"!{len(self)}I", self.lengths)):
            yield self.data[at:end]
            at = end

    def __add__(self, other: "Parts") -> "Parts":
        return Parts(self.data + other.data, self.lengths + other.lengths)
