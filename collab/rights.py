"""Hides how a change of rights reaches open sockets: what may have changed is read again, and applied to the seats.

One person's rights by one session or token are read as one, however many documents they have open.
"""

import asyncio
import itertools
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import structlog

from backend.core.errors import AppError
from collab import bridge
from collab.errors import AccessLost, StaleEpoch
from collab.ports import Grant, Origin
from collab.seats import Seat

log = structlog.get_logger()
_Whose: TypeAlias = tuple[UUID, Origin | None, datetime | None]

RETRY_S = 0.5


class Rights:
    """Of all seats of a process."""

    def __init__(self, seats_on: Callable[[UUID], Collection[Seat]], renew: Callable[[Seat, Grant], None]) -> None:
        """`renew(seat, grant)`: the same person's, as it is now."""
        self._seats_on, self._renew = seats_on, renew
        self._doubted: dict[_Whose, dict[UUID, Grant]] = {}  # what is to be read again
        self._doubts = asyncio.Event()
        self._reading = itertools.count(1)
        self.closing = False

    def doubt(self, grant: Grant) -> None:
        """It may have changed."""
        self._doubted.setdefault(_whose(grant), {})[grant.document_id] = grant
        self._doubts.set()

    async def watch(self) -> None:
        """Read what is doubted, until it is done: nobody tells a change twice. Several may watch."""
        while not self.closing:  # asgiref may swallow a cancellation
            await self._doubts.wait()
            if not self._doubted:
                self._doubts.clear()
                continue
            grants = list(self._doubted.pop(next(iter(self._doubted))).values())
            if not await self.refresh(grants):
                for grant in grants:
                    self.doubt(grant)
                await asyncio.sleep(RETRY_S)

    async def refresh(self, grants: Sequence[Grant]) -> bool:
        """Read one person's rights again, and apply them to their sockets of the same origin; whether it could be."""
        read_no = next(self._reading)
        try:
            fresh = await bridge.refresh(grants)
        except Exception as exc:  # noqa: BLE001 - the port's edge: while the database is away, what was granted holds
            log.warning("collab.refresh_failed", error=type(exc).__name__)
            return False
        for grant, now in zip(grants, fresh, strict=True):
            self._apply(grant, now, read_no)
        return True

    def _apply(self, grant: Grant, fresh: Grant | None, read_no: int) -> None:
        for seat in [seat for seat in self._seats_on(grant.document_id) if _whose(seat.grant) == _whose(grant)]:
            if (error := _verdict(seat.grant, fresh)) is not None:
                seat.outlet.close(error)
            elif fresh is not None and seat.read_no < read_no:
                seat.read_no = read_no
                self._renew(seat, fresh)


def _whose(grant: Grant) -> _Whose:
    """What is read again as one: of one person, by one session or token, which says itself how long it holds."""
    return grant.person_id, grant.origin, None if grant.origin else grant.until


def _verdict(seated: Grant, fresh: Grant | None) -> AppError | None:
    if fresh is None or seated.is_over:
        return AccessLost()
    return StaleEpoch() if fresh.epoch != seated.epoch else None
