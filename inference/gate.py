"""Hides who goes next where places at the model are few: whoever ranks lowest at the moment that one falls free.

Ranks are asked for then, and not kept: what others were given meanwhile changes them.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol


class Turn(Protocol):
    """What a run goes by in the queue; called in the client's thread."""

    def rank(self) -> tuple[float, ...]:
        """The lowest of all that wait goes next; of equal ones, who came first."""

    def took(self, share: float) -> None:
        """A piece goes to the model: so much of the whole run, of 1."""

    def used(self, share: float, compute_s: float) -> None:
        """That piece is done, and took so long."""


class InOrder:
    """The turn of a run that no one goes before: first come, first served."""

    def rank(self) -> tuple[float, ...]:
        return ()

    def took(self, share: float) -> None:
        pass

    def used(self, share: float, compute_s: float) -> None:
        pass


class Gate:
    """So many places; used in one event loop."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: list[tuple[Turn, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def place(self, turn: Turn, *, timeout_s: float) -> AsyncIterator[None]:
        """Hold a place. Raises: TimeoutError, where none came in time."""
        async with asyncio.timeout(timeout_s):
            await self._enter(turn)
        try:
            yield
        finally:
            self._leave()

    async def _enter(self, turn: Turn) -> None:
        if self._free:
            self._free -= 1
            return
        mine = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, mine))
        try:
            await mine
        except asyncio.CancelledError:
            if mine.cancelled():
                self._waiting.remove((turn, mine))
            else:  # it had come at the same moment
                self._leave()
            raise

    def _leave(self) -> None:
        # One that is cancelled is still among them until its task runs.
        ranks = [(turn.rank(), at) for at, (turn, mine) in enumerate(self._waiting) if not mine.cancelled()]
        if not ranks:
            self._free += 1
            return
        self._waiting.pop(min(ranks)[1])[1].set_result(None)
