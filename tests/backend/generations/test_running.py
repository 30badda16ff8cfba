"""Who may publish a job's result, and what is left behind in each way to fail: on the real parts, one claim at a time.

Jobs here are held by the test: queued for a far day, so that the live worker leaves them alone, and claimed by hand.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.db.models import F
from django.test import Client
from django.utils import timezone

from backend.assets import results
from backend.assets.models import Asset
from backend.core import ids, storage, tenancy
from backend.core.models import Event
from backend.core.storage import StorageUnavailable
from backend.generations import claiming, running, services, sweeper
from backend.generations.claiming import Claim
from backend.generations.models import Charge, Job
from backend.generations.scheduler import Lane
from backend.workspaces.models import Member
from collab import edits
from inference.errors import TritonUnavailable
from tests.backend.api.test_jobs import board_with_image, elements_of, picture, reached
from tests.conftest import Studio

Api = Callable[[Any], Client]
FAR = timedelta(days=3650)


def held_job(studio: Studio, asset_id: str, **fields: Any) -> Job:
    """A queued job that nobody claims but the test."""
    with tenancy.acting(workspace_id=studio.workspace.id):
        usual = {
            "person": studio.ada,
            "task": "enhance",
            "estimate_us": 1_000_000,
            "not_before": timezone.now() + FAR,
        }
        job = Job(
            id=ids.new_id(),
            workspace=studio.workspace,
            project=studio.project,
            task_version="1",
            parameters={"scale": 2},
            input_asset_id=ids.parse("ast", asset_id),
            traceparent="",
            **{**usual, **fields},
        )
        job.save(force_insert=True)
    return job


def take(job: Job, *, lease: timedelta = FAR) -> Claim:
    """What the claim does, of this one job."""
    with tenancy.acting(workspace_id=job.workspace_id):
        Job.objects.filter(pk=job.pk).update(
            state="running", attempt=F("attempt") + 1, lease_until=timezone.now() + lease
        )
        job.refresh_from_db()
    return Claim(job.id, Lane(job.lane), job.workspace_id, job.person_id, job.attempt, job.estimate_us, "", job.task)


def fresh(job: Job) -> Job:
    with tenancy.acting(workspace_id=job.workspace_id):
        return Job.objects.get(pk=job.pk)


def effects(job: Job) -> tuple[int, int]:
    """How many results and charges the job has."""
    with tenancy.acting(workspace_id=job.workspace_id):
        return Asset.objects.filter(lineage__job_id=job.id).count(), Charge.objects.filter(job=job).count()


def test_a_job_that_is_gone_by_then_is_let_go(studio: Studio, api: Api) -> None:
    """Its project was deleted between the claim and the run: there is nobody to tell, and nothing of it is left."""
    asset_id = picture(api(studio.ada), studio)
    job = held_job(studio, asset_id)
    claim = take(job)
    with tenancy.acting(workspace_id=studio.workspace.id):
        Job.objects.filter(pk=job.pk).delete()
    running.run(claim)
    with tenancy.acting(workspace_id=studio.workspace.id):
        assert not Charge.objects.filter(job_id=job.id).exists()


def test_a_stale_worker_cannot_publish(studio: Studio, api: Api) -> None:
    """A worker that slept past its lease finds another attempt under way and has no effect; the other's counts once."""
    job = held_job(studio, picture(api(studio.ada), studio))
    stale = take(job)
    current = take(job)
    running.run(stale)
    assert (fresh(job).state, effects(job)) == ("running", (0, 0))
    running.run(current)
    assert (fresh(job).state, effects(job)) == ("succeeded", (1, 1))
    running.run(stale)
    assert effects(job) == (1, 1)


def test_both_attempts_at_once_have_one_effect(studio: Studio, api: Api) -> None:
    """Two workers that both believe to have the job: one result, one charge, and its bytes are there."""
    job = held_job(studio, picture(api(studio.ada), studio))
    claims = [take(job), take(job)]

    def run(claim: Claim) -> None:
        running.run(claim)
        connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, claims))
    assert (fresh(job).state, effects(job)) == ("succeeded", (1, 1))
    with tenancy.acting(workspace_id=studio.workspace.id):
        made = Asset.objects.get(lineage__job_id=job.id)
    assert storage.exists(storage.content_key(studio.workspace.id, made.sha256))


def test_lost_lease_is_queued_again_by_the_sweeper(studio: Studio, api: Api) -> None:
    """What a killed worker held goes on: the live sweeper or ours finds it, and the live worker ends it once."""
    client = api(studio.ada)
    job = held_job(studio, picture(client, studio))
    take(job, lease=timedelta(seconds=-1))
    sweeper.sweep()
    shown = reached(client, ids.show("job", job.id), {"succeeded"}, within_s=30)
    assert (shown["state"], effects(job), fresh(job).losses) == ("succeeded", (1, 1), 1)


def test_job_that_ends_its_workers_is_given_up(studio: Studio, api: Api) -> None:
    """After three lost workers the job fails with a reason, and others go on."""
    job = held_job(studio, picture(api(studio.ada), studio), losses=2)
    take(job, lease=timedelta(seconds=-1))
    sweeper.sweep()
    job = fresh(job)
    assert (job.state, job.error["code"] if job.error else None) == ("failed", "worker_lost")


