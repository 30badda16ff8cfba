"""When a job will end: against a simulation of what the scheduler does, and learned from what jobs took."""

import random
import uuid
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.generations.forecast import (
    UNIT_S,
    Backlog,
    Ended,
    Speed,
    done_at_once,
    learned,
    looked_back,
    residual,
    unevenness,
)
from backend.generations.scheduler import Flow, Lane


def flow(person: int, workspace: int = 0, lane: Lane = Lane.INTERACTIVE) -> Flow:
    return Flow(lane, uuid.UUID(int=workspace), uuid.UUID(int=100 * workspace + person + 1))


def backlog_of(waits: Mapping[Flow, float], weights: dict[uuid.UUID, float] | None = None) -> Backlog:
    of = defaultdict[Flow, dict[uuid.UUID, float]](dict)
    for person, seconds in waits.items():
        assert person.person_id
        of[person.parent][person.person_id] = seconds
    return Backlog(of, weights=weights)


def served_before(waits: dict[Flow, int], weights: dict[uuid.UUID, float], mine: Flow, own_s: float) -> float:
    """Compute that others, and the person's earlier jobs, get until the job ends: step by step, a little for each."""
    left = {flow: float(seconds) for flow, seconds in waits.items()}
    left[mine] = left.get(mine, 0.0) + own_s
    done, step = 0.0, 0.05
    while left.get(mine, 0.0) > 1e-9:
        lane = min((other.lane for other, waits in left.items() if waits > 1e-9), key=lambda lane: lane.rank)
        homes = {other.parent for other, waits in left.items() if waits > 1e-9 and other.lane == lane}
        for home in homes:
            people = [other for other, waits in left.items() if waits > 1e-9 and other.parent == home]
            weight = weights.get(home.workspace_id or uuid.UUID(int=0), 1.0)
            for person in people:
                given = min(left[person], step * weight / len(people))
                left[person] -= given
                done += given
    return done - own_s


BACKLOGS = st.dictionaries(
    st.builds(flow, st.integers(0, 2), st.integers(0, 2), st.sampled_from(list(Lane))), st.integers(1, 20), max_size=6
)


WEIGHTS = st.dictionaries(st.builds(lambda n: uuid.UUID(int=n), st.integers(0, 2)), st.sampled_from([0.5, 2.0]))


@given(BACKLOGS, WEIGHTS, st.sampled_from(list(Lane)), st.integers(1, 10))
def test_what_is_done_before_a_job_ends(
    waits: dict[Flow, int], weights: dict[uuid.UUID, float], lane: Lane, own_s: int
) -> None:
    """As if compute flowed: the closed form is what comes out step by step, but for the steps' size."""
    backlog = backlog_of(waits, weights)
    found = float(backlog.ahead_s(flow(0, lane=lane), [own_s])[0])
    below = sum(seconds for other, seconds in waits.items() if other.lane.rank > lane.rank)
    expected = served_before(waits, weights, flow(0, lane=lane), own_s) + min(below, UNIT_S)
    assert found == pytest.approx(expected, abs=0.8)


@given(BACKLOGS, st.floats(0, 60), st.sampled_from(list(Lane)))
def test_what_was_done_since_is_ahead_of_nobody(waits: dict[Flow, int], done_s: float, lane: Lane) -> None:
    """Of the higher lane first; and what is ahead of anybody only gets less."""
    backlog = backlog_of(waits)
    before = backlog.ahead_s(flow(0, lane=lane), [1.0])[0]
    of_lane = {each: sum(s for other, s in waits.items() if other.lane == each) for each in Lane}
    backlog.drain(done_s)
    left = {each: backlog.waits_s(each) for each in Lane}
    assert left[Lane.INTERACTIVE] == pytest.approx(max(0.0, of_lane[Lane.INTERACTIVE] - done_s))
    assert sum(left.values()) == pytest.approx(max(0.0, sum(of_lane.values()) - done_s))
    assert backlog.ahead_s(flow(0, lane=lane), [1.0])[0] <= before + 1e-9


