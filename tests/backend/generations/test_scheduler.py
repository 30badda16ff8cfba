"""Fair shares of compute, by simulation against the bounds of start-time fair queueing."""

import random
import uuid
from collections import defaultdict
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from backend.generations.scheduler import Flow, Lane, Limits, Shares, Waiting, order

S = 1_000_000  # µs
Who = tuple[uuid.UUID, uuid.UUID, Lane]


def person(number: int, workspace: int = 0, lane: Lane = Lane.INTERACTIVE) -> Who:
    return uuid.UUID(int=1000 + workspace), uuid.UUID(int=2000 + 100 * workspace + number), lane


@dataclass
class World:
    """One machine that runs one job at a time, taking always the scheduler's first."""

    queues: defaultdict[Who, list[tuple[uuid.UUID, int, int, int]]] = field(default_factory=lambda: defaultdict(list))
    shares: Shares = field(default_factory=Shares)
    served: defaultdict[Who, int] = field(default_factory=lambda: defaultdict(int))
    now_us: int = 0
    made: int = 0
    ended: list[tuple[Who, uuid.UUID, int]] = field(default_factory=list)

    def submit(self, who: Who, cost_us: int, *, estimate_us: int | None = None) -> uuid.UUID:
        self.made += 1
        job_id = uuid.UUID(int=self.made)
        job = Waiting(job_id, who[2], *who[:2], cost_us)
        waits = {flow for head in self.heads() for flow in head.flows}
        self.shares = self.shares.joined(flow for flow in job.flows if flow not in waits)
        self.queues[who].append((job_id, cost_us, estimate_us if estimate_us is not None else cost_us, self.now_us))
        return job_id

    def heads(self) -> list[Waiting]:
        return [
            Waiting(queue[0][0], lane, workspace_id, person_id, queue[0][2])
            for (workspace_id, person_id, lane), queue in self.queues.items()
            if queue
        ]

    def step(self) -> None:
        first = order(self.heads(), self.shares)[0]
        who = (first.workspace_id, first.person_id, first.lane)
        job_id, cost_us, estimate_us, submitted_us = self.queues[who].pop(0)
        self.shares = self.shares.served(first.flows, estimate_us)
        self.now_us += cost_us
        self.shares = self.shares.charged(first.flows, cost_us - estimate_us)
        self.served[who] += cost_us
        self.ended.append((who, job_id, self.now_us - submitted_us))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(1, 50), min_size=40, max_size=40), min_size=2, max_size=4))
def test_people_who_all_wait_get_equal_compute(costs: list[list[int]]) -> None:
    """At every moment two people who both wait differ by at most one of their largest jobs each (SFQ's bound)."""
    world = World()
    people = [person(n) for n in range(len(costs))]
    for who, jobs in zip(people, costs, strict=True):
        for cost in jobs:
            world.submit(who, cost)
    while all(world.queues[who] for who in people):
        world.step()
        served = [world.served[who] for who in people]
        assert max(served) - min(served) <= 2 * max(map(max, costs))


def test_dear_jobs_weigh_what_they_cost() -> None:
    """A workspace whose jobs cost ten times as much gets half of the compute; turns by count would give it 10/11."""
    world = World()
    dear, cheap = person(0, workspace=1), person(0, workspace=2)
    for _ in range(100):
        world.submit(dear, 10 * S)
    for _ in range(1000):
        world.submit(cheap, 1 * S)
    while world.queues[dear] and world.queues[cheap]:
        world.step()
    assert abs(world.served[dear] / (world.served[dear] + world.served[cheap]) - 0.5) < 0.01


def test_a_workspace_of_many_people_gets_no_more() -> None:
    """Shares go to workspaces first, so ten people in one weigh as much as one in another."""
    world = World()
    alone = person(0, workspace=1)
    crowd = [person(n, workspace=2) for n in range(10)]
    for who in [alone, *crowd]:
        for _ in range(200):
            world.submit(who, 1 * S)
    for _ in range(200):
        world.step()
    assert abs(world.served[alone] - 100 * S) <= S


def test_a_light_person_waits_for_no_ones_batch() -> None:
    """One job beside 500 queued ones waits for what is under way and one more, not for the batch."""
    world = World()
    heavy, light = person(0), person(1)
    for _ in range(500):
        world.submit(heavy, 2 * S)
    for _ in range(50):
        world.step()
    job = world.submit(light, 1 * S)
    world.step()
    world.step()
    assert job in [job_id for _who, job_id, _waited in world.ended]