@pytest.mark.parametrize("fault", [TritonUnavailable(), StorageUnavailable()], ids=["triton", "s3"])
def test_passing_fault_waits_and_tries_again(
    studio: Studio, api: Api, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    """A part that is away puts the job back, with back-off; the live worker ends it when the part is there again."""
    client = api(studio.ada)
    job = held_job(studio, picture(client, studio))

    def away(*_args: Any, **_options: Any) -> None:
        raise fault

    with monkeypatch.context() as broken:
        broken.setattr(running, "PATIENCE_S", 0.0)
        broken.setattr(results.Result, "is_small", False)  # it is written before its rows
        broken.setattr(results, "write", away)
        running.run(take(job))
    assert fresh(job).finished_at is None
    assert reached(client, ids.show("job", job.id), {"succeeded"}, within_s=30)["state"] == "succeeded"
    assert (effects(job), fresh(job).attempt, fresh(job).losses) == ((1, 1), 2, 0)


def test_a_worker_whose_clock_is_wrong_delays_no_job(studio: Studio, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it puts back waits by the database's clock, not until the hour that the worker believes in."""
    client = api(studio.ada)
    job = held_job(studio, picture(client, studio))
    claim, later = take(job), timezone.now() + timedelta(hours=1)
    with monkeypatch.context() as wrong:
        wrong.setattr(timezone, "now", lambda: later)
        running._end(
            claiming.Lease(claim), lambda held: services.put_back(held, {"code": "x", "detail": ""}, lost=False)
        )
    shown = reached(client, ids.show("job", job.id), {"succeeded"}, within_s=30)
    assert (shown["state"], fresh(job).attempt) == ("succeeded", 2)


def test_fault_that_does_not_pass_fails_in_the_end(studio: Studio, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the limit of tries the job fails with the part's code."""
    job = held_job(studio, picture(api(studio.ada), studio), attempt=7)

    def away(*_args: Any, **_options: Any) -> None:
        raise TritonUnavailable

    monkeypatch.setattr(results, "encode", away)
    running.run(take(job))
    assert (fresh(job).state, fresh(job).error) == (
        "failed",
        {"code": "part_unavailable", "detail": TritonUnavailable().detail},
    )


def test_job_that_waited_too_long_expires(studio: Studio, api: Api) -> None:
    """It ends without a charge, an event says so, and no worker takes it any more."""
    job = held_job(studio, picture(api(studio.ada), studio), start_by=timezone.now() + timedelta(seconds=0.2))
    sweeper.sweep()
    assert fresh(job).state == "queued"
    time.sleep(0.3)
    with tenancy.acting(workspace_id=studio.workspace.id):
        Job.objects.filter(pk=job.pk, state="queued").update(not_before=timezone.now())
    assert all(claim.job_id != job.id for claim in iter(claiming.claim_next, None))
    sweeper.sweep()
    assert (fresh(job).state, effects(job)) == ("expired", (0, 0))
    with tenancy.acting(workspace_id=studio.workspace.id):
        kinds = list(Event.objects.filter(resource=ids.show("job", job.id)).values_list("kind", flat=True))
    assert kinds == ["job.expired"]


def test_input_deleted_while_queued(studio: Studio, api: Api) -> None:
    """The job fails with a reason that helps, at once."""
    asset_id = picture(api(studio.ada), studio)
    job = held_job(studio, asset_id)
    with tenancy.acting(workspace_id=studio.workspace.id):
        Asset.objects.filter(pk=ids.parse("ast", asset_id)).delete()
    running.run(take(job))
    assert (fresh(job).state, (fresh(job).error or {})["code"]) == ("failed", "input_gone")


def test_our_own_mistake_fails_the_job_and_is_raised(studio: Studio, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job never hangs because of a bug; the bug is not hidden either."""
    job = held_job(studio, picture(api(studio.ada), studio))

    def broken(*_args: Any, **_options: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(results, "encode", broken)
    with pytest.raises(ZeroDivisionError):
        running.run(take(job))
    assert (fresh(job).state, (fresh(job).error or {})["code"]) == ("failed", "internal")


def test_result_of_somebody_who_was_removed_is_an_asset_and_no_edit(studio: Studio, api: Api) -> None:
    """Their right to the board is gone, so it is not touched; the project keeps what was computed."""
    asset_id = picture(api(studio.ada), studio)
    board_with_image(studio, asset_id)
    job = held_job(studio, asset_id, document_id=studio.board.id, element_id="one")
    with tenancy.acting(workspace_id=studio.workspace.id):
        Job.objects.filter(pk=job.pk).update(person=studio.bo)
        Member.objects.filter(workspace=studio.workspace, person=studio.bo).delete()
        job.refresh_from_db()
    running.run(take(job))
    assert (fresh(job).state, fresh(job).edit_id, effects(job)) == ("succeeded", None, (1, 1))
    assert set(elements_of(studio)) == {"one"}


def test_publishing_is_one_transaction(studio: Studio, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the last step of it breaks, there is no asset, no charge and no edit either."""
    asset_id = picture(api(studio.ada), studio)
    board_with_image(studio, asset_id)
    job = held_job(studio, asset_id, document_id=studio.board.id, element_id="one")
    applied = edits.apply

    def apply_then_break(*args: Any, **options: Any) -> None:
        applied(*args, **options)
        raise ZeroDivisionError

    monkeypatch.setattr(edits, "apply", apply_then_break)
    with pytest.raises(ZeroDivisionError):
        running.run(take(job))
    assert (effects(job), set(elements_of(studio))) == ((0, 0), {"one"})