@given(BACKLOGS, st.lists(st.tuples(st.floats(0, 10), st.integers(0, 2), st.floats(0.1, 5)), max_size=10))
def test_who_comes_later_is_not_drained(waits: dict[Flow, int], acts: list[tuple[float, int, float]]) -> None:
    """As if each job that waits were made shorter by hand, again and again; also where next to nothing is left."""
    backlog, left = backlog_of(waits), {person: float(seconds) for person, seconds in waits.items()}
    for done_s, person, own_s in [*acts, (0.0, 0, 1.0)]:
        backlog.drain(done_s)
        for lane in Lane:
            of_lane = sum(seconds for other, seconds in left.items() if other.lane == lane)
            part = max(0.0, 1 - done_s / of_lane) if of_lane else 0.0
            left |= {other: part * seconds for other, seconds in left.items() if other.lane == lane}
            done_s = max(0.0, done_s - of_lane)
        backlog.add(flow(person), own_s)
        left[flow(person)] = left.get(flow(person), 0.0) + own_s
    fresh = backlog_of(left)
    for lane in Lane:
        assert backlog.waits_s(lane) == pytest.approx(fresh.waits_s(lane), abs=1e-6)
        found, expected = (one.ahead_s(flow(0, lane=lane), [1.0])[0] for one in (backlog, fresh))
        assert found == pytest.approx(expected, abs=1e-6)


def test_a_part_of_a_part_of_what_waits_does_not_vanish() -> None:
    """A queue that is never read again, while jobs are done and come for hours."""
    backlog = backlog_of({flow(0): 10})
    for _ in range(5000):
        backlog.drain(5.0)
        backlog.add(flow(0), 5.0)
    assert backlog.waits_s(Lane.INTERACTIVE) == pytest.approx(10.0)


moments = st.floats(0, 100)


@given(
    st.lists(st.tuples(moments, st.floats(0, 5)), max_size=20),
    st.lists(st.tuples(st.floats(0.1, 5), st.floats(0.1, 50), st.floats(0, 50), moments), max_size=10),
)
def test_jobs_are_looked_back_at_with_all_that_was_done_before_them(
    ends: list[tuple[float, float]], jobs: list[tuple[float, float, float, float]]
) -> None:
    """From when they were asked for; from the first end that is known, where they had waited for longer."""
    ended = [Ended(own_s, 7.0, ran_s, ran_s + waited_s, at_s=at_s) for own_s, ran_s, waited_s, at_s in jobs]
    seen = iter(looked_back(ended, ends))
    for job in ended:
        since = max(job.at_s - job.took_s, min(ends)[0]) if ends else job.at_s
        if since > job.at_s - job.ran_s:
            continue  # it ran before anything that is known
        one = next(seen)
        done_s = sum(other_s for end_s, other_s in ends if since < end_s <= job.at_s)
        assert (one.own_s, one.ran_s, one.at_s) == (job.own_s, job.ran_s, job.at_s)
        assert one.took_s == pytest.approx(job.at_s - since)
        assert one.ahead_s == pytest.approx(max(0.0, done_s - job.own_s))
    assert next(seen, None) is None


def test_who_waits_for_longer_than_what_is_known_is_learned_from() -> None:
    """Five thousand jobs that were sent at once: what is known of their ends reaches back over the last four hundred.

    Two at once are done where four were thought to be: what is said of the next ones must be twice as long.
    """
    ends = [(number / 2, 1.0) for number in range(5000)][-400:]
    ended = [Ended(1.0, 0.0, 2.0, at_s, at_s=at_s) for at_s, _ in ends[-80:]]
    speed = learned(looked_back(ended, ends), ratio=1.0, at_once=4.0)
    assert speed.expected(1.0, 100.0).ends == pytest.approx(52.0, rel=0.15)


