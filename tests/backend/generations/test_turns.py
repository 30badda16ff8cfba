"""Whose tile is next: the shares of the claim, piece by piece."""

import uuid
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from backend.generations.scheduler import Flow, Lane
from backend.generations.turns import JobTurn, Turns

S = 1_000_000  # µs


@dataclass(frozen=True)
class Running:
    """What a claim tells of its job."""

    person: int
    workspace: int = 0
    lane: Lane = Lane.INTERACTIVE
    estimate_us: int = 100 * S
    weight: float = 1.0  # of the workspace

    @property
    def weights(self) -> dict[Flow, float]:
        return {self.flows[0]: self.weight}

    @property
    def flows(self) -> tuple[Flow, Flow]:
        workspace_id = uuid.UUID(int=self.workspace)
        return Flow(self.lane, workspace_id), Flow(self.lane, workspace_id, uuid.UUID(int=100 + self.person))


def served(turns: Turns, jobs: list[Running], tiles: int) -> Counter[Running]:
    """How many tiles of a second each got, of so many, where all have one more all the while."""
    with ExitStack() as running:
        each = {job: running.enter_context(turns.of(job)) for job in jobs}
        return _played(each, tiles)


def _played(each: dict[Running, JobTurn], tiles: int) -> Counter[Running]:
    got: Counter[Running] = Counter()
    for _ in range(tiles):
        job = min(each, key=lambda job: each[job].rank())
        each[job].took(S / job.estimate_us)
        got[job] += 1
    return got


@given(st.lists(st.integers(10, 1000), min_size=2, max_size=6))
def test_a_large_picture_holds_up_no_small_one(seconds: list[int]) -> None:
    """People share the model evenly, however large their pictures are."""
    jobs = [Running(number, estimate_us=each * S) for number, each in enumerate(seconds)]
    got = served(Turns(), jobs, 60)
    assert max(got.values()) - min(got[job] for job in jobs) <= 1


def test_what_a_tile_took_counts_and_not_what_was_estimated() -> None:
    """Whose tiles take twice as long as was thought gets half as many of them."""
    turns, slow, quick = Turns(), Running(0), Running(1)
    with turns.of(slow) as one, turns.of(quick) as other:
        got: Counter[JobTurn] = Counter()
        for _ in range(90):
            turn = min(one, other, key=JobTurn.rank)
            turn.took(0.01)
            turn.used(0.01, 2.0 if turn is one else 1.0)
            got[turn] += 1
    assert got == {one: 30, other: 60}


def test_workspaces_share_before_people_do() -> None:
    alone, crowd = Running(0, workspace=1), [Running(number, workspace=2) for number in range(1, 6)]
    got = served(Turns(), [alone, *crowd], 100)
    assert got[alone] == 50
    assert {got[one] for one in crowd} == {10}


def test_a_workspace_that_weighs_more_gets_more_tiles() -> None:
    """Also from the moment on at which a job of it comes that was claimed with another weight."""
    turns, heavy, light = Turns(), Running(0, workspace=1, weight=3.0), Running(1, workspace=2)
    got = served(turns, [heavy, light], 80)
    assert (got[heavy], got[light]) == (60, 20)
    alike = Running(2, workspace=1)
    got = served(turns, [heavy, light, alike], 80)
    assert abs(got[light] - 40) <= 1


def test_jobs_of_one_person_go_one_after_another() -> None:
    """The first is done sooner, and no later one is done later for it."""
    first, second = Running(0, estimate_us=10 * S), Running(0, estimate_us=20 * S)
    assert served(Turns(), [first, second], 10) == {first: 10}


def test_batch_jobs_wait_while_an_interactive_one_has_tiles() -> None:
    batch, awaited = Running(0, lane=Lane.BATCH), Running(1)
    assert served(Turns(), [batch, awaited], 10) == {awaited: 10}
    assert served(Turns(), [batch], 10) == {batch: 10}


def test_who_comes_later_owes_nothing_and_is_owed_nothing() -> None:
    """From then on all get the same: neither what others had before, nor what it had in an earlier job, counts."""
    turns = Turns()
    early, late = Running(0), Running(1)
    with turns.of(early) as first:
        _played({early: first}, 50)
        with turns.of(late) as second:
            assert _played({early: first, late: second}, 20) == {early: 10, late: 10}
        with turns.of(late) as third:
            assert _played({early: first, late: third}, 20) == {early: 10, late: 10}
