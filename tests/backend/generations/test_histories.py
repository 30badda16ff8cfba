"""Any history of a job on the real tables: claims, workers that die, sleep and wake again, faults, cancels, sweeps."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from backend.assets import queries, results
from backend.assets.models import Asset
from backend.assets.results import Result
from backend.core import ids, tenancy
from backend.generations import running, services, sweeper
from backend.generations.claiming import Claim, Lease
from backend.generations.errors import StepNotPossible
from backend.generations.making import Made, StepMade
from backend.generations.models import Job
from backend.generations.states import ENDED, MAX_LOSSES, MAX_TRIES, State
from tests.backend.api.test_jobs import picture
from tests.backend.generations.test_running import FAR, effects, fresh, held_job, take
from tests.conftest import Studio

FAULT = {"code": "part_unavailable", "detail": "It was away."}
PIXELS = np.zeros((8, 8, 3), np.uint8)
RESULT: Result = results.encode(PIXELS, None)
MADE = Made(PIXELS, (StepMade("enhance", "1", {"scale": 2}, "test", "1", "0" * 64, "fp32", 1000),))


class History(RuleBasedStateMachine):
    """One job, and every worker that ever claimed it: each may act at any time, also long after it lost its lease."""

    studio: Studio  # set by the test, as is the asset
    asset_id: str

    def __init__(self) -> None:
        super().__init__()
        self.job = held_job(self.studio, self.asset_id)
        self.claims: list[Claim] = []
        self.state, self.losses, self.result = State.QUEUED, 0, 0

    @property
    def holder(self) -> Claim | None:
        return self.claims[-1] if self.state is State.RUNNING else None

    def any_claim(self, data: st.DataObject) -> Claim:
        return data.draw(st.sampled_from(self.claims))

    def alone(self, act: Callable[[], object]) -> None:
        """`act` in one transaction that leaves the job for a far day, so that the live worker never sees it wait."""
        with tenancy.acting(workspace_id=self.job.workspace_id):
            act()
            Job.objects.filter(pk=self.job.pk).update(not_before=timezone.now() + FAR)

    @precondition(lambda self: self.state is State.QUEUED)
    @rule()
    def claim(self) -> None:
        self.claims.append(take(self.job))
        self.state = State.RUNNING

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def publish(self, data: st.DataObject) -> None:
        """A worker has its result: only the one that holds the job has an effect."""
        claim = self.any_claim(data)
        with tenancy.acting(workspace_id=claim.workspace_id):
            source = queries.ref(Asset.objects.get(pk=ids.parse("ast", self.asset_id)))
        try:
            running._keep(Lease(claim), source, RESULT, MADE)
        except running.LeaseLost:
            assert claim is not self.holder
            return
        assert claim is self.holder
        self.state, self.result = State.SUCCEEDED, 1

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        claim = self.any_claim(data)
        running._end(Lease(claim), lambda job: services.fail(job, FAULT))
        if claim is self.holder:
            self.state = State.FAILED

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def meet_a_passing_fault(self, data: st.DataObject) -> None:
        claim = self.any_claim(data)
        self.alone(lambda: running._end(Lease(claim), lambda job: services.put_back(job, FAULT, lost=False)))
        if claim is self.holder:
            self.wait_or_give_up()

    @precondition(lambda self: self.state is State.RUNNING)
    @rule()
    def lose_the_worker(self) -> None:
        """Its lease runs out, and the sweeper finds it."""

        def sweep() -> None:
            Job.objects.filter(pk=self.job.pk).update(lease_until=timezone.now() - timedelta(seconds=9))
            sweeper._take_back(self.job.id, self.job.workspace_id)

        self.alone(sweep)
        self.losses += 1
        self.wait_or_give_up()

    @rule()
    def sweep_for_nothing(self) -> None:
        """The sweeper looks at a job whose lease is good, or that is not running: nothing happens."""
        sweeper._take_back(self.job.id, self.job.workspace_id)

    @rule()
    def come_too_late(self) -> None:
        """The sweeper finds that the time by which it was to start is over: no matter, if it has."""
        sweeper._expire(self.job.id, self.job.workspace_id)
        if self.state is State.QUEUED:
            self.state = State.EXPIRED

    @rule(times=st.integers(1, 2))
    def cancel(self, times: int) -> None:
        for _ in range(times):
            try:
                with tenancy.acting(person_id=self.studio.ada.id):
                    services.cancel(self.job.id, by=self.studio.ada.id)
            except StepNotPossible:
                assert self.state in (State.SUCCEEDED, State.FAILED, State.EXPIRED)
                return
            assert self.state in (State.QUEUED, State.RUNNING, State.CANCELLED)
            self.state = State.CANCELLED

    def wait_or_give_up(self) -> None:
        worth_it = len(self.claims) < MAX_TRIES and self.losses < MAX_LOSSES
        self.state = State.QUEUED if worth_it else State.FAILED

    def teardown(self) -> None:
        """Leave no job that runs for ever: on its last chance it would hold up those of other tests."""
        with tenancy.acting(workspace_id=self.job.workspace_id):
            left = Job.objects.filter(pk=self.job.pk, finished_at__isnull=True)
            left.update(state=State.CANCELLED.value, finished_at=timezone.now())

    @invariant()
    def as_it_should_be(self) -> None:
        """The row is where the history leads; a result and its charge are there together, once, and only then."""
        row = fresh(self.job)
        assert (row.state, row.attempt, row.losses) == (self.state, len(self.claims), self.losses)
        assert (row.finished_at is not None) == (self.state in ENDED)
        assert effects(self.job) == (self.result, self.result)
        assert self.result == (self.state is State.SUCCEEDED)


def test_any_history_of_a_job_ends_once(studio: Studio, api: Callable[[Any], Client]) -> None:
    """Whoever acts when: one end, at most one result with its charge, and no step that the states don't allow."""
    History.studio, History.asset_id = studio, picture(api(studio.ada), studio)
    run_state_machine_as_test(
        History,
        settings=settings(
            max_examples=15,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
