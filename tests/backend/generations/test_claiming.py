"""Who holds a job, on the real tables: claims, heartbeats, and the clocks that they move."""

import itertools
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import hypothesis
import pytest
from django.conf import settings
from django.db import connections, transaction
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from backend.core import ids, tenancy
from backend.generations import claiming, flows, running
from backend.generations.claiming import Claim
from backend.generations.models import FlowClock, Job
from backend.generations.scheduler import Flow, Lane, Shares, Waiting, order
from tests.backend.api.test_jobs import picture, reached
from tests.backend.api.test_lists import make_assets
from tests.backend.assets.test_pictures import photo
from tests.backend.generations.test_running import fresh, held_job, take
from tests.conftest import Stack, Studio, make_studio

Api = Callable[[Any], Client]
AHEAD = 10**12  # of everybody's clock, so that no floor is above it


def test_heartbeat_keeps_the_lease_and_writes_progress(studio: Studio, api: Api) -> None:
    """While it is held the lease moves on and the row shows how far the job is; a taken one is noticed."""
    job = held_job(studio, picture(api(studio.ada), studio))
    claim = take(job, lease=timedelta(seconds=5))
    with claiming.keeper.holding(claim) as lease:
        lease.done, lease.total = 3, 9
        time.sleep(1.6)
        kept = fresh(job)
        take(job)
        assert lease.lost.wait(1.0)
    assert (kept.progress_done, kept.progress_total) == (3, 9)
    assert kept.lease_until is not None
    assert job.lease_until is not None
    assert (kept.lease_until - timezone.now()).total_seconds() > settings.JOB_LEASE_S - 2


