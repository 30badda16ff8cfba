"""Hides what becomes of clients that read more slowly than their document changes.

One that has much to read is sent nothing more until it has read; then it gets at once what it missed, so what waits for
it is bounded however long it takes. One that reads nothing at all for SLOW_S is let go.
"""

from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

import structlog

from backend.core import metrics
from backend.core.errors import AppError
from collab.errors import SlowConsumer
from collab.heavy import Heavy, HeavyFailed
from collab.parts import Bytes
from collab.protocol import EMPTY_UPDATE
from collab.room import Diff, Room
from collab.seats import Seat

log = structlog.get_logger()

SLOW_S = 20.0


@dataclass(slots=True)
class _Behind:
    """What a client was sent so far, and whether it reads at all."""

    state_vector: bytes
    unsent_bytes: int  # when it was looked at last
    since: float  # the last time that it had read something
    catching_up: bool = False


class SlowClients:
    """Those of one document. `caught_up` is called with each that has all updates again."""

    def __init__(
        self, heavy: Heavy, spawn: Callable[[Coroutine[Any, Any, None]], None], caught_up: Callable[[Seat], None]
    ) -> None:
        self._heavy, self._spawn, self._caught_up = heavy, spawn, caught_up
        self._behind: dict[Seat, _Behind] = {}

    def add(self, seat: Seat, room: Room, missed: Iterable[bytes], now: float) -> None:
        """Note that the client was sent all of the document but `missed`."""
        metrics.COLLAB_RESYNCS.labels("slow_client").inc()
        self._behind[seat] = _Behind(room.state_vector(before=missed), seat.outlet.unsent_bytes, now)

    def discard(self, seat: Seat) -> None:
        self._behind.pop(seat, None)

    def see_to(self, room: Room, now: float) -> None:
        """Bring what they missed to those who have read, and let those go who read nothing."""
        for seat, behind in list(self._behind.items()):
            if not seat.outlet.is_full:
                self._catch_up(seat, behind, room)
            elif (unsent_bytes := seat.outlet.unsent_bytes) < behind.unsent_bytes:
                behind.unsent_bytes, behind.since = unsent_bytes, now
            elif now - behind.since > SLOW_S:
                seat.outlet.close(SlowConsumer())

    def _catch_up(self, seat: Seat, behind: _Behind, room: Room) -> None:
        if behind.catching_up:
            return
        diff = room.diff(behind.state_vector)
        if diff.is_heavy:
            behind.catching_up = True
            self._spawn(self._catch_up_heavy(seat, behind, diff, room.state_vector()))
            return
        del self._behind[seat]
        _tell(seat, diff.updates())
        self._caught_up(seat)

    async def _catch_up_heavy(self, seat: Seat, behind: _Behind, diff: Diff, then: bytes) -> None:
        """`then`: the state vector to which the diff leads. The client stays behind by what came since: little."""
        try:
            first = await self._heavy.cut(diff.first, behind.state_vector)
        except (HeavyFailed, AppError) as exc:
            log.warning("collab.catch_up_failed", error=type(exc).__name__)
            seat.outlet.close(SlowConsumer())
            return
        _tell(seat, diff.updates(first))
        behind.state_vector, behind.catching_up = then, False


def _tell(seat: Seat, updates: Iterable[Bytes]) -> None:
    seat.tell(update for update in updates if update != EMPTY_UPDATE)
