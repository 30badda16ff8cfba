"""Hides how many byte strings travel as one, through a pipe or out of a query: a million cost as much as one."""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_LENGTH = struct.Struct("!Q")


@dataclass(frozen=True, slots=True)
class Parts:
    """`count` byte strings, each behind its length: `framed` = count × (u64 length, bytes), big endian."""

    framed: bytes = b""
    count: int = 0

    @classmethod
    def of(cls, parts: Iterable[bytes]) -> "Parts":
        pieces = [piece for part in parts for piece in (_LENGTH.pack(len(part)), part)]
        return cls(b"".join(pieces), len(pieces) // 2)

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[bytes]:
        framed, at = self.framed, 0
        for _ in range(self.count):
            begin = at + 8
            at = begin + int.from_bytes(framed[at:begin])
            yield framed[begin:at]

    def __add__(self, other: "Parts") -> "Parts":
        return Parts(self.framed + other.framed, self.count + other.count)
