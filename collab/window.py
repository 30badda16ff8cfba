"""Hides when what gathers leaves: at once where the last time is long enough ago, else when the window ends."""

import asyncio
from collections.abc import Callable


class Window:
    """Calls `flush` once for all that came in `length_s`. Of one event loop."""

    __slots__ = ("_flush", "_flushed_at", "_length_s", "_timer")

    def __init__(self, flush: Callable[[], None], length_s: float) -> None:
        self._flush, self._length_s = flush, length_s
        self._timer: asyncio.Handle | None = None
        self._flushed_at = -length_s

    def wake(self) -> None:
        """Something came."""
        if self._timer is not None:
            return
        loop = asyncio.get_running_loop()
        due = self._flushed_at + self._length_s
        self._timer = loop.call_soon(self.flush) if due <= loop.time() else loop.call_at(due, self.flush)

    def flush(self) -> None:
        """Now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._flush()
        self._flushed_at = asyncio.get_running_loop().time()
