"""Hides which clocks of which Yjs clients are known: a set of ids, kept as ranges, small enough for a million. Pure."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence


class IdSet:
    """Clocks by client, as ranges that neither touch nor overlap. Eight bytes a range. Source: Yjs 14, IdSet.js."""

    __slots__ = ("_clients",)

    def __init__(self) -> None:
        self._clients: dict[int, tuple[array[int], array[int]]] = {}  # sorted starts, and the end of each

    def covers(self, client: int, start: int, end: int) -> bool:
        """Whether all of [start, end) is in it."""
        if (known := self._clients.get(client)) is None:
            return False
        starts, ends = known
        place = bisect_right(starts, start) - 1
        return place >= 0 and ends[place] >= end

    def touches(self, client: int, start: int, end: int) -> bool:
        """Whether any of [start, end) is in it."""
        if (known := self._clients.get(client)) is None:
            return False
        starts, ends = known
        place = bisect_right(ends, start)
        return place < len(starts) and starts[place] < end

    def add(self, client: int, start: int, end: int) -> None:
        """Put [start, end) in."""
        if (known := self._clients.get(client)) is None:
            self._clients[client] = array("I", (start,)), array("I", (end,))
            return
        starts, ends = known
        if ends[-1] == start:  # what a client mostly does: it goes on
            ends[-1] = end
            return
        if ends[-1] < start:
            starts.append(start)
            ends.append(end)
            return
        first, last = bisect_left(ends, start), bisect_right(starts, end)  # those that it joins
        if first < last:
            start, end = min(start, starts[first]), max(end, ends[last - 1])
        starts[first:last], ends[first:last] = array("I", (start,)), array("I", (end,))

    def update(self, ranges: Mapping[int, Sequence[tuple[int, int]]]) -> None:
        for client, of_client in ranges.items():
            for start, end in of_client:
                self.add(client, start, end)

    def is_before(self, ranges: Mapping[int, Sequence[tuple[int, int]]]) -> bool:
        """Whether, of each client, all of `ranges` come after all that is in it."""
        for client, of_client in ranges.items():
            known = self._clients.get(client)
            if known is not None and known[1][-1] > of_client[0][0]:
                return False
        return True

    def covers_all(self, ranges: Mapping[int, Sequence[tuple[int, int]]]) -> bool:
        return all(self.covers(client, *one) for client, of_client in ranges.items() for one in of_client)

    def first_gap(self, client: int) -> int:
        """The first clock of `client` that is not in it: what a state vector tells."""
        if (known := self._clients.get(client)) is None or known[0][0]:
            return 0
        return known[1][0]

    def end(self, client: int) -> int:
        """The clock after the last one of `client`."""
        return self._clients[client][1][-1]

    def __contains__(self, client: int) -> bool:
        """Whether there is any id of that client."""
        return client in self._clients

    def clients(self) -> Iterator[int]:
        return iter(self._clients)

    def ranges(self, client: int) -> Iterator[tuple[int, int]]:
        starts, ends = self._clients[client]
        return zip(starts, ends, strict=True)

    def __len__(self) -> int:
        """How many ids."""
        return sum(sum(ends) - sum(starts) for starts, ends in self._clients.values())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IdSet) and self._clients == other._clients

    __hash__ = None  # type: ignore[assignment]  # it changes

    def copy(self) -> "IdSet":
        other = IdSet()
        other._clients = {client: (starts[:], ends[:]) for client, (starts, ends) in self._clients.items()}
        return other

    # --- as bytes, which are read as fast as they are copied

    def encode(self) -> bytes:
        parts = [len(self._clients).to_bytes(4, "little")]
        for client, (starts, ends) in self._clients.items():
            parts += (client.to_bytes(8, "little"), len(starts).to_bytes(4, "little"), starts.tobytes(), ends.tobytes())
        return b"".join(parts)

    @classmethod
    def decode(cls, data: bytes, at: int = 0) -> tuple["IdSet", int]:
        """What `encode` gave, at `at`, and where it ends."""
        found = cls()
        clients, at = int.from_bytes(data[at : at + 4], "little"), at + 4
        for _ in range(clients):
            client = int.from_bytes(data[at : at + 8], "little")
            size = 4 * int.from_bytes(data[at + 8 : at + 12], "little")
            at += 12
            starts, ends = array("I"), array("I")
            starts.frombytes(data[at : at + size])
            ends.frombytes(data[at + size : at + 2 * size])
            found._clients[client] = starts, ends
            at += 2 * size
        return found, at
