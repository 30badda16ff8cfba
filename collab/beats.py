"""Hides when which socket must be seen to, without looking at all of them: to be kept alive, or because its right ends.

A stock client hangs up after 30 s of silence. Each socket has a place on a wheel that turns once in BEAT_S.
"""

import heapq
import itertools
import random
import time
from collections.abc import Callable

from collab.audience import Crowd
from collab.protocol import KEEP_ALIVE
from collab.seats import Seat

SPARE = 100  # ends of those who left, that are kept at least
BEAT_S = 25  # at least one second, and what a busy process is late, less than the 30 s


class Beats:
    """Of all sockets of a process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wheel = [Crowd() for _ in range(BEAT_S)]
        self._turned = int(clock())  # the second whose place was the last to be seen to
        self._places: dict[Seat, Crowd] = {}
        self._ends: list[tuple[float, int]] = []  # a heap; without seats, which leave weeks before their right ends
        self._number = itertools.count()
        self._numbered: dict[int, Seat] = {}
        self._numbers: dict[Seat, int] = {}

    def add(self, seat: Seat) -> None:
        """At a place by chance: many may have come at once."""
        self._places[seat] = random.choice(self._wheel)  # noqa: S311 - nothing secret
        self._places[seat].add(seat)
        self.renew(seat)

    def renew(self, seat: Seat) -> None:
        """Its grant has changed."""
        self._forget_end(seat)
        if seat.grant.until is None:
            return
        number = self._numbers[seat] = next(self._number)
        self._numbered[number] = seat
        heapq.heappush(self._ends, (self._clock() + seat.grant.until.timestamp() - time.time(), number))
        if len(self._ends) > 2 * len(self._numbered) + SPARE:
            self._ends = [end for end in self._ends if end[1] in self._numbered]
            heapq.heapify(self._ends)

    def _forget_end(self, seat: Seat) -> None:
        self._numbered.pop(self._numbers.pop(seat, -1), None)

    def discard(self, seat: Seat) -> None:
        if (place := self._places.pop(seat, None)) is not None:
            place.discard(seat)
        self._forget_end(seat)

    def beat(self) -> list[Seat]:
        """To be called each second: keep those alive whose turn it is; whose right has ended since the last call."""
        second = int(self._clock())
        for passed in range(max(self._turned, second - BEAT_S) + 1, second + 1):
            self._wheel[passed % BEAT_S].send(KEEP_ALIVE)
        self._turned = second
        over = []
        while self._ends and self._ends[0][0] <= self._clock():
            seat = self._numbered.get(heapq.heappop(self._ends)[1])
            if seat is None:
                continue
            if seat.grant.is_over:
                over.append(seat)
            else:
                self.renew(seat)  # it was prolonged, or the clock set
        return over