def test_each_job_is_claimed_once(studio: Studio, api: Api) -> None:
    """Many claims at once, the live worker's among them: no job is taken twice."""
    asset_id = picture(api(studio.ada), studio)
    jobs = [held_job(studio, asset_id) for _ in range(12)]
    with tenancy.acting(workspace_id=studio.workspace.id):
        Job.objects.filter(project=studio.project).update(not_before=timezone.now() - timedelta(seconds=1))
    ours: list[Claim] = []
    lock = threading.Lock()

    def claim_all() -> None:
        while (claim := claiming.claim_next()) is not None:
            with lock:
                ours.append(claim)
        connections.close_all()

    threads = [threading.Thread(target=claim_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with tenancy.acting(workspace_id=studio.workspace.id):
        attempts = {fresh(job).attempt for job in jobs}
        Job.objects.filter(project=studio.project, finished_at=None).update(
            state="cancelled", finished_at=timezone.now()
        )
    assert attempts == {1}
    assert len({claim.job_id for claim in ours}) == len(ours)


def test_of_jobs_on_their_last_chance_one_runs_at_a_time(studio: Studio, api: Api) -> None:
    """Those that twice lost their worker together must not lose it to each other a third time."""
    asset_id = picture(api(studio.ada), studio, photo(64, 64))
    first, second = (held_job(studio, asset_id, losses=2) for _ in range(2))
    take(first)
    with tenancy.acting(workspace_id=studio.workspace.id):
        Job.objects.filter(pk=second.pk).update(not_before=timezone.now() - timedelta(seconds=1))
    assert all(claim.job_id != second.id for claim in iter(claiming.claim_next, None))
    time.sleep(3.0)  # in which the live worker is woken and looks, too
    assert fresh(second).attempt == 0
    with tenancy.acting(workspace_id=studio.workspace.id):
        Job.objects.filter(pk=first.pk).update(state="cancelled", finished_at=timezone.now())
    assert reached(api(studio.ada), ids.show("job", second.id), {"succeeded"})["state"] == "succeeded"


def test_claim_charges_the_clock_and_the_end_settles_it(studio: Studio, api: Api) -> None:
    """A workspace's clock moves by what its jobs used, not by what was estimated."""
    job = held_job(studio, picture(api(studio.ada), studio, photo(64, 64)))
    claim = take(job)
    with tenancy.acting(workspace_id=studio.workspace.id):
        for person in (None, studio.ada):
            FlowClock.objects.create(workspace=studio.workspace, person=person, clock_us=AHEAD + claim.estimate_us)
    running.run(claim)
    assert claiming.claim_next() is None  # it takes in what the end told
    used_us = fresh(job).compute_us or 0
    with tenancy.acting(workspace_id=studio.workspace.id):
        clocks = set(FlowClock.objects.filter(workspace=studio.workspace).values_list("clock_us", flat=True))
    assert used_us > 0
    assert clocks == {AHEAD + used_us}


def test_a_process_holds_no_more_of_one_person_than_it_may(studio: Studio, api: Api, settings: Any) -> None:
    """The rest waits for others, or for its turn; and who is at its limit keeps nobody else out."""
    settings.JOBS_AT_ONCE_PERSON = 2
    flow = Flow(Lane.BATCH, studio.workspace.id, studio.ada.id)
    asset_id = picture(api(studio.ada), studio)
    with tenancy.acting(workspace_id=studio.workspace.id):
        held_job(studio, asset_id, lane=Lane.BATCH.value)
        Job.objects.filter(project=studio.project).update(not_before=timezone.now())
    taken = claiming.claim_next([flow, flow])
    assert taken is None or taken.flows[1] != flow
    settings.JOBS_AT_ONCE = 2
    assert claiming.claim_next([Flow(Lane.BATCH, studio.workspace.id, ids.new_id())] * 2) is None


@pytest.fixture(scope="module")
def pool(stack: Stack) -> dict[Flow, list[Job]]:
    """Ten held jobs of each of two people in three workspaces and both lanes, with estimates as uneven as pictures'."""
    jobs = defaultdict(list)
    cost = random.Random(6)
    for studio in (make_studio() for _ in range(3)):
        asset = ids.show("ast", make_assets(studio, "night.jpg")[0].id)
        for lane, person, _ in itertools.product(Lane, (studio.ada, studio.bo), range(10)):
            job = held_job(studio, asset, lane=lane.value, person=person, estimate_us=cost.randrange(1, 10**7))
            jobs[Flow(lane, studio.workspace.id, person.id)].append(job)
    return jobs


class Queues:
    """The same told to the tables and to the pure scheduler."""

    def __init__(self, pool: dict[Flow, list[Job]], cursor: Any) -> None:
        self.held = {flow: list(jobs) for flow, jobs in pool.items()}
        self.waiting: dict[Flow, list[Waiting]] = {flow: [] for flow in pool}
        self.running: list[Waiting] = []
        self.begun: list[Waiting] = []
        self.shares = Shares()
        self.cursor = cursor

    def submit(self, flow: Flow) -> None:
        if self.held[flow]:
            job = self.held[flow].pop(0)
            waits = {each for jobs in self.waiting.values() for waiting in jobs for each in waiting.flows}
            self.shares = self.shares.joined(each for each in (flow.parent, flow) if each not in waits)
            self.waiting[flow].append(Waiting(job.id, flow.lane, job.workspace_id, job.person_id, job.estimate_us))
            self.cursor.execute("UPDATE generations_job SET not_before = now() WHERE id = %s", [job.id])

    def settle(self, _: Flow) -> None:
        """The oldest that runs took half as long again as was estimated."""
        if self.running:
            ended = self.running.pop(0)
            self.shares = self.shares.charged(ended.flows, ended.cost_us // 2)
            self.cursor.execute(
                "INSERT INTO generations_flowchange (lane, workspace_id, person_id, cost_us) VALUES (%s, %s, %s, %s)",
                [*ended.flows[1], ended.cost_us // 2],
            )

    def weigh(self, flow: Flow) -> None:
        """Its workspace gets twice as much as before; after eight times as much as at first again."""
        home = flow.parent
        weight = (self.shares.weights.get(home, 1.0) * 2) % 15
        assert flow.workspace_id is not None
        flows.weigh(flow.workspace_id, weight)
        both = {Flow(lane, flow.workspace_id): weight for lane in Lane}
        self.shares = replace(self.shares, weights={**self.shares.weights, **both})

    def claim(self, _: Flow | None = None) -> None:
        heads = [jobs[0] for jobs in self.waiting.values() if jobs]
        claim = claiming.claim_next()
        assert (claim is None) == (not heads)
        if claim is not None:
            taken = next(job for job in heads if job.job_id == claim.job_id)
            best = order(heads, self.shares)[0]
            assert self._rank(taken) == self._rank(best)
            self.waiting[taken.flows[1]].remove(taken)
            self.shares = self.shares.served(taken.flows, taken.cost_us)
            self.running.append(taken)
            self.begun.append(taken)

    def _rank(self, job: Waiting) -> tuple[Any, ...]:
        return job.lane, *map(self.shares.clock_us, job.flows)


def _queued_us(cursor: Any) -> dict[Flow, int]:
    cursor.execute(
        "SELECT lane, workspace_id, person_id, queued_us FROM generations_flowclock WHERE person_id IS NOT NULL"
    )
    return {Flow(Lane(row[0]), *row[1:3]): row[3] for row in cursor.fetchall()}


STEPS = st.lists(
    st.tuples(
        st.sampled_from([Queues.submit, Queues.submit, Queues.claim, Queues.settle, Queues.weigh]), st.integers(0, 11)
    ),
    max_size=60,
)


@hypothesis.settings(max_examples=40, deadline=None)
@given(steps=STEPS)
def test_the_tables_choose_as_the_scheduler_does(pool: dict[Flow, list[Job]], steps: list[Any]) -> None:
    """Whatever is submitted, claimed and settled in which order, and every job once; and what waits is counted.
    Nobody else ever sees it.
    """
    with tenancy.acting(using="system"), connections["system"].cursor() as cursor:
        flows.lock()
        flows.fold()
        waited = _queued_us(cursor)
        cursor.execute("UPDATE generations_flowclock SET ready_at = NULL, clock_us = 0, floor_us = 0")
        queues = Queues(pool, cursor)
        for step, number in steps:
            step(queues, list(pool)[number])
        while any(queues.waiting.values()):
            queues.claim()
        queues.claim()
        flows.fold()
        begun = {flow: sum(job.cost_us for job in queues.begun if job.flows[1] == flow) for flow in pool}
        assert {flow: waited[flow] - begun[flow] for flow in pool} == {
            flow: us for flow, us in _queued_us(cursor).items() if flow in pool
        }
        transaction.set_rollback(True, using="system")