def test_idleness_saves_nothing_up() -> None:
    """Who comes back after a long absence shares evenly from then on, and does not take the machine for itself."""
    world = World()
    steady, absent = person(0), person(1)
    world.submit(absent, 1 * S)
    for _ in range(400):
        world.submit(steady, 1 * S)
    for _ in range(200):
        world.step()
    for _ in range(100):
        world.submit(absent, 1 * S)
    before = dict(world.served)
    for _ in range(100):
        world.step()
    assert abs((world.served[absent] - before[absent]) - 50 * S) <= S


def test_absence_costs_nothing_either() -> None:
    """Who used much while nobody else waited is not made to pay for it later."""
    world = World()
    early, late = person(0), person(1)
    for _ in range(300):
        world.submit(early, 1 * S)
    for _ in range(200):
        world.step()
    for _ in range(100):
        world.submit(late, 1 * S)
    before = dict(world.served)
    for _ in range(100):
        world.step()
    assert abs((world.served[early] - before[early]) - 50 * S) <= S


def test_wrong_estimates_are_made_good() -> None:
    """Who estimates a tenth of the cost gets no more compute for it: the clock is corrected when the job ends."""
    world = World()
    honest, sly = person(0), person(1)
    for _ in range(300):
        world.submit(honest, 2 * S)
        world.submit(sly, 2 * S, estimate_us=S // 5)
    for _ in range(200):
        world.step()
    assert abs(world.served[honest] - world.served[sly]) <= 4 * S


def test_weights_are_kept() -> None:
    """A workspace of weight 3 gets three times the compute of one of weight 1."""
    big, small = person(0, workspace=1), person(0, workspace=2)
    world = World(shares=Shares(weights={Flow(Lane.INTERACTIVE, big[0]): 3.0}))
    for _ in range(400):
        world.submit(big, 1 * S)
        world.submit(small, 1 * S)
    for _ in range(400):
        world.step()
    assert abs(world.served[big] - 300 * S) <= 2 * S


def test_several_machines_do_not_go_to_one_person() -> None:
    """Claims made while nothing has ended yet are already charged by their estimates."""
    world = World()
    rng = random.Random(1)
    people = [person(n) for n in range(4)]
    for who in people:
        for _ in range(4):
            world.submit(who, rng.randrange(1, 3) * S)
    claimed = []
    for _ in range(4):
        first = order(world.heads(), world.shares)[0]
        world.shares = world.shares.served(first.flows, first.cost_us)
        world.queues[(first.workspace_id, first.person_id, first.lane)].pop(0)
        claimed.append(first.person_id)
    assert len(set(claimed)) == 4


def test_equal_clocks_go_by_age() -> None:
    """Where nobody has had anything the oldest job is first."""
    heads = [Waiting(uuid.UUID(int=n), Lane.INTERACTIVE, *person(n)[:2], S) for n in (3, 1, 2)]
    assert [job.job_id.int for job in order(heads, Shares())] == [1, 2, 3]


def test_the_batch_lane_takes_what_is_left() -> None:
    """No batch job begins while somebody waits for one, and none of them is lost."""
    world = World()
    night, morning = person(0, lane=Lane.BATCH), person(1)
    for _ in range(50):
        world.submit(night, 1 * S)
    for _ in range(20):
        world.step()
    jobs = {world.submit(morning, 1 * S) for _ in range(10)}
    for _ in range(10):
        world.step()
    assert {job_id for _who, job_id, _waited in world.ended[-10:]} == jobs
    for _ in range(30):
        world.step()
    assert not any(world.queues.values())


def test_a_batch_is_not_held_against_who_sent_it() -> None:
    """Whose batch ran all night gets as much of the morning as one who slept."""
    world = World()
    for _ in range(100):
        world.submit(person(0, lane=Lane.BATCH), 10 * S)
    for _ in range(100):
        world.step()
    for _ in range(50):
        world.submit(person(0), 1 * S)
        world.submit(person(1), 1 * S)
    for _ in range(50):
        world.step()
    assert world.served[person(0)] == world.served[person(1)] == 25 * S


JOBS = st.lists(st.tuples(st.sampled_from(list(Lane)), st.integers(0, 3)), max_size=40)


@given(JOBS, st.integers(1, 12), st.integers(1, 12), st.integers(1, 4))
def test_a_worker_holds_no_more_than_it_may(jobs: list[tuple[Lane, int]], most: int, batch: int, each: int) -> None:
    """Whatever comes in which order; and what the batch lane may not have is still there for the other."""
    limits = Limits(most, batch, each)
    held: list[Flow] = []
    for lane, number in jobs:
        flow = Flow(lane, *person(number)[:2])
        if lane in limits.open_lanes(held) and flow not in limits.full(held):
            held.append(flow)
    assert len(held) <= most
    assert sum(flow.lane == Lane.BATCH for flow in held) <= batch
    assert max((held.count(flow) for flow in held), default=0) <= each
    assert (Lane.INTERACTIVE in limits.open_lanes(held)) == (len(held) < most)
