"""What gathers leaves at once where little comes, and together where waiting pays."""

import asyncio
import time

from collab.window import Window

LENGTH_S = 0.02


class Sink:
    """A window, what waits in it, and what has left it: how much each time, and how late the first of it was."""

    def __init__(self) -> None:
        self.window = Window(self._flush, LENGTH_S)
        self.waiting: list[float] = []
        self.left: list[int] = []
        self.late_s: list[float] = []

    def _flush(self) -> None:
        self.left.append(len(self.waiting))
        self.late_s.append(time.perf_counter() - self.waiting[0])
        self.waiting = []

    def put(self) -> None:
        self.waiting.append(time.perf_counter())
        self.window.wake()


async def test_one_that_comes_alone_leaves_at_once() -> None:
    """Also one that comes regularly, as long as none comes while it would wait."""
    sink = Sink()
    for _ in range(8):
        sink.put()
        await asyncio.sleep(1.5 * LENGTH_S)
    assert sink.left == [1] * 8
    assert min(sink.late_s) < LENGTH_S / 2  # the least, for the machine may be busy


async def test_what_comes_close_behind_waits_for_the_end_of_the_window() -> None:
    """The first leaves at once, the others together."""
    sink = Sink()
    sink.put()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for _ in range(5):
        sink.put()
    await asyncio.sleep(3 * LENGTH_S)
    assert sink.left == [1, 5]


async def test_where_much_comes_the_first_waits_too() -> None:
    """So that fewer leave; and it stops waiting when it no longer pays."""
    sink = Sink()
    for _ in range(10):
        for _ in range(4):
            sink.put()
        await asyncio.sleep(2 * LENGTH_S)
    assert sink.late_s[0] < LENGTH_S / 2
    assert min(sink.late_s[-5:]) > LENGTH_S / 2
    assert sink.left == [4] * 10
    sink.left.clear()
    for _ in range(30):
        sink.put()
        await asyncio.sleep(2 * LENGTH_S)
    assert sink.left == [1] * 30
    assert min(sink.late_s[-5:]) < LENGTH_S / 2


async def test_all_that_came_leaves() -> None:
    """A flush of our own ends the waiting; nothing is flushed twice."""
    sink = Sink()
    for number in range(50):
        sink.put()
        if number % 7 == 0:
            sink.window.flush()
    await asyncio.sleep(3 * LENGTH_S)
    assert sum(sink.left) == 50
    assert 0 not in sink.left
