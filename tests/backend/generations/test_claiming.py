"""Who holds a job, on the real tables: claims, heartbeats, and the clocks that they move."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connections
from django.test import Client
from django.utils import timezone

from backend.core import ids, tenancy
from backend.generations import claiming, running
from backend.generations.claiming import Claim
from backend.generations.models import FlowClock, Job
from backend.generations.scheduler import Flow, Lane
from tests.backend.api.test_jobs import picture, reached
from tests.backend.assets.test_pictures import photo
from tests.backend.generations.test_running import fresh, held_job, take
from tests.conftest import Studio

Api = Callable[[Any], Client]


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
            FlowClock.objects.create(workspace=studio.workspace, person=person, clock_us=5_000_000 + claim.estimate_us)
    running.run(claim)
    used_us = fresh(job).compute_us or 0
    with tenancy.acting(workspace_id=studio.workspace.id):
        clocks = set(FlowClock.objects.filter(workspace=studio.workspace).values_list("clock_us", flat=True))
    assert used_us > 0
    assert clocks == {5_000_000 + used_us}


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
