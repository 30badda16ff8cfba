"""Who goes next where places at the model are few."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.gate import Gate, InOrder


@dataclass
class Ranked:
    """A turn whose rank the test sets."""

    number: float
    taken: list[float] = field(default_factory=list)

    def rank(self) -> tuple[float, ...]:
        return (self.number,)

    def took(self, share: float) -> None:
        self.taken.append(share)

    def used(self, share: float, compute_s: float) -> None:
        """Ranks here do not change by it."""


@given(st.lists(st.integers(0, 5), max_size=20), st.integers(1, 4))
async def test_the_lowest_rank_goes_first(ranks: list[int], places: int) -> None:
    """Of equal ones who came first; and never more than there are places."""
    gate, went, inside = Gate(places), list[tuple[int, int]](), 0

    async def go(at: int) -> None:
        nonlocal inside
        async with gate.place(Ranked(ranks[at]), timeout_s=5):
            inside += 1
            assert inside <= places
            went.append((ranks[at], at))
            await asyncio.sleep(0)
            inside -= 1

    async with asyncio.TaskGroup() as group:
        for at in range(len(ranks)):
            group.create_task(go(at))
    assert went[:places] == [(rank, at) for at, rank in enumerate(ranks)][:places]
    assert went[places:] == sorted(went[places:])


async def test_who_is_cancelled_with_the_holder_is_given_nothing() -> None:
    """As the tiles of one run are: all at once, before any of them could say that it waits no longer."""
    gate, never = Gate(1), asyncio.Event()

    async def go() -> None:
        async with gate.place(InOrder(), timeout_s=5):
            await never.wait()

    tasks = [asyncio.create_task(go()) for _ in range(3)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(how) for how in ended] == [asyncio.CancelledError] * 3
    async with gate.place(InOrder(), timeout_s=0.1):
        """It is free."""


async def test_ranks_count_as_they_are_when_a_place_falls_free() -> None:
    """Whoever was given something meanwhile goes back."""
    gate, went = Gate(1), list[Ranked]()
    first, second = Ranked(1), Ranked(2)

    async def go(turn: Ranked) -> None:
        async with gate.place(turn, timeout_s=5):
            went.append(turn)

    async with asyncio.TaskGroup() as group, gate.place(InOrder(), timeout_s=5):
        for turn in (first, second):
            group.create_task(go(turn))
        await asyncio.sleep(0)
        first.number = 3
    assert went == [second, first]


@given(st.lists(st.booleans(), min_size=1, max_size=10))
async def test_who_gives_up_takes_no_place_along(cancelled: list[bool]) -> None:
    """Cancelled while it waits, at the moment its place came, or out of time: others get in, and the place stays."""
    gate, went = Gate(1), list[int]()

    async def go(number: int) -> None:
        async with gate.place(InOrder(), timeout_s=5):
            went.append(number)

    async with gate.place(InOrder(), timeout_s=5):
        with pytest.raises(TimeoutError):
            async with gate.place(InOrder(), timeout_s=0.001):
                pass
        tasks = [asyncio.create_task(go(number)) for number in range(len(cancelled))]
        await asyncio.sleep(0)
        for task, gone in zip(tasks[1:], cancelled[1:], strict=True):
            if gone:
                task.cancel()
    if cancelled[0]:
        tasks[0].cancel()  # whose place has just come
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task
    assert went == [number for number, gone in enumerate(cancelled) if not gone]
    async with gate.place(InOrder(), timeout_s=0.1):
        pass
