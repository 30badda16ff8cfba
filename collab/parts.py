"""Hides how many byte strings travel as one, to a helper or out of a query: a million cost as much as one."""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeAlias

Bytes: TypeAlias = bytes | memoryview  # what is large may lie where another process has put it


@dataclass(frozen=True, slots=True)
class Parts:
    """`data`, all in a row, and how long each is: `lengths` is an array of u32, big endian."""

    data: Bytes = b""
    lengths: bytes = b""

    @classmethod
    def of(cls, parts: Iterable[Bytes]) -> "Parts":
        pieces = list(parts)
        return cls(b"".join(pieces), struct.pack(f"!{len(pieces)}I", *map(len, pieces)))

    @classmethod
    def one(cls, part: Bytes) -> "Parts":
        """Not copied."""
        return cls(part, struct.pack("!I", len(part)))

    def __len__(self) -> int:
        return len(self.lengths) // 4

    def __iter__(self) -> Iterator[Bytes]:
        at = 0
        for end in accumulate(struct.unpack(f"!{len(self)}I", self.lengths)):
            yield self.data[at:end]
            at = end