@pytest.mark.parametrize("busy", [0.0, 0.5, 1.2])
def test_a_lane_gets_what_those_above_it_leave(busy: float) -> None:
    """Two seconds of compute are done in one; of these those above ask for so much. However little of it they asked
    for while those jobs waited that are learned from: what is said of the next ones holds."""
    above = [(-0.5 * number, 0.5 * busy) for number in range(120)]  # the last minute
    alone = [Ended(1.0, 2.0 * wait_s, 0.5, wait_s + 0.5, at_s=-100.0) for wait_s in range(1, 60)]
    beside = [Ended(1.0, (2.0 - busy) * wait_s, 0.5, wait_s + 0.5, at_s=-0.1) for wait_s in range(1, 60)]
    for ended in (alone, beside):
        found = learned(ended, ratio=0.5, at_once=2.0, above=above).expected(1.0, 20.0)
        assert found.ends == pytest.approx(21.0 / (2.0 - busy), rel=0.1)


def test_what_is_not_known_of_the_lanes_above_any_more_is_taken_to_have_gone_on() -> None:
    """Jobs waited for a thousand seconds, of which the last twenty are known: half of the compute was those others'."""
    above = [(-0.1 * number, 0.1) for number in range(200)]
    ended = [Ended(1.0, float(wait_s), 0.5, wait_s + 0.5, at_s=-0.1) for wait_s in range(900, 960)]
    found = learned(ended, ratio=0.5, at_once=2.0, above=above, since=-20.0).expected(1.0, 20.0)
    assert found.ends == pytest.approx(21.0, rel=0.1)


def test_who_waits_is_never_told_that_nothing_is_left_to_them() -> None:
    above = [(-0.1 * number, 5.0) for number in range(600)]
    assert learned([], ratio=1.0, at_once=2.0, above=above).expected(1.0, 10.0).ends == pytest.approx(22, rel=0.1)


def test_the_first_of_a_queue_run_side_by_side() -> None:
    """Two places: who has less ahead than a place does meanwhile doesn't wait, and what is learned of a short queue
    holds in a long one."""
    ended = [Ended(1.0, float(place), 1.0, 0.1 + max(1.0, (place + 1) / 2)) for place in range(12)]
    speed = learned(ended, ratio=1.0, at_once=2.0)
    assert speed.expected(1.0, 0.0).ends == pytest.approx(1.1, rel=0.1)
    assert speed.expected(1.0, 500.0).ends == pytest.approx(250.5, rel=0.02)


@given(BACKLOGS, st.lists(st.integers(1, 5), min_size=1, max_size=5))
def test_jobs_asked_for_at_once_are_as_one_after_another(waits: dict[Flow, int], own_s: list[int]) -> None:
    backlog = backlog_of(waits)
    together = backlog.ahead_s(flow(0), own_s).tolist()
    alone = []
    for each in own_s:
        alone += backlog.ahead_s(flow(0), [each]).tolist()
        backlog.add(flow(0), each)
    assert together == pytest.approx(alone)


def test_nobody_waits_for_a_lower_lane_but_for_its_tile_under_way() -> None:
    backlog = backlog_of({flow(1, lane=Lane.BATCH): 1000})
    assert backlog.ahead_s(flow(0), [1.0]).tolist() == [UNIT_S]


def test_what_is_known_of_a_task_counts_in_the_other_lane_too() -> None:
    """A task that costs half of what was estimated is expected to end in half the time, also where none has ended."""
    said, half = (learned([], ratio=ratio, at_once=2.0 / ratio).expected(1.0, 100.0).ends for ratio in (1.0, 0.5))
    assert half == pytest.approx(said / 2, rel=0.01)


def test_before_anything_ended_a_guess_is_made_with_a_wide_range() -> None:
    expected = learned([], ratio=1.0, at_once=2.0).expected(1.0, 10.0)
    assert 0 < expected.starts < expected.ends
    assert expected.earliest < 0.7 * expected.ends < 1.4 * expected.ends < expected.latest


