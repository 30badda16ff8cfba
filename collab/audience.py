"""Hides how a frame goes to many sockets: for each of them nothing is touched but the call that writes.

With hundreds of receivers the processor waits for memory more than it computes, so what would be looked up for each of
them in turn (whether it is open, or full, how its frames look) is told when it changes instead.
"""

from collections.abc import Callable, Collection
from functools import partial

from collab.outlet import nothing
from collab.seats import Seat


class Crowd:
    """Clients that are sent the same."""

    def __init__(self) -> None:
        self._writes: dict[Callable[[bytes], bytes], dict[Seat, Callable[[bytes], None]]] = {}  # by how frames look

    def add(self, seat: Seat) -> None:
        self._writes.setdefault(seat.outlet.framing, {})[seat] = seat.outlet.write

    def discard(self, seat: Seat) -> None:
        """To be called at once when the client has left."""
        framing = seat.outlet.framing
        writes = self._writes.get(framing, {})
        writes.pop(seat, None)
        if not writes:
            self._writes.pop(framing, None)

    def send(self, frame: bytes, *, without: Collection[Seat] = ()) -> None:
        """A frame of y-websocket's to all but some."""
        for framing, writes in self._writes.items():
            held = [(seat, writes.pop(seat)) for seat in without if seat in writes]
            framed = framing(frame)
            for write in writes.values():
                write(framed)
            writes.update(held)


class Audience(Crowd):
    """The clients of one document that are sent what changes. Who is full is set aside by the frame that fills it."""

    def __init__(self) -> None:
        super().__init__()
        self._full: set[Seat] = set()

    def add(self, seat: Seat) -> None:
        """From now on; while it has much to read it is among the full instead."""
        super().add(seat)
        seat.outlet.on_full = partial(self._full.add, seat)
        if seat.outlet.is_full:
            self._full.add(seat)

    def discard(self, seat: Seat) -> None:
        super().discard(seat)
        self._full.discard(seat)
        seat.outlet.on_full = nothing

    def take_full(self) -> list[Seat]:
        """Who has been filled since the last call, and has not read meanwhile: they are the audience's no more."""
        full = [seat for seat in self._full if seat.outlet.is_full]
        self._full.clear()
        for seat in full:
            self.discard(seat)
        return full
