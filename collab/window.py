"""Hides when what gathers leaves: at once where little comes, else when the window ends.

Waiting pays where something else comes meanwhile. How much does, in the length of a window, is counted in either case.
"""

import asyncio
from collections.abc import Callable

PAYS = 0.3  # things that come, on average, while one waits
MEMORY = 8.0  # windows over which that is averaged


class Window:
    """Calls `flush` once for all that came in `length_s`. Of one event loop."""

    __slots__ = ("_began", "_came", "_company", "_flush", "_flushed_at", "_length_s", "_timer")

    def __init__(self, flush: Callable[[], None], length_s: float) -> None:
        self._flush, self._length_s = flush, length_s
        self._timer: asyncio.Handle | None = None
        self._began = self._flushed_at = -length_s
        self._company = 0.0
        self._came = 0  # since `_began`, and no longer than a window after it

    def wake(self) -> None:
        """Something came."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        if now < self._began + self._length_s:
            self._came += 1
        else:
            self._company += (self._came - self._company) / MEMORY
            self._began, self._came = now, 0
        if self._timer is None:
            due = (now if self._company > PAYS else self._flushed_at) + self._length_s
            self._timer = loop.call_soon(self.flush) if due <= now else loop.call_at(due, self.flush)

    def flush(self) -> None:
        """Now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._flush()
        self._flushed_at = asyncio.get_running_loop().time()
