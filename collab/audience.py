"""Hides how a frame goes to many sockets: for each of them nothing is touched but the call that writes.

With hundreds of receivers the processor waits for memory more than it computes, so what would be looked up for each of
them in turn (whether it is open, or full, how its frames look) is told when it changes instead. Who is full is set
aside by the first frame that fills it.
"""

from collections.abc import Callable, Collection
from functools import partial

from collab.outlet import nothing
from collab.seats import Seat

Write = Callable[[bytes], None]


class Audience:
    """The clients of one document that are sent what changes."""

    def __init__(self) -> None:
        self._writes: dict[Callable[[bytes], bytes], dict[Seat, Write]] = {}  # by how their frames look
        self._full: set[Seat] = set()

    def add(self, seat: Seat) -> None:
        """From now on; while it has much to read it is among the full instead."""
        outlet = seat.outlet
        self._writes.setdefault(outlet.framing, {})[seat] = outlet.write
        outlet.on_full = partial(self._fill, seat)
        if outlet.is_full:
            self._fill(seat)

    def discard(self, seat: Seat) -> None:
        writes = self._writes.get(seat.outlet.framing, {})
        writes.pop(seat, None)
        if not writes:
            self._writes.pop(seat.outlet.framing, None)
        self._full.discard(seat)
        seat.outlet.on_full = nothing

    def _fill(self, seat: Seat) -> None:
        self._full.add(seat)

    def take_full(self) -> list[Seat]:
        """Who has been filled since the last call, and has not read meanwhile: they are the audience's no more."""
        full = [seat for seat in self._full if seat.outlet.is_full]
        self._full.clear()
        for seat in full:
            self.discard(seat)
        return full

    def send(self, frame: bytes, *, without: Collection[Seat] = ()) -> None:
        """A frame of y-websocket's to all but some."""
        for framing, writes in self._writes.items():
            held = [(seat, writes.pop(seat)) for seat in without if seat in writes]
            framed = framing(frame)
            for write in writes.values():
                write(framed)
            writes.update(held)