@pytest.mark.parametrize("noise", [0.05, 0.3])
def test_it_learns_how_fast_this_machine_is(noise: float) -> None:
    """On jobs of the same kind that it did not learn from: half of them within a fifth, nine of ten in the range."""
    rng = random.Random(1)

    def job() -> Ended:
        own_s, ahead_s = rng.uniform(0.1, 5), rng.choice([0.0, rng.uniform(0, 100)])
        took_s = (0.3 + 1.7 * own_s + 0.9 * ahead_s) * rng.lognormvariate(0, noise)
        return Ended(own_s, ahead_s, 1.7 * own_s, took_s)

    speed = learned([job() for _ in range(200)], ratio=1.8, at_once=2.0 / 1.8)
    said = [(speed.expected(one.own_s, one.ahead_s), one.took_s) for one in (job() for _ in range(1000))]
    errors = [abs(expected.ends - took_s) / took_s for expected, took_s in said]
    held = np.mean([expected.earliest <= took_s <= expected.latest for expected, took_s in said])
    assert np.median(errors) < max(0.08, 0.8 * noise)
    assert 0.85 <= held <= 0.95


def test_batches_sent_at_once_do_not_mislead_it() -> None:
    """The first of two people who each sent twenty jobs knew nothing of the other's: theirs took twice as long as was
    foreseen, and still a job that knows what is ahead of it is foreseen well."""
    ended = [Ended(1.0, float(n), 1.0, 0.1 + 1.0 + 0.5 * 2 * n) for n in range(20)]
    ended += [Ended(1.0, 2.0 * n, 1.0, 0.1 + 1.0 + 0.5 * 2 * n) for n in range(20)]
    expected = learned(ended, ratio=1.0, at_once=2.0).expected(1.0, 30.0)
    assert expected.ends == pytest.approx(0.1 + 1.0 + 15.0, rel=0.35)


def test_how_much_is_done_at_once_is_seen_where_there_was_enough() -> None:
    """Two processes that are busy for a while, between long times with little to do."""
    lonely = [(100.0 * n, 1.0) for n in range(50)]
    busy = [(10_000.0 + 0.5 * n, 1.0) for n in range(30)]
    assert done_at_once([*lonely, *busy], least=1.0) == pytest.approx(2.0, rel=0.1)
    assert done_at_once(lonely, least=1.5) == 1.5
    assert done_at_once([], least=1.5) == 1.5


def test_what_waits_in_a_queue_is_no_part_of_what_all_jobs_take() -> None:
    """Each waited for twenty seconds behind others and ran for one: the next one in line ends in about a second."""
    ended = [Ended(1.0, 40.0, 1.0, 21.1) for _ in range(80)]
    assert learned(ended, ratio=1.0, at_once=2.0).expected(1.0, 0.0).ends == pytest.approx(1.1, abs=0.15)


def test_who_is_next_may_wait_for_a_large_job() -> None:
    """Of each second of compute a third is of jobs of four: the range of who has little ahead is wide by what is left
    of such a one, and that of who has nothing ahead by nothing."""
    lump = residual([4.0] + [0.4] * 20)
    assert lump == 1.8
    speed = learned([Ended(0.4, 10.0, 0.4, 5.5)] * 80, ratio=1.0, at_once=2.0, lump=lump)
    assert speed.lump_s == pytest.approx(0.9, rel=0.1)
    assert learned([], ratio=1.0, at_once=2.0, lump=lump).lump_s == 0.9
    for ahead_s in (0.0, 10.0):
        smooth, lumpy = replace(speed, lump_s=0.0).expected(0.4, ahead_s), speed.expected(0.4, ahead_s)
        more_s = min(lumpy.starts, speed.lump_s)
        for end, other in ((lumpy.earliest, smooth.earliest), (lumpy.latest, smooth.latest)):
            assert (end - lumpy.ends) ** 2 == pytest.approx((other - lumpy.ends) ** 2 + more_s**2)


@given(st.lists(st.floats(0.01, 1e3), min_size=1, max_size=50))
def test_what_may_be_left_of_a_job(sizes: list[float]) -> None:
    """Of one of them: less than a tenth of all compute is of larger ones, and with those as large it is more."""
    [of] = {size for size in sizes if residual(sizes) == 0.9 * size / 2}
    assert sum(size for size in sizes if size > of) <= 0.1 * sum(sizes) * (1 + 1e-9)
    assert sum(size for size in sizes if size >= of) >= 0.1 * sum(sizes) * (1 - 1e-9)
    assert residual([]) == 0.0


def test_a_machine_that_was_even_may_get_slower() -> None:
    """However sure the last jobs make it: of ten seconds to wait the end may be most of one off."""
    expected = Speed(0.0, 1.0, 0.5, 2.0, low=1.0, high=1.0, drift=0.08).expected(1.0, 21.0)
    assert (expected.starts, expected.ends) == (10.0, 11.0)
    assert expected.ends - expected.earliest == pytest.approx(expected.latest - expected.ends) == pytest.approx(0.8)


@pytest.mark.parametrize("swing", [0.0, 0.1, 0.5])
def test_how_even_a_machine_is_is_seen_by_what_compute_takes(swing: float) -> None:
    """Half a minute fast and half a minute slow; that jobs differ within a moment says nothing of it."""
    rng = random.Random(3)
    costs = [
        (-at_s, (1 + swing if at_s % 60 < 30 else 1 - swing) * rng.lognormvariate(0, 0.05))
        for at_s in (rng.uniform(0, 120) for _ in range(800))
    ]
    assert unevenness(costs) == pytest.approx(max(0.05, 1.64 * swing), rel=0.15)
    assert unevenness(costs[:10]) == unevenness([]) == 0.08


def test_what_was_long_ago_makes_no_machine_uneven() -> None:
    assert unevenness([(-at_s / 4, 1.0 if at_s < 480 else 3.0) for at_s in range(4000)]) == 0.05


def test_a_few_jobs_do_not_make_it_sure() -> None:
    """Of three that took the same the range stays wide; of two hundred it gets narrow."""
    few, many = (learned([Ended(1.0, 0.0, 0.9, 1.0)] * count, ratio=1.0, at_once=2.0) for count in (3, 200))
    assert few.high / few.low > 1.5
    assert many.high / many.low < 1.1
    assert many.expected(1.0, 0.0).ends == pytest.approx(1.0, rel=0.05)


def test_what_was_said_wrongly_makes_it_careful() -> None:
    """Jobs that are all explained by now, but took half or twice as long as was said: so may the next."""
    jobs = [Ended(1.0, 0.0, 0.9, 1.0, said_s=0.5 if number % 2 else 2.0) for number in range(60)]
    expected = learned(jobs, ratio=1.0, at_once=2.0).expected(1.0, 0.0)
    assert expected.ends == pytest.approx(1.0, rel=0.1)
    assert expected.earliest < 0.55
    assert expected.latest > 1.8


@given(
    st.lists(st.builds(Ended, *[st.floats(0, 1e6)] * 5, st.floats(-1e6, 0)), max_size=30),
    st.lists(st.tuples(st.floats(-1e6, 0), st.floats(0, 1e6)), max_size=30),
    st.floats(0, 1e6),
    st.floats(0, 1e9),
    st.floats(0.01, 100),
)
def test_whatever_was_seen_it_says_something_sensible(
    seen: list[Ended], above: list[tuple[float, float]], own: float, ahead: float, ratio: float
) -> None:
    """No negative time, no end before the start, no number that is none."""
    expected = learned(seen, ratio=ratio, at_once=2.0, above=above).expected(own, ahead)
    assert np.isfinite(expected).all()
    assert 0 <= expected.starts <= expected.ends
    assert 0 <= expected.earliest <= expected.ends <= expected.latest
